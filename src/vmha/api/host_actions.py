"""What an administrator has done with a host: let it back after a failure. Ours; upstream has no such thing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vmha.adapters.db.connection import transaction
from vmha.api import hosts
from vmha.api.call import Answer
from vmha.api.faults import conflict, not_found
from vmha.core.returning import ReturnRefused, Wish
from vmha.errors import UnknownHost
from vmha.logs import log

if TYPE_CHECKING:
    from vmha.api.call import Call

LOG = logging.getLogger(__name__)
_NOBODY = "an unnamed administrator"


def act(call: Call) -> Answer:
    """Let a repaired host back, or say every reason against it."""
    with transaction(call.parts.engine) as connection:
        row, _ = hosts.existing(connection, call.path["host"], call.path["segment"])
    said = call.body["return"]
    wish = Wish(
        by=call.caller.user_name or call.caller.user_id or _NOBODY,
        why=said["reason"].strip(),
        as_reserved=said.get("as_reserved", False),
        inspected=said.get("inspected", False),
    )
    is_dry = said.get("dry_run", False)
    try:
        returned = call.parts.let_back(row.name, wish, is_dry=is_dry)
    except UnknownHost as error:
        raise not_found(str(error)) from error
    except ReturnRefused as refused:
        log(LOG, "return refused", host=row.name, by=wish.by, why=wish.why, says=str(refused))
        numbered = (f"({number}) {reason.sentence}" for number, reason in enumerate(refused.reasons, 1))
        raise conflict(f"Host {row.name} is not let back. {'. '.join(numbered)}.") from refused
    done = {
        "host": row.name,
        "host_uuid": row.uuid,
        "dry_run": returned.is_dry,
        "done": [reason.sentence for reason in returned.done],
        "notes": [reason.sentence for reason in returned.notes],
    }
    return Answer({"return": done})
