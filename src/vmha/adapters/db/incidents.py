"""Opens and feeds recoveries inside the API's own transactions: an accepted notification and its incident are stored together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from vmha.adapters.db import outbox, schema
from vmha.adapters.db.connection import sentence
from vmha.core.alerting import alerts_of
from vmha.core.events import Confirmed
from vmha.core.kinds import kind_of, subject_of
from vmha.core.model import Recovery
from vmha.core.plain import event_to_plain, to_plain

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vmha.adapters.db.reports import Report
    from vmha.core.events import Event
    from vmha.core.explain import Reason

recoveries = schema.recoveries
_IS_OPEN = recoveries.c.open_key == bindparam("key")
_OPEN_ONE = select(recoveries.c.uuid).where(_IS_OPEN)
_TOUCH_OPEN_ONE = update(recoveries).where(_IS_OPEN).values(wake_at=func.database_now())
_PUT = insert(schema.inbox).values(created_at=func.database_now())
_NOW = select(func.database_now())


def open_or_join(connection: Connection, report: Report) -> str:
    """Open the incident, or join the one that is open; return its uuid.

    Joining touches the recovery's row before the letter is put, so that it and the commit that ends the recovery wait for each other:
    who comes second finds the letter, and does not end yet, or no open recovery.
    """
    known = _join(connection, report)
    if known is not None:
        return known
    try:
        with connection.begin_nested():
            return _open(connection, report)
    except (IntegrityError, DBDuplicateEntry):
        known = _join(connection, report)
        if known is None:  # opened by another API process and ended since: open our own
            return _open(connection, report)
        return known


def open_of_host(connection: Connection, host_uuid: str) -> tuple[str, str] | None:
    """Return uuid and phase of the open recovery of a host itself, None where there is none."""
    one = select(recoveries.c.uuid, recoveries.c.phase).where(_IS_OPEN)
    row = connection.execute(one, {"key": f"host:{host_uuid}"}).one_or_none()
    return None if row is None else (row.uuid, row.phase)


def say(connection: Connection, recovery_uuid: str, event: Event) -> bool:
    """Put a human's word into the inbox of the recovery, a confirm with the phase that it answers, by the order of locks of `open_or_join`.

    Returns False where it has ended and nothing was put.
    """
    open_one = update(recoveries).where(recoveries.c.uuid == recovery_uuid, recoveries.c.open_key.is_not(None))
    if connection.execute(open_one.values(wake_at=func.database_now())).rowcount == 0:
        return False
    if isinstance(event, Confirmed):
        phase = connection.execute(select(recoveries.c.phase).where(recoveries.c.uuid == recovery_uuid)).scalar_one()
        event = replace(event, asked=phase)
    _put(connection, recovery_uuid, event)
    return True


def tell(connection: Connection, recovery_uuid: str, reason: Reason, *, at: float) -> None:
    """Add a line to the timeline of the recovery."""
    line = {
        "recovery_uuid": recovery_uuid,
        "at": at,
        "engine": "api",
        "code": reason.code.name,
        "facts": json.dumps(dict(reason.facts)),
        "sentence": sentence(reason.sentence),
    }
    connection.execute(insert(schema.timeline), line)


def _join(connection: Connection, report: Report) -> str | None:
    key = {"key": report.open_key}
    if connection.execute(_TOUCH_OPEN_ONE, key).rowcount == 0:
        return None
    uuid: str = connection.execute(_OPEN_ONE, key).scalar_one()
    _attach(connection, uuid, report.place.notification_uuid, is_first=False)
    _put(connection, uuid, report.again)
    return uuid


def _put(connection: Connection, recovery_uuid: str, event: Event) -> None:
    values = {"recovery_uuid": recovery_uuid, "event": json.dumps(event_to_plain(event))}
    connection.execute(_PUT, values)


def _open(connection: Connection, report: Report) -> str:
    now = float(connection.execute(_NOW).scalar_one())
    uuid = str(uuid4())
    state, decision = report.opened(uuid, now)
    row = {
        "uuid": uuid,
        "kind": kind_of(state).name,
        "open_key": report.open_key,
        "host_uuid": state.host_uuid,
        "host_name": state.host,
        # A version that knows hosts only counts by these: see the table.
        "segment_uuid": state.segment if isinstance(state, Recovery) else "",
        "method": state.method.value if isinstance(state, Recovery) else "",
        "subject": subject_of(state),
        "phase": state.phase.value,
        "message": sentence(state.reason.sentence),
        "state": json.dumps(to_plain(state)),
        "version": 1,
        "opened_at": now,
        "wake_at": now,
        "epoch": 0,
    }
    connection.execute(insert(recoveries), row)
    _attach(connection, uuid, report.place.notification_uuid, is_first=True)
    for reason in decision.reasons:
        tell(connection, uuid, reason, at=now)
    outbox.store_alerts(connection, state, alerts_of(state, state, decision.effects), now, is_new=True)
    return uuid


def _attach(connection: Connection, recovery: str, notification: str, *, is_first: bool) -> None:
    values = {"notification_uuid": notification, "recovery_uuid": recovery, "is_first": is_first}
    connection.execute(insert(schema.recovery_notifications), values)
