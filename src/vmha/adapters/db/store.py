"""The engines' durable memory in SQL: claims by compare-and-swap, commits under a lease, orders that need a proof.

Rules: every write of an engine names its lease, and the row count is checked; the database's clock alone decides what is over; what
makes a guest run is inserted by a SELECT that finds the proof, and passes the same door once more just before it is sent.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from vmha.adapters.db import brake, budgets, disarming, nearby, returns, schema
from vmha.adapters.db.changes import is_valid, store_change
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.hosts import lock_by_name
from vmha.core.effects import (
    DisableService,
    EnableReserved,
    EnableService,
    Evacuate,
    ForceDown,
    PowerOff,
    StartInstance,
    StopInstance,
)
from vmha.core.kinds import KINDS, ORDERED_IN
from vmha.core.model import Move, Phase, Recovery, Rung, Surroundings
from vmha.core.plain import event_from_plain, from_plain
from vmha.errors import LeaseLost, NoLongerWanted, NotYet, ProofRefused
from vmha.logs import log
from vmha.ports import Claimed, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Connection, Engine, RowMapping

    from vmha.core.effects import Effect
    from vmha.core.events import Event
    from vmha.core.incidents import Incident
    from vmha.ports import Change, LeaseTerms, Order

logger = logging.getLogger(__name__)
recoveries = schema.recoveries
proofs = schema.fence_proofs


class SqlStore:
    """The `Store` port over SQLAlchemy."""

    def __init__(self, engine: Engine, *, on_commit: Callable[[int, Change[Any]], None] | None = None) -> None:
        """Keep everything in this database. `on_commit` hears of each change that is stored, and of the version it changed."""
        self._on_commit = on_commit
        self._engine = engine
        self._told: set[str] = set()

    def now(self) -> float:
        """Return the database's time."""
        with transaction(self._engine) as connection:
            return _now(connection)

    def sign_on(self, engine: str) -> None:
        """Record that the engine lives."""
        with transaction(self._engine) as connection:
            now = _now(connection)
            known = connection.execute(
                update(schema.engines).where(schema.engines.c.name == engine).values(seen_at=now)
            )
            if known.rowcount == 0:
                connection.execute(insert(schema.engines).values(name=engine, started_at=now, seen_at=now))

    def claim(self, engine: str, terms: LeaseTerms, *, limit: int, others: int = 0) -> tuple[Claimed, ...]:
        """Take open incidents that nobody owns any more, hosts first; each by one compare-and-swap on its epoch."""
        is_host = recoveries.c.kind == HOST
        with transaction(self._engine) as connection:
            _cut_leases_to_come(connection, terms)
            hosts = self._claim(connection, engine, terms, is_host, limit)
            return (*hosts, *self._claim(connection, engine, terms, ~is_host, others))

    def _claim(
        self, connection: Connection, engine: str, terms: LeaseTerms, which: ColumnElement[bool], limit: int
    ) -> list[Claimed]:
        taken: list[Claimed] = []
        if limit <= 0:
            return taken
        free = select(recoveries).where(recoveries.c.open_key.is_not(None), which, _is_free()).order_by(recoveries.c.id)
        for row in connection.execute(free.limit(limit + len(self._told))).mappings().all():
            state = self._read(connection, row) if len(taken) < limit else None
            lease = Lease(recovery=row["uuid"], engine=engine, epoch=row["epoch"] + 1, token=str(uuid4()))
            if state is not None and _take(connection, lease, terms):
                taken.append(Claimed(recovery=state, version=row["version"], lease=lease, before=row["owner"]))
        return taken

    def _read(self, connection: Connection, row: RowMapping) -> Incident | None:
        """Build the incident of a row, None where that cannot be done. The compare-and-swap that follows sees that it did not change."""
        uuid, moves = row["uuid"], _stored_moves(connection, row["uuid"]) if row["kind"] == HOST else ()
        try:
            return _load(row["kind"], row["state"], moves)
        except Exception as error:  # noqa: BLE001 - whatever a newer version may have written
            what = f"the recovery of {row['host_name']}"
            self._tell_unreadable(f"{uuid}:{row['version']}", what, error, recovery=uuid)
            return None

    def _tell_unreadable(self, key: str, what: str, error: Exception, *, recovery: str) -> None:
        """Tell a human once what this engine has to leave alone."""
        if key not in self._told:
            self._told.add(key)
            says = f"cannot read {what}: {error!r}; it is left to an engine of the newer version that wrote it; upgrade this one"
            log(logger, "unreadable", level=logging.CRITICAL, recovery=recovery, says=says)

    def renew(self, leases: Iterable[Lease], terms: LeaseTerms) -> frozenset[str]:
        """Extend the leases that still hold."""
        with transaction(self._engine) as connection:
            return frozenset(lease.recovery for lease in leases if _extend(connection, lease, terms))

    def release(self, lease: Lease) -> None:
        """Let the next engine claim at once."""
        free = {"owner": lease.engine, "lease_token": None, "lease_until": None, "claimable_at": None}
        with transaction(self._engine) as connection:
            connection.execute(update(recoveries).where(_holds(lease)).values(**free))

    def inbox(self, recoveries: Iterable[str]) -> dict[str, tuple[tuple[int, Event], ...]]:
        """Return the letters of the recoveries, oldest first."""
        wanted = list(recoveries)
        if not wanted:
            return {}
        table = schema.inbox
        with transaction(self._engine) as connection:
            rows = connection.execute(
                select(table.c.id, table.c.recovery_uuid, table.c.event)
                .where(table.c.recovery_uuid.in_(wanted))
                .order_by(table.c.id)
            ).all()
        letters: dict[str, tuple[tuple[int, Event], ...]] = {}
        for number, recovery, written in rows:
            try:
                event = event_from_plain(json.loads(written))
            except Exception as error:  # noqa: BLE001 - whatever a newer version may have written
                self._tell_unreadable(f"letter:{number}", f"letter {number}", error, recovery=recovery)
                continue
            letters[recovery] = (*letters.get(recovery, ()), (number, event))
        return letters

    def surroundings(
        self, recovery: Incident, *, brake_window_seconds: float, quarantine_window_seconds: float = 86_400.0
    ) -> Surroundings:
        """Read the segment, its failures, its reserves, and the other hosts proven off; or what counts for the smaller incidents."""
        with transaction(self._engine) as connection:
            if not isinstance(recovery, Recovery):
                around = replace(nearby.read(connection, recovery), proven_off=_proven_off(connection, recovery))
                return replace(around, segment_name=_segment_name(connection, recovery))
            neighbours = _neighbours(connection, recovery)
            power_offs, host_failures = budgets.standing(connection, recovery, quarantine_window_seconds)
            failures, is_braked = brake.standing(connection, recovery, brake_window_seconds)
            return Surroundings(
                segment_hosts=1 + len(neighbours),
                segment_failures=failures,
                segment_braked=is_braked,
                power_offs=power_offs,
                host_failures=host_failures,
                segment_name=_segment_name(connection, recovery),
                neighbours=neighbours,
                reserved_hosts=_free_reserves(connection, recovery),
                proven_off=_proven_off(connection, recovery),
                disarmed=disarming.standing_for(connection, recovery),
            )

    def commit(self, lease: Lease, version: int, change: Change[Any]) -> int:
        """Store the change, or nothing."""
        with transaction(self._engine) as connection:
            stored = store_change(connection, lease, version, change)
        if self._on_commit is not None:
            self._on_commit(version, change)
        return stored

    def admit(self, lease: Lease, order: Order, terms: LeaseTerms) -> None:
        """Renew the lease and look at proof or phase once more, as the last thing before the order leaves."""
        table = schema.effects
        with transaction(self._engine) as connection:
            about = None
            if isinstance(order.effect, StopInstance | StartInstance | DisableService | EnableService):
                # Before anything else, as the API does: a report of this host is either stored before the order leaves, or after.
                about = lock_by_name(connection, order.effect.host)
            if not _extend(connection, lease, terms):
                raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}'s")
            if order.effect.is_order and disarming.is_stopped(connection, lease, *([about] if about else [])):
                raise NoLongerWanted(f"order {order.effect.key} is no longer wanted: a human stopped it")
            if isinstance(order.effect, ForceDown) and returns.is_held(connection, lease.recovery):
                raise NotYet(
                    f"{order.effect.host} is being let back by an operator; the order is given again when that is over"
                )
            door = (table.c.uuid == order.id, table.c.recovery_uuid == lease.recovery, *_needs(order.effect, lease))
            sent = connection.execute(update(table).where(*door).values(sent_at=func.database_now()))
            if sent.rowcount == 1:
                return
            if isinstance(order.effect, NEED_PROOF):
                raise ProofRefused(f"order {order.effect.key} has no valid proof any more")
            raise NoLongerWanted(f"order {order.effect.key} is no longer wanted: the recovery has gone on since")


HOST = "host"
NEED_PROOF = (Evacuate, ForceDown, EnableReserved)


def _needs(effect: Effect, lease: Lease) -> tuple[ColumnElement[bool], ...]:
    """Return what must stand in the database, beside the journal, for an order to leave."""
    of_this = (recoveries.c.uuid == lease.recovery,)
    match effect:
        case Evacuate():
            mine = (proofs.c.uuid == effect.proof, proofs.c.host_name == effect.source)
            return schema.effects.c.proof_uuid == effect.proof, _has_proof(lease, *mine)
        case ForceDown():
            return (_has_proof(lease, proofs.c.host_name == effect.host),)
        case EnableReserved():
            failed = select(recoveries.c.host_name).where(*of_this).scalar_subquery()
            return (_has_proof(lease, proofs.c.host_name == failed),)
        case PowerOff():
            fences = (recoveries.c.phase == Phase.FENCING.value, recoveries.c.host_name == effect.host)
            return (select(recoveries.c.id).where(*of_this, *fences).exists(),)
        case StopInstance() | StartInstance() | DisableService() | EnableService():
            stands = select(recoveries.c.id).where(*of_this, recoveries.c.phase == ORDERED_IN[type(effect)].value)
            return stands.exists(), ~nearby.is_recovering(effect.host)
        case _:
            return ()


def _has_proof(lease: Lease, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(proofs.c.id).where(proofs.c.recovery_uuid == lease.recovery, *is_valid(), *more).exists()


def _now(connection: Connection) -> float:
    return float(connection.execute(select(func.database_now())).scalar_one())


def _is_free() -> ColumnElement[bool]:
    return or_(recoveries.c.claimable_at.is_(None), recoveries.c.claimable_at <= func.database_now())


def _holds(lease: Lease) -> ColumnElement[bool]:
    return and_(
        recoveries.c.uuid == lease.recovery,
        recoveries.c.owner == lease.engine,
        recoveries.c.epoch == lease.epoch,
        recoveries.c.lease_token == lease.token,
        recoveries.c.lease_until > func.database_now(),
    )


def _cut_leases_to_come(connection: Connection, terms: LeaseTerms) -> None:
    """Cut leases that reach further than any can: the clock was set back, and nobody could claim before it has caught up."""
    too_far = func.database_now() + 2 * (terms.lease_seconds + terms.claim_after_seconds)
    ahead = (recoveries.c.open_key.is_not(None), recoveries.c.claimable_at > too_far)
    connection.execute(update(recoveries).where(*ahead).values(**_until(terms)))


def _take(connection: Connection, lease: Lease, terms: LeaseTerms) -> bool:
    taken = connection.execute(
        update(recoveries)
        .where(
            recoveries.c.uuid == lease.recovery,
            recoveries.c.epoch == lease.epoch - 1,
            recoveries.c.open_key.is_not(None),
            _is_free(),
        )
        .values(owner=lease.engine, epoch=lease.epoch, lease_token=lease.token, **_until(terms))
    )
    return taken.rowcount == 1


def _extend(connection: Connection, lease: Lease, terms: LeaseTerms) -> bool:
    return connection.execute(update(recoveries).where(_holds(lease)).values(**_until(terms))).rowcount == 1


def _until(terms: LeaseTerms) -> dict[str, ColumnElement[float]]:
    until = func.database_now() + terms.lease_seconds
    return {"lease_until": until, "claimable_at": until + terms.claim_after_seconds}


def _stored_moves(connection: Connection, uuid: str) -> Sequence[str]:
    table = schema.moves
    mine = select(table.c.state).where(table.c.recovery_uuid == uuid).order_by(table.c.position)
    return connection.execute(mine).scalars().all()


def _load(kind: str, state: str, moves: Sequence[str]) -> Incident:
    plain = json.loads(state)
    if kind != HOST:
        incident: Incident = from_plain(KINDS[kind].state, plain)
        return incident
    plain["moves"] = []
    recovery = from_plain(Recovery, plain)
    return replace(recovery, moves=tuple(from_plain(Move, json.loads(row)) for row in moves))


def _neighbours(connection: Connection, recovery: Recovery) -> tuple[str, ...]:
    hosts = schema.hosts
    mine = select(hosts.c.name).where(hosts.c.failover_segment_id == recovery.segment, hosts.c.deleted == 0)
    return tuple(name for name in connection.execute(mine.order_by(hosts.c.name)).scalars() if name != recovery.host)


def _segment_name(connection: Connection, recovery: Incident) -> str:
    table = schema.failover_segments
    name = select(table.c.name).where(table.c.uuid == recovery.segment, table.c.deleted == 0)
    return connection.execute(name).scalar() or ""


def _free_reserves(connection: Connection, recovery: Recovery) -> tuple[str, ...]:
    """Name the segment's reserved hosts that are well and that no other recovery has claimed, as upstream orders them."""
    hosts, claims = schema.hosts, schema.claims
    taken = select(claims.c.claim_key).where(
        claims.c.claim_key.like("reserved:%"), claims.c.recovery_uuid != recovery.uuid
    )
    failing = select(recoveries.c.host_uuid).where(
        recoveries.c.open_key.is_not(None), recoveries.c.kind.in_((HOST, "process"))
    )
    rows = connection.execute(
        select(hosts.c.name)
        .where(
            hosts.c.failover_segment_id == recovery.segment,
            hosts.c.deleted == 0,
            hosts.c.reserved.is_(True),
            hosts.c.on_maintenance.is_not(True),
            hosts.c.uuid.not_in(failing),
        )
        .order_by(hosts.c.created_at.desc(), hosts.c.id.desc())
    ).scalars()
    claimed = set(connection.execute(taken).scalars())
    return tuple(name for name in rows if f"reserved:{name}" not in claimed)


def _proven_off(connection: Connection, recovery: Incident) -> frozenset[str]:
    rows = connection.execute(
        select(proofs.c.host_name)
        .join(recoveries, recoveries.c.uuid == proofs.c.recovery_uuid)
        .where(
            recoveries.c.open_key.is_not(None),
            proofs.c.recovery_uuid != recovery.uuid,
            # What segment's operator chose to believe counts for its own instances.
            or_(proofs.c.rung != Rung.DETECTOR.value, recoveries.c.segment_uuid == recovery.segment),
            *is_valid(),
        )
    ).scalars()
    return frozenset(rows)
