"""Stores one change of a recovery in the caller's transaction: state, proofs, orders, moves, claims, and what clients see.

The order of the statements is part of the contract: the recovery's row comes first and is locked by it, so that whoever joins, revokes
or takes over waits for the whole change. Whoever joins locks that row first too: the letter is seen here, or no open recovery there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Double, String, Text, bindparam, delete, func, insert, literal, select, update

from vmha.adapters.db import budgets, outbox, records, schema
from vmha.adapters.db.connection import sentence, upstream_sentence
from vmha.core.alerting import alerts_of
from vmha.core.effects import Evacuate, PowerOff
from vmha.core.kinds import has_ended
from vmha.core.model import CLOCK_TOLERANCE_SECONDS, Phase, Recovery
from vmha.core.plain import event_from_plain, to_plain
from vmha.errors import ClaimRefused, Conflict, LeaseLost, LettersWaiting, ProofRefused

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from vmha.core.incidents import Incident
    from vmha.core.model import Move, Proof
    from vmha.ports import Change, Lease, Order

recoveries = schema.recoveries


def store_change(connection: Connection, lease: Lease, version: int, change: Change[Any]) -> int:
    """Store everything and return the new version; any error rolls the caller's transaction back."""
    _store_state(connection, lease, version, change.after)
    is_host = isinstance(change.after, Recovery)
    if is_host:
        _store_proofs(connection, change)
        _store_claims(connection, change)
    for order in change.orders:
        if isinstance(order.effect, Evacuate):
            _insert_proven_order(connection, lease, version + 1, order, order.effect, change.now)
        # A reading leaves nothing that a successor would have to know, and an alert has a table of its own.
        elif order.effect.is_order:
            connection.execute(insert(schema.effects).values(**_order_columns(lease, order, change.now)))
    if is_host:
        _store_moves(connection, change)
    _store_views(connection, change)
    _close_letters(connection, lease, change)
    told = alerts_of(change.before, change.after, (order.effect for order in change.orders))
    outbox.store_alerts(connection, change.after, told, change.now)
    return version + 1


def _store_state(connection: Connection, lease: Lease, version: int, after: Incident) -> None:
    state = replace(after, moves=()) if isinstance(after, Recovery) else after  # moves have a table of their own
    values: dict[str, Any] = {
        "version": version + 1,
        "phase": after.phase.value,
        "outcome": after.outcome.value if after.outcome else None,
        "message": sentence(after.reason.sentence),
        "state": json.dumps(to_plain(state)),
        "ended_at": after.ended_at,
        "wake_at": after.wake_at,
    }
    if has_ended(after):
        values |= {"open_key": None, "lease_token": None, "lease_until": None, "claimable_at": None}
    stored = connection.execute(
        update(recoveries)
        .where(
            recoveries.c.uuid == lease.recovery,
            recoveries.c.version == version,
            recoveries.c.owner == lease.engine,
            recoveries.c.epoch == lease.epoch,
            recoveries.c.lease_token == lease.token,
            recoveries.c.lease_until > func.database_now(),
        )
        .values(**values)
    )
    if stored.rowcount == 1:
        return
    epoch = connection.execute(select(recoveries.c.epoch).where(recoveries.c.uuid == lease.recovery)).scalar()
    if epoch == lease.epoch:
        current = connection.execute(select(recoveries.c.version).where(recoveries.c.uuid == lease.recovery)).scalar()
        if current != version:
            raise Conflict(f"recovery {lease.recovery} is at version {current}, not {version}")
    raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}'s (epoch {lease.epoch}, now {epoch})")


def _store_proofs(connection: Connection, change: Change[Recovery]) -> None:
    table = schema.fence_proofs
    for proof, why in change.revoked:
        _put_proof(connection, proof, change.before)
        connection.execute(
            update(table).where(table.c.uuid == proof.uuid).values(revoked_at=change.now, revoked_because=sentence(why))
        )
    after = change.after.proof
    if after is not None and after != change.before.proof:
        _put_proof(connection, after, change.before)


def _put_proof(connection: Connection, proof: Proof, before: Recovery) -> None:
    """Write a new proof, or the younger readings of the one that was stored. A revoked one stays as it died."""
    table = schema.fence_proofs
    young = {"read_at": proof.read_at, "valid_until": proof.valid_until, "evidence": _evidence(proof)}
    if before.proof is not None and before.proof.uuid == proof.uuid:
        connection.execute(
            update(table).where(table.c.uuid == proof.uuid, table.c.revoked_at.is_(None)).values(**young)
        )
        return
    connection.execute(
        insert(table).values(
            uuid=proof.uuid,
            recovery_uuid=proof.recovery,
            host_name=proof.host,
            rung=proof.rung.value,
            established_at=proof.established_at,
            **young,
        )
    )


def _evidence(proof: Proof) -> str:
    return json.dumps({"readings": to_plain(proof.readings), "word": to_plain(proof.word)})


def _store_claims(connection: Connection, change: Change[Recovery]) -> None:
    """Take slots for power-offs and reserved hosts as unique rows; the loser of a race gets `ClaimRefused`."""
    claims = schema.claims
    uuid = change.after.uuid
    if any(isinstance(order.effect, PowerOff) for order in change.orders) and change.power_off_slots is not None:
        _take_slot(connection, change, change.power_off_slots)
    budgets.store_slots(connection, change)
    mine = set(
        connection.execute(select(claims.c.claim_key).where(claims.c.recovery_uuid == uuid)).scalars()
        if change.after.reserved
        else ()
    )
    for entry in change.after.reserved:
        if f"reserved:{entry.host}" not in mine:
            budgets.claim(connection, f"reserved:{entry.host}", uuid, change.now, None)
    if change.after.phase is Phase.ENDED:
        connection.execute(delete(claims).where(claims.c.recovery_uuid == uuid, claims.c.expires_at.is_(None)))


def _take_slot(connection: Connection, change: Change[Recovery], slots: int) -> None:
    claims = schema.claims
    prefix = f"power-off:{change.after.segment}:"
    connection.execute(delete(claims).where(claims.c.claim_key.like(f"{prefix}%"), claims.c.expires_at <= change.now))
    rows = connection.execute(
        select(claims.c.claim_key, claims.c.recovery_uuid).where(claims.c.claim_key.like(f"{prefix}%"))
    ).all()
    if any(recovery == change.after.uuid for _, recovery in rows):
        return
    taken = {key for key, _ in rows}
    free = next((f"{prefix}{slot}" for slot in range(slots) if f"{prefix}{slot}" not in taken), None)
    if free is None:
        raise ClaimRefused(f"all {slots} power-offs of segment {change.after.segment} are spent")
    budgets.claim(connection, free, change.after.uuid, change.now, change.now + change.slot_seconds)


def _order_columns(lease: Lease, order: Order, now: float) -> dict[str, Any]:
    effect = order.effect
    return {
        "uuid": order.id,
        "recovery_uuid": order.recovery,
        "effect_key": effect.key,
        "kind": type(effect).__name__,
        "payload": json.dumps(to_plain(effect)),
        "proof_uuid": effect.proof if isinstance(effect, Evacuate) else None,
        "engine": lease.engine,
        "epoch": lease.epoch,
        "intended_at": now,
    }


def _insert_proven_order(
    connection: Connection, lease: Lease, version: int, order: Order, effect: Evacuate, now: float
) -> None:
    """Insert what makes a guest run by a SELECT that finds its proof: this host's, this recovery's, alive and young (P1)."""
    proofs = schema.fence_proofs
    columns = _order_columns(lease, order, now)
    kinds = {"epoch": schema.effects.c.epoch.type, "intended_at": Double(), "payload": Text()}
    values = [literal(value, kinds.get(name, String())) for name, value in columns.items()]
    source = (
        select(*values)
        .select_from(proofs.join(recoveries, recoveries.c.uuid == proofs.c.recovery_uuid))
        .where(
            proofs.c.uuid == bindparam("the_proof", effect.proof),
            proofs.c.recovery_uuid == order.recovery,
            proofs.c.host_name == effect.source,
            *is_valid(),
            recoveries.c.host_name == effect.source,
            recoveries.c.version == version,
            recoveries.c.owner == lease.engine,
            recoveries.c.epoch == lease.epoch,
        )
    )
    order_row = insert(schema.effects).from_select(list(columns), source)
    stored = connection.execute(order_row, execution_options={"preserve_rowcount": True})
    if stored.rowcount != 1:
        raise ProofRefused(f"no valid proof for {effect.key} of {effect.source}: the order was not stored")


def is_valid() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a proof to hold now: alive, young, and not read at a time to come, as after the clock was set back."""
    proofs = schema.fence_proofs
    now = func.database_now()
    not_to_come = proofs.c.read_at <= now + CLOCK_TOLERANCE_SECONDS
    return proofs.c.revoked_at.is_(None), proofs.c.valid_until > now, not_to_come


def _store_moves(connection: Connection, change: Change[Recovery]) -> None:
    """Write the moves that changed, and upstream's vmoves beside them."""
    before = {move.instance: move for move in change.before.moves}
    ended = change.after.phase is Phase.ENDED
    new = [(position, move) for position, move in enumerate(change.after.moves) if move.instance not in before]
    if new:
        _insert_moves(connection, change, new)
    for move in change.after.moves:
        if move.instance in before and (move != before[move.instance] or (ended and not move.status.is_final)):
            _update_move(connection, change, move)


def _insert_moves(connection: Connection, change: Change[Recovery], new: list[tuple[int, Move]]) -> None:
    """Write a whole plan in two statements: a host may carry more than a thousand instances."""
    rows = [
        {
            "recovery_uuid": change.after.uuid,
            "instance_uuid": move.instance,
            "position": position,
            "vmove_uuid": str(uuid4()),
            "status": move.status.value,
            "state": json.dumps(to_plain(move)),
        }
        for position, move in new
    ]
    connection.execute(insert(schema.moves), rows)
    table = schema.recovery_notifications
    first = connection.execute(
        select(table.c.notification_uuid).where(table.c.recovery_uuid == change.after.uuid, table.c.is_first.is_(True))
    ).scalar()
    if first is not None:
        common = {"notification_uuid": first, "created_at": _stamp(change.now), "deleted": 0}
        vmoves = [
            {"uuid": row["vmove_uuid"], **common, **_vmove(connection, change.after, move)}
            for row, (_, move) in zip(rows, new, strict=True)
        ]
        connection.execute(insert(schema.vmoves), vmoves)


def _update_move(connection: Connection, change: Change[Recovery], move: Move) -> None:
    table = schema.moves
    mine = (table.c.recovery_uuid == change.after.uuid, table.c.instance_uuid == move.instance)
    connection.execute(update(table).where(*mine).values(status=move.status.value, state=json.dumps(to_plain(move))))
    vmove_uuid = select(table.c.vmove_uuid).where(*mine).scalar_subquery()
    values = _vmove(connection, change.after, move)
    connection.execute(
        update(schema.vmoves).where(schema.vmoves.c.uuid == vmove_uuid).values(updated_at=_stamp(change.now), **values)
    )


def _vmove(connection: Connection, recovery: Recovery, move: Move) -> dict[str, Any]:
    """Return the columns of the vmove as upstream's table can hold them."""
    columns = records.vmove(recovery, move)
    for name in ("instance_name", "message"):
        if columns[name] is not None:
            columns[name] = upstream_sentence(connection, columns[name])
    return columns


def _store_views(connection: Connection, change: Change[Any]) -> None:
    """Write what changed for clients of upstream's tables: notifications, and the flags of hosts."""
    before, after = change.before, change.after
    hosts, stamp = schema.hosts, _stamp(change.now)
    if after.reason != before.reason or after.outcome is not before.outcome:
        _store_status(connection, after, stamp)
    if records.is_on_maintenance(after) and not records.is_on_maintenance(before):
        flags = {"on_maintenance": True, "reserved": False, "updated_at": stamp}
        connection.execute(update(hosts).where(hosts.c.uuid == after.host_uuid).values(**flags))
    for back in set(getattr(after, "given_back", ())) - set(getattr(before, "given_back", ())):
        connection.execute(
            update(hosts)
            .where(hosts.c.name == back, hosts.c.deleted == 0, hosts.c.on_maintenance.is_not(True))
            .values(reserved=True, updated_at=stamp)
        )
    for spent in set(records.spent_reserves(after)) - set(records.spent_reserves(before)):
        connection.execute(
            update(hosts).where(hosts.c.name == spent, hosts.c.deleted == 0).values(reserved=False, updated_at=stamp)
        )


def _store_status(connection: Connection, after: Incident, stamp: Any) -> None:
    """Write status and message of all joined notifications. Read first: MariaDB runs UPDATE … IN (SELECT …) over every row."""
    links, table = schema.recovery_notifications, schema.notifications
    joined = connection.scalars(select(links.c.notification_uuid).where(links.c.recovery_uuid == after.uuid)).all()
    connection.execute(
        update(table)
        .where(table.c.notification_uuid.in_(joined))
        .values(
            status=records.notification_status(after),
            message=upstream_sentence(connection, after.reason.sentence),
            updated_at=stamp,
        )
    )


def _close_letters(connection: Connection, lease: Lease, change: Change[Any]) -> None:
    """Strike answered orders and handled letters off, and write the timeline."""
    if change.answered:
        table = schema.effects
        connection.execute(update(table).where(table.c.uuid.in_(change.answered)).values(answered_at=change.now))
    if change.handled:
        connection.execute(delete(schema.inbox).where(schema.inbox.c.id.in_(change.handled)))
    if has_ended(change.after):
        _demand_none_left(connection, change.after)
    if change.timeline:
        connection.execute(
            insert(schema.timeline),
            [
                {
                    "recovery_uuid": change.after.uuid,
                    "at": entry.at,
                    "engine": lease.engine,
                    "code": entry.reason.code.name,
                    "facts": json.dumps(dict(entry.reason.facts)),
                    "sentence": sentence(entry.reason.sentence),
                }
                for entry in change.timeline
            ],
        )


def _demand_none_left(connection: Connection, after: Incident) -> None:
    """Refuse the end while a letter is left that this version can read; another waits for no end, since nobody may come to read it.

    A statement of its own, after the row was locked: a condition of the UPDATE that locks it would see the inbox as it was before it
    waited for the lock (PostgreSQL, MariaDB).
    """
    table = schema.inbox
    for written in connection.scalars(select(table.c.event).where(table.c.recovery_uuid == after.uuid)):
        try:
            event_from_plain(json.loads(written))
        except Exception:  # noqa: BLE001, S112 - whatever a newer version may have written; who read the inbox said so
            continue
        raise LettersWaiting(f"recovery {after.uuid} cannot end yet: letters came that it did not take in")


def _stamp(seconds: float) -> Any:
    stamp = records.moment(seconds)
    return stamp.replace(microsecond=0) if stamp else None
