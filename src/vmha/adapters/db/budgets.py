"""Slots for power-offs in SQL: unique rows among the claims, so that of several engines that want the last one a single one gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from vmha.adapters.db import schema
from vmha.core.budgets import AT_ONCE, IN_ALL, UNGUARDED, PowerOffs, in_segment
from vmha.core.effects import PowerOff
from vmha.core.model import Phase, Recovery
from vmha.errors import ClaimRefused

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from vmha.core.budgets import Budget
    from vmha.ports import Change

claims, recoveries = schema.claims.c, schema.recoveries.c


def standing(connection: Connection, recovery: Recovery, window_seconds: float) -> tuple[PowerOffs, int]:
    """Count the slots that others hold, and how often the host failed within the window before this recovery."""
    if recovery.phase in UNGUARDED:
        return PowerOffs(), 0
    keys = (AT_ONCE, IN_ALL, in_segment(recovery.segment))
    held = select(claims.claim_key).where(
        or_(*(_slots(key) for key in keys)),
        claims.expires_at > func.database_now(),
        claims.recovery_uuid != recovery.uuid,
    )
    taken = connection.execute(held).scalars().all()
    now, hour, hour_of_segment = (sum(slot.startswith(f"{key}:") for slot in taken) for key in keys)
    before = select(func.count()).where(
        recoveries.host_uuid == recovery.host_uuid,
        recoveries.kind == "host",
        recoveries.uuid != recovery.uuid,
        recoveries.opened_at > func.database_now() - window_seconds,
        recoveries.outcome.not_in(("rejected", "false_alarm")),
    )
    failures = int(connection.execute(before).scalar_one())
    return PowerOffs(now=now, hour=hour, hour_of_segment=hour_of_segment), failures


def store_slots(connection: Connection, change: Change[Recovery]) -> None:
    """Take a slot of each budget where a round of fencing begins or an order of it leaves; give back what a round that is over leaves."""
    before, after = change.before.phase, change.after.phase
    begins = after is Phase.FENCING and before is not Phase.FENCING
    if begins or any(isinstance(order.effect, PowerOff) for order in change.orders):
        for budget in change.budgets:
            _take(connection, change, budget)
    if before is Phase.FENCING and after is not Phase.FENCING:
        spent = [] if change.after.fence.sent else [_slots(IN_ALL), _slots(in_segment(change.after.segment))]
        mine = claims.recovery_uuid == change.after.uuid
        connection.execute(delete(schema.claims).where(mine, or_(_slots(AT_ONCE), *spent)))


def _take(connection: Connection, change: Change[Recovery], budget: Budget) -> None:
    """Take a slot, or let the one that it has last anew."""
    uuid, until = change.after.uuid, change.now + budget.seconds
    rows = connection.execute(
        select(claims.claim_key, claims.recovery_uuid, claims.expires_at).where(_slots(budget.key))
    ).all()
    if any(owner == uuid for _, owner, _ in rows):
        mine = and_(_slots(budget.key), claims.recovery_uuid == uuid)
        connection.execute(update(schema.claims).where(mine).values(expires_at=until))
        return
    alive = {key for key, _, expires_at in rows if expires_at is None or expires_at > change.now}
    free = next((f"{budget.key}:{slot}" for slot in range(budget.slots) if f"{budget.key}:{slot}" not in alive), None)
    if free is None:
        raise ClaimRefused(f"all {budget.slots} slots of {budget.key} are taken")
    if any(key == free for key, _, _ in rows):
        connection.execute(delete(schema.claims).where(claims.claim_key == free, claims.expires_at <= change.now))
    claim(connection, free, uuid, change.now, until)


def claim(connection: Connection, key: str, recovery: str, now: float, expires_at: float | None) -> None:
    """Insert a row that only one recovery can have. Raises `ClaimRefused` where another has it."""
    row = {"claim_key": key, "recovery_uuid": recovery, "made_at": now, "expires_at": expires_at}
    try:
        connection.execute(insert(schema.claims).values(**row))
    except (IntegrityError, DBDuplicateEntry) as error:
        raise ClaimRefused(f"{key} is another recovery's") from error


def _slots(key: str) -> ColumnElement[bool]:
    return claims.claim_key.startswith(f"{key}:")
