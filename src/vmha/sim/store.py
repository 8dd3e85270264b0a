"""The `Store` port in memory, for scenarios and storms. It passes the same contract tests as the SQL one.

It can be told to be away, as a database that fails over is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmha.adapters.db import records
from vmha.core.alerting import alerts_of
from vmha.core.effects import EnableReserved, Evacuate, ForceDown, PowerOff
from vmha.core.events import Notified
from vmha.core.model import (
    CLOCK_TOLERANCE_SECONDS,
    DetectorWord,
    Outcome,
    Phase,
    Recovery,
    RecoveryMethod,
    Rung,
    Surroundings,
)
from vmha.core.recovery import open_recovery
from vmha.errors import ClaimRefused, Conflict, LeaseLost, NoLongerWanted, NotYet, ProofRefused, StoreUnavailable
from vmha.ports import Claimed, Lease, TimelineEntry
from vmha.sim.outbox import MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmha.core.events import Event
    from vmha.core.model import Disarm, Proof
    from vmha.ports import Change, LeaseTerms, Order
    from vmha.return_ports import Hold


@dataclass(slots=True, kw_only=True)
class StoredHost:
    """A row of the hosts table, as far as engines look at it."""

    name: str
    uuid: str
    segment: str
    is_reserved: bool = False
    is_on_maintenance: bool = False


@dataclass(slots=True)
class Row:
    """A row of the recoveries table, and everything that hangs on it."""

    state: Recovery
    version: int = 1
    epoch: int = 0
    lease: Lease | None = None
    owner: str | None = None
    lease_until: float = 0.0
    claimable_at: float = 0.0
    notifications: list[str] = field(default_factory=list)
    inbox: dict[int, Event] = field(default_factory=dict)
    timeline: list[TimelineEntry] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)


@dataclass(slots=True)
class MemoryStore:
    """Recoveries, proofs and claims as plain objects; `clock` is the database's."""

    clock: Callable[[], float]
    new_uuid: Callable[[], str]
    hosts: dict[str, StoredHost] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    proofs: dict[str, Proof] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    claims: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    holds: dict[str, tuple[Hold, float]] = field(default_factory=dict)
    """Hosts that are being let back: by whom, and since when."""
    away_until: float = -math.inf
    on_claim: Callable[[str, str], None] = lambda _host, _engine: None
    on_recovery: Callable[[str, bool], None] = lambda _host, _is_open: None
    on_told: Callable[[str], None] = lambda _code: None
    """Hears of each line that a return puts on a timeline."""
    disarms: dict[str, Disarm] = field(default_factory=dict)
    """By scope: "all", "segment NAME" or "host NAME"."""
    letters: int = 0
    unreadable: set[str | int] = field(default_factory=set)
    """Recoveries, by uuid, and letters, by number, that only a newer version could read."""
    outbox: MemoryOutbox = field(init=False)

    def __post_init__(self) -> None:
        """Keep the alerts beside the rest."""
        self.outbox = MemoryOutbox(self.now)

    # What the API does

    def report(
        self, host: str, notification: str, method: RecoveryMethod = RecoveryMethod.AUTO, *, says_off: bool = True
    ) -> str:
        """Open the recovery of `host` or join the open one, as an accepted notification does, with host_status NORMAL if `says_off`."""
        stored, word = self.hosts[host], DetectorWord(notification, self.clock())
        for row in self.rows.values():
            if row.state.host == host and row.state.phase is not Phase.ENDED:
                row.notifications.append(notification)
                self.say(row.state.uuid, Notified(notification=notification, says_off=says_off))
                return row.state.uuid
        state, decision = open_recovery(
            uuid=self.new_uuid(),
            host=host,
            host_uuid=stored.uuid,
            segment=stored.segment,
            method=method,
            now=self.clock(),
            detector=word if says_off else None,
        )
        row = Row(state, notifications=[notification])
        row.timeline = [TimelineEntry(at=self.clock(), reason=reason) for reason in decision.reasons]
        self.rows[state.uuid] = row
        self.outbox.store(state, alerts_of(state, state, decision.effects), self.clock())
        self.on_recovery(host, True)
        return state.uuid

    def say(self, recovery: str, event: Event) -> None:
        """Put a letter into the inbox of a recovery."""
        self.letters += 1
        self.rows[recovery].inbox[self.letters] = event

    def status(self, recovery: str) -> str:
        """Return what upstream's clients see of its notifications."""
        return records.notification_status(self.rows[recovery].state)

    # The port

    def now(self) -> float:
        """Return the database's time."""
        if self.clock() < self.away_until:
            raise StoreUnavailable("the simulated database is away")
        return self.clock()

    def sign_on(self, engine: str) -> None:
        """Record nothing: nobody asks."""
        self.now()

    def claim(self, engine: str, terms: LeaseTerms, *, limit: int) -> tuple[Claimed, ...]:
        """Take open recoveries that nobody owns any more."""
        now = self.now()
        open_rows = [row for row in self.rows.values() if row.state.phase is not Phase.ENDED]
        for row in open_rows:
            if row.claimable_at > now + 2 * (terms.lease_seconds + terms.claim_after_seconds):
                self._extend(row, terms, now)
        free = [row for row in open_rows if row.claimable_at <= now and row.state.uuid not in self.unreadable]
        return tuple(self._take(row, engine, terms, now) for row in free[: max(limit, 0)])

    def _take(self, row: Row, engine: str, terms: LeaseTerms, now: float) -> Claimed:
        before, row.owner = row.owner, engine
        row.epoch += 1
        row.lease = Lease(recovery=row.state.uuid, engine=engine, epoch=row.epoch, token=self.new_uuid())
        self._extend(row, terms, now)
        self.on_claim(row.state.host, engine)
        return Claimed(recovery=row.state, version=row.version, lease=row.lease, before=before)

    def _extend(self, row: Row, terms: LeaseTerms, now: float) -> None:
        row.lease_until = now + terms.lease_seconds
        row.claimable_at = row.lease_until + terms.claim_after_seconds

    def _holds(self, lease: Lease) -> bool:
        row = self.rows[lease.recovery]
        return row.lease == lease and row.lease_until > self.now()

    def renew(self, leases: Iterable[Lease], terms: LeaseTerms) -> frozenset[str]:
        """Extend the leases that still hold."""
        kept = [lease for lease in leases if self._holds(lease)]
        for lease in kept:
            self._extend(self.rows[lease.recovery], terms, self.now())
        return frozenset(lease.recovery for lease in kept)

    def release(self, lease: Lease) -> None:
        """Let the next engine claim at once."""
        if self._holds(lease):
            row = self.rows[lease.recovery]
            row.lease, row.lease_until, row.claimable_at = None, 0.0, 0.0

    def inbox(self, recoveries: Iterable[str]) -> dict[str, tuple[tuple[int, Event], ...]]:
        """Return the letters of the recoveries."""
        self.now()
        letters = {
            recovery: tuple(item for item in self.rows[recovery].inbox.items() if item[0] not in self.unreadable)
            for recovery in recoveries
        }
        return {recovery: found for recovery, found in letters.items() if found}

    def surroundings(self, recovery: Recovery, *, brake_window_seconds: float) -> Surroundings:
        """Read the segment, its failures, its reserves, and the other hosts proven off."""
        now = self.now()
        mine = [row.state for row in self.rows.values() if row.state.segment == recovery.segment]
        no_failure = (Outcome.REJECTED, Outcome.FALSE_ALARM)
        recent = (s for s in mine if s.phase.is_undecided or s.opened_at > now - brake_window_seconds)
        opened = sum(s.outcome not in no_failure for s in recent)
        slots = sum(
            key.startswith(f"power-off:{recovery.segment}:") and owner != recovery.uuid and (until or 0.0) > now
            for key, (owner, until) in self.claims.items()
        )
        return Surroundings(
            segment_hosts=sum(host.segment == recovery.segment for host in self.hosts.values()),
            segment_failures=max(opened, 1 + slots),
            segment_name=recovery.segment,
            segment_braked=any(s.phase is Phase.BRAKED and s.uuid != recovery.uuid for s in mine),
            reserved_hosts=self._free_reserves(recovery),
            disarmed=self._disarmed(recovery),
            neighbours=tuple(
                h.name for h in self.hosts.values() if h.segment == recovery.segment and h.name != recovery.host
            ),
            proven_off=frozenset(
                row.state.host
                for row in self.rows.values()
                if row.state.uuid != recovery.uuid
                and row.state.phase is not Phase.ENDED
                and row.state.proof is not None
                and row.state.proof.holds(now)
                and (row.state.proof.rung is not Rung.DETECTOR or row.state.segment == recovery.segment)
            ),
        )

    def _disarmed(self, recovery: Recovery) -> Disarm | None:
        """Return the order that stops the host's orders, the one for all before its segment's and its own."""
        for scope in ("all", f"segment {recovery.segment}", f"host {recovery.host}"):
            order = self.disarms.get(scope)
            if order is not None and order.until > self.now():
                return order
        return None

    def _free_reserves(self, recovery: Recovery) -> tuple[str, ...]:
        failing = {row.state.host for row in self.rows.values() if row.state.phase is not Phase.ENDED}
        return tuple(
            host.name
            for host in self.hosts.values()
            if host.segment == recovery.segment
            and host.is_reserved
            and not host.is_on_maintenance
            and host.name not in failing
            and self.claims.get(f"reserved:{host.name}", (recovery.uuid, None))[0] == recovery.uuid
        )

    def commit(self, lease: Lease, version: int, change: Change) -> int:
        """Store the change, or nothing."""
        row = self.rows[lease.recovery]
        if not self._holds(lease):
            raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}'s")
        if row.version != version:
            raise Conflict(f"recovery {lease.recovery} is at version {row.version}, not {version}")
        self._check_proofs(change)
        self._take_claims(change)
        for proof, why in change.revoked:
            self.proofs.setdefault(proof.uuid, proof)
            self.revoked[proof.uuid] = why
        if change.after.proof is not None:
            self.proofs[change.after.proof.uuid] = change.after.proof
        row.state, row.version = change.after, version + 1
        row.orders.update({order.id: order for order in change.orders if order.effect.is_order})
        row.answered.update(row.orders.keys() & change.answered)
        row.timeline.extend(change.timeline)
        for letter in change.handled:
            row.inbox.pop(letter, None)
        self._set_flags(change)
        told = alerts_of(change.before, change.after, (order.effect for order in change.orders))
        self.outbox.store(change.after, told, change.now)
        if change.after.phase is Phase.ENDED:
            row.lease = None
            self.on_recovery(change.after.host, False)
        return row.version

    def _check_proofs(self, change: Change) -> None:
        """Refuse orders that make a guest run without a proof of this host and recovery that is alive and young (P1)."""
        dead = {proof.uuid for proof, _ in change.revoked} | set(self.revoked)
        known = dict(self.proofs)
        if change.after.proof is not None:
            known[change.after.proof.uuid] = change.after.proof
        for order in change.orders:
            if not isinstance(order.effect, Evacuate):
                continue
            proof = known.get(order.effect.proof)
            if proof is None or proof.uuid in dead or not self._proves(proof, order):
                raise ProofRefused(f"no valid proof for {order.effect.key} of {order.effect.source}")

    def _proves(self, proof: Proof, order: Order) -> bool:
        match order.effect:
            case Evacuate():
                is_right = proof.uuid == order.effect.proof and proof.host == order.effect.source
            case ForceDown():
                is_right = proof.host == order.effect.host
            case _:
                is_right = proof.host == self.rows[order.recovery].state.host
        return is_right and proof.recovery == order.recovery and proof.holds(self.now())

    def _take_claims(self, change: Change) -> None:
        wanted = dict[str, tuple[str, float | None]]()
        uuid = change.after.uuid
        if change.power_off_slots is not None and any(isinstance(order.effect, PowerOff) for order in change.orders):
            wanted |= self._slot(change, change.power_off_slots)
        wanted |= {f"reserved:{entry.host}": (uuid, None) for entry in change.after.reserved}
        for key in wanted:
            if self.claims.get(key, (uuid, None))[0] != uuid:
                raise ClaimRefused(f"{key} is another recovery's")
        self.claims |= wanted
        if change.after.phase is Phase.ENDED:
            self.claims = {key: claim for key, claim in self.claims.items() if claim != (uuid, None)}

    def _slot(self, change: Change, slots: int) -> dict[str, tuple[str, float | None]]:
        prefix = f"power-off:{change.after.segment}:"
        self.claims = {
            key: (owner, until) for key, (owner, until) in self.claims.items() if until is None or until > change.now
        }
        taken = {key: owner for key, (owner, _) in self.claims.items() if key.startswith(prefix)}
        if change.after.uuid in taken.values():
            return {}
        free = next((f"{prefix}{slot}" for slot in range(slots) if f"{prefix}{slot}" not in taken), None)
        if free is None:
            raise ClaimRefused(f"all {slots} power-offs of segment {change.after.segment} are spent")
        return {free: (change.after.uuid, change.now + change.slot_seconds)}

    def _set_flags(self, change: Change) -> None:
        if records.is_on_maintenance(change.after):
            failed = self.hosts[change.after.host]
            failed.is_on_maintenance, failed.is_reserved = True, False
        for spent in records.spent_reserves(change.after):
            self.hosts[spent].is_reserved = False

    def admit(self, lease: Lease, order: Order, terms: LeaseTerms) -> None:
        """Renew the lease and look at proof or phase once more."""
        if not self._holds(lease):
            raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}'s")
        row, effect = self.rows[lease.recovery], order.effect
        if effect.is_order and (row.state.halt or row.state.cancel or self._disarmed(row.state)):
            raise NoLongerWanted(f"order {effect.key} is no longer wanted: a human stopped it")
        if isinstance(effect, ForceDown) and self.held(effect.host) is not None:
            raise NotYet(f"{effect.host} is being let back by an operator; the order is given again when that is over")
        if isinstance(effect, Evacuate | ForceDown | EnableReserved):
            alive = [proof for proof in self.proofs.values() if proof.uuid not in self.revoked]
            if order.id not in row.orders or not any(self._proves(proof, order) for proof in alive):
                raise ProofRefused(f"order {effect.key} has no valid proof any more")
        elif order.id not in row.orders or (isinstance(effect, PowerOff) and not _fences(row.state, effect)):
            raise NoLongerWanted(f"order {effect.key} is no longer wanted: the recovery has gone on since")
        self._extend(row, terms, self.now())
        row.sent.append(order.id)

    def held(self, host: str) -> tuple[Hold, float] | None:
        """Return who holds the host for its return, and since when; None where that is over, or was at a time to come."""
        hold, made_at = self.holds.get(host, (None, 0.0))
        now = self.now()
        is_young = hold is not None and made_at <= now + CLOCK_TOLERANCE_SECONDS and now < made_at + hold.seconds
        return (hold, made_at) if hold is not None and is_young else None


def _fences(state: Recovery, effect: PowerOff) -> bool:
    return state.phase is Phase.FENCING and state.host == effect.host


def host_on(segment: str, name: str, *, is_reserved: bool = False) -> StoredHost:
    """Build a host's row; its uuid is made of its name, since only equality matters."""
    return StoredHost(name=name, uuid=f"uuid-of-{name}", segment=segment, is_reserved=is_reserved)
