"""What counts for the brake: failures of the segment, and recoveries that stand at it or are halted there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import case, func, or_, select

from vmha.adapters.db import schema
from vmha.core.model import Phase

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vmha.core.model import Recovery

recoveries = schema.recoveries
UNDECIDED = tuple(phase.value for phase in Phase if phase.is_undecided)


def standing(connection: Connection, recovery: Recovery, window_seconds: float) -> tuple[int, bool]:
    """Count the segment's failures, this one and the others, and tell whether another one stands at the brake.

    Others count that opened within the window or are undecided since, or the slots for a power-off that they still hold.
    """
    since = func.database_now() - window_seconds
    others = (
        recoveries.c.segment_uuid == recovery.segment,
        recoveries.c.kind == "host",
        recoveries.c.uuid != recovery.uuid,
    )
    opened = select(func.count()).where(
        *others,
        recoveries.c.opened_at > since,
        or_(recoveries.c.outcome.is_(None), recoveries.c.outcome.not_in(("rejected", "false_alarm"))),
    )
    slots = select(func.count()).where(
        schema.claims.c.claim_key.like(f"power-off:{recovery.segment}:%"),
        schema.claims.c.expires_at > func.database_now(),
        schema.claims.c.recovery_uuid != recovery.uuid,
    )
    halted = recoveries.c.phase == Phase.HALTED.value
    waiting = select(
        recoveries.c.phase,
        case((recoveries.c.opened_at <= since, 1), else_=0).label("is_old"),
        case((halted, recoveries.c.state), else_=None).label("state"),
    ).where(*others, recoveries.c.open_key.is_not(None), or_(halted, recoveries.c.phase.in_(UNDECIDED)))
    stands = [(_stands_in(row.phase, row.state), bool(row.is_old)) for row in connection.execute(waiting)]
    failed = int(connection.execute(opened).scalar_one()) + sum(old and phase.is_undecided for phase, old in stands)
    failures = 1 + max(failed, int(connection.execute(slots).scalar_one()))
    return failures, any(phase is Phase.BRAKED for phase, _ in stands)


def _stands_in(phase: str, state: str | None) -> Phase:
    """Return where it stands or, of one that is halted, where it goes on; what only a newer version can read holds the brake."""
    if state is None:
        return Phase(phase)
    try:
        return Phase[json.loads(state)["halt"]["phase"]]
    except (KeyError, TypeError, ValueError):
        return Phase.BRAKED
