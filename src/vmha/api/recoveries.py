"""Recoveries: what this service does about a failed host, instance or process, and the human's word in it. Upstream has no such thing."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from vmha.adapters.db import incidents
from vmha.adapters.db import recovery_views as stored
from vmha.adapters.db.connection import reading, transaction
from vmha.adapters.db.listing import Order, Page, equals
from vmha.adapters.db.schema import recoveries
from vmha.api import paging, params, views
from vmha.api.call import Answer
from vmha.api.faults import bad_request, conflict, not_found
from vmha.core.kinds import KINDS, PHASES
from vmha.core.model import Outcome
from vmha.core.words import PAST, not_taken, word
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import Enum

    from sqlalchemy.engine import Connection

    from vmha.adapters.db.recovery_views import RecoveryView
    from vmha.api.call import Call
    from vmha.api.params import Query

LOG = logging.getLogger(__name__)
_NEWEST_FIRST = (Order("id", descending=True),)
_NOBODY = "an unnamed administrator"


def index(call: Call) -> Answer:
    """List recoveries, the newest first."""
    limit = params.limit(call.query, max_limit=call.parts.max_limit)
    page = Page(limit=limit, marker=call.query.get("marker"), order=_NEWEST_FIRST)
    conditions = []
    if host := call.query.get("host"):
        conditions.append(equals(recoveries.c.host_name, host))
    words: dict[str, Iterable[str]] = {"kind": KINDS, "phase": _values(PHASES), "outcome": _values(Outcome)}
    conditions += [
        recoveries.c[name] == word for name, known in words.items() if (word := _word(call.query, name, known))
    ]
    with reading(call.parts.reader) as connection:
        rows = stored.listed(connection, conditions, paging.one_more(page))
    return paging.answer(call, "recoveries", rows, page, views.recovery, marker="uuid")


def show(call: Call) -> Answer:
    """Show a recovery with its notifications, moves and proofs."""
    uuid = call.path["recovery"]
    with reading(call.parts.reader) as connection:
        row = _existing(connection, uuid)
        notifications = stored.notifications_of(connection, uuid)
        moves, proofs = stored.moves_of(connection, uuid), stored.proofs_of(connection, uuid)
    return Answer({"recovery": views.recovery_in_full(row, notifications, moves, proofs)})


def timeline(call: Call) -> Answer:
    """Show all that happened, and why, oldest first."""
    uuid = call.path["recovery"]
    with reading(call.parts.reader) as connection:
        _existing(connection, uuid)
        lines = stored.timeline_of(connection, uuid)
    return Answer({"timeline": [views.timeline_line(line) for line in lines]})


def act(call: Call) -> Answer:
    """Hand a human's word to the engine that owns the recovery."""
    uuid = call.path["recovery"]
    ((verb, said),) = call.body.items()
    by = call.caller.user_name or call.caller.user_id or _NOBODY
    why = said["reason"].strip()
    event = word(verb, by=by, why=why, is_off=said.get("host_is_off", False))
    with transaction(call.parts.engine) as connection:
        row = _existing(connection, uuid)
        _demand_open(row, verb)
        if not incidents.say(connection, uuid, event):
            _demand_open(_existing(connection, uuid), verb)
    call.parts.doorbell.ring()
    log(LOG, "human said", recovery=uuid, host=row.host_name, word=verb, by=by, why=why)
    return Answer({"recovery": views.recovery(row)}, HTTPStatus.ACCEPTED)


def _existing(connection: Connection, uuid: str) -> RecoveryView:
    row = stored.find(connection, uuid)
    if row is None:
        raise not_found(f"No recovery with id {uuid}.")
    return row


def _demand_open(row: RecoveryView, verb: str) -> None:
    """Raise `Fault` for a word that means nothing to the recovery as it stands."""
    why = not_taken(verb, row.phase)
    if why is not None:
        outcome = "" if row.outcome is None else f" with outcome {row.outcome.value}"
        raise conflict(f"Recovery {row.uuid} can't be {PAST[verb]}: {why}{outcome}.")


def _word(query: Query, name: str, known: Iterable[str]) -> str | None:
    """Read a filter that only takes known words. Raises `Fault`."""
    text = query.get(name)
    if not text:
        return None
    if text not in known:
        raise bad_request(f"Invalid value for {name}: {text} is none of {', '.join(known)}")
    return text


def _values(words: Iterable[Enum]) -> dict[str, None]:
    """Return the words of an enumeration, each once, in their order."""
    return dict.fromkeys(str(word.value) for word in words)
