"""The `Store` port in memory, for scenarios and storms. It passes the same contract tests as the SQL one.

It can be told to be away, as a database that fails over is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vmha.adapters.db import records
from vmha.core.alerting import alerts_of
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
from vmha.core.events import Confirmed, Notified, ProcessReported
from vmha.core.instance_recovery import open_instance
from vmha.core.kinds import ORDERED_IN, has_ended, kind_of, subject_of
from vmha.core.model import (
    CLOCK_TOLERANCE_SECONDS,
    DetectorWord,
    Phase,
    Recovery,
    RecoveryMethod,
    Rung,
    Surroundings,
)
from vmha.core.process_recovery import NOVA_COMPUTE, open_process
from vmha.core.recovery import open_recovery
from vmha.errors import (
    ClaimRefused,
    Conflict,
    LeaseLost,
    LettersWaiting,
    NoLongerWanted,
    NotYet,
    ProofRefused,
    StoreUnavailable,
)
from vmha.ports import Claimed, Lease, TimelineEntry
from vmha.sim import store_brake, store_budgets, store_nearby
from vmha.sim.outbox import MemoryOutbox
from vmha.sim.store_rows import Row as Row
from vmha.sim.store_rows import StoredHost as StoredHost
from vmha.sim.store_rows import host_on as host_on
from vmha.sim.store_rows import set_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmha.core.draft import Decision
    from vmha.core.effects import Effect
    from vmha.core.events import Event
    from vmha.core.incidents import Incident
    from vmha.core.model import Disarm, Proof
    from vmha.ports import Change, LeaseTerms, Order
    from vmha.return_ports import Hold


CRASH = "LIFECYCLE STOPPED_FAILED"
"""What a monitor says of a guest that died."""


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
    on_claim: Callable[[str, str, str | None], None] = lambda _host, _engine, _subject: None
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
        again = Notified(notification=notification, says_off=says_off)
        known = self._join("host", host, None, notification, again)
        word = DetectorWord(notification, self.clock()) if says_off else None
        return known or self._open(notification, open_recovery(method=method, detector=word, **self._new(host)))

    def report_process(
        self, host: str, notification: str, *, is_running: bool = False, process: str = NOVA_COMPUTE
    ) -> str:
        """Open the incident of a process or join the open one, as an accepted notification does."""
        again = ProcessReported(notification=notification, is_running=is_running)
        known = self._join("process", host, process, notification, again)
        return known or self._open(
            notification, open_process(process=process, is_running=is_running, **self._new(host))
        )

    def report_instance(
        self, host: str, instance: str, notification: str, *, event: str = CRASH, is_leftover: bool = False
    ) -> str:
        """Open the incident of an instance or join the open one, as an accepted notification does, or one that was left to upstream's."""
        known = self._join("instance", None, instance, notification, Notified(notification=notification))
        return known or self._open(
            notification, open_instance(instance=instance, event=event, is_leftover=is_leftover, **self._new(host))
        )

    def _new(self, host: str) -> dict[str, Any]:
        stored = self.hosts[host]
        place = {"host": host, "host_uuid": stored.uuid, "segment": stored.segment}
        return {"uuid": self.new_uuid(), "now": self.clock(), **place}

    def _join(self, kind: str, host: str | None, subject: str | None, notification: str, again: Event) -> str | None:
        for row in self.rows.values():
            state = row.state
            is_same = (kind_of(state).name, subject_of(state)) == (kind, subject) and host in (None, state.host)
            if is_same and not has_ended(state):
                row.notifications.append(notification)
                self.say(state.uuid, again)
                return state.uuid
        return None

    def _open(self, notification: str, opened: tuple[Incident, Decision[Any]]) -> str:
        state, decision = opened
        row = Row(state, notifications=[notification])
        row.timeline = [TimelineEntry(at=self.clock(), reason=reason) for reason in decision.reasons]
        self.rows[state.uuid] = row
        self.outbox.store(state, alerts_of(state, state, decision.effects), self.clock())
        if isinstance(state, Recovery):
            self.on_recovery(state.host, True)
        return state.uuid

    @property
    def failures(self) -> list[Recovery]:
        """The recoveries of hosts, also those that have ended."""
        return [row.state for row in self.rows.values() if isinstance(row.state, Recovery)]

    def say(self, recovery: str, event: Event) -> None:
        """Put a letter into the inbox of a recovery."""
        if isinstance(event, Confirmed):
            event = replace(event, asked=self.rows[recovery].state.phase.value)
        self.letters += 1
        self.rows[recovery].inbox[self.letters] = event

    def status(self, recovery: str) -> str:
        """Return what upstream's clients see of its notifications."""
        return records.notification_status(self.rows[recovery].state)

    # The port

    def now(self) -> float:
        """Return the database's time."""
        now = self.clock()
        if now < self.away_until:
            raise StoreUnavailable("the simulated database is away")
        return now

    def sign_on(self, engine: str) -> None:
        """Record nothing: nobody asks."""
        self.now()

    def claim(self, engine: str, terms: LeaseTerms, *, limit: int, others: int = 0) -> tuple[Claimed, ...]:
        """Take open incidents that nobody owns any more, hosts first."""
        now = self.now()
        too_far = now + 2 * (terms.lease_seconds + terms.claim_after_seconds)
        free = list[Row]()
        for row in self.rows.values():
            if has_ended(row.state):
                continue
            if row.claimable_at > too_far:
                self._extend(row, terms, now)
            elif row.claimable_at <= now and row.state.uuid not in self.unreadable:
                free.append(row)
        if not free:
            return ()
        hosts = [row for row in free if isinstance(row.state, Recovery)]
        rest = [row for row in free if not isinstance(row.state, Recovery)]
        wanted = hosts[: max(limit, 0)] + rest[: max(others, 0)]
        return tuple(self._take(row, engine, terms, now) for row in wanted)

    def _take(self, row: Row, engine: str, terms: LeaseTerms, now: float) -> Claimed:
        before, row.owner = row.owner, engine
        row.epoch += 1
        row.lease = Lease(recovery=row.state.uuid, engine=engine, epoch=row.epoch, token=self.new_uuid())
        self._extend(row, terms, now)
        self.on_claim(row.state.host, engine, subject_of(row.state))
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
        inboxes = ((recovery, self.rows[recovery].inbox) for recovery in recoveries)
        letters = {
            recovery: tuple(item for item in inbox.items() if item[0] not in self.unreadable)
            for recovery, inbox in inboxes
            if inbox
        }
        return {recovery: found for recovery, found in letters.items() if found}

    def surroundings(
        self, recovery: Incident, *, brake_window_seconds: float, quarantine_window_seconds: float = 86_400.0
    ) -> Surroundings:
        """Read the segment, its failures, its reserves, and the other hosts proven off; or what counts for the smaller incidents."""
        if not isinstance(recovery, Recovery):
            self.now()
            return store_nearby.read(self, recovery)
        hosts = [host for host in self.hosts.values() if host.segment == recovery.segment]
        power_offs, host_failures = store_budgets.standing(self, recovery, quarantine_window_seconds)
        return Surroundings(
            power_offs=power_offs,
            host_failures=host_failures,
            segment_hosts=len(hosts),
            segment_failures=store_brake.failures(self, recovery, brake_window_seconds),
            segment_name=recovery.segment,
            segment_braked=store_brake.is_braked(self, recovery),
            reserved_hosts=store_nearby.free_reserves(self, recovery, hosts),
            disarmed=store_nearby.disarmed(self, recovery),
            neighbours=tuple(host.name for host in hosts if host.name != recovery.host),
            proven_off=self.proven_off(recovery),
        )

    def proven_off(self, incident: Incident) -> frozenset[str]:
        """Name the hosts of other open recoveries with a proof that is valid now."""
        now = self.now()
        return frozenset(
            s.host
            for s in self.failures
            if s.proof is not None
            and s.phase is not Phase.ENDED
            and s.uuid != incident.uuid
            and s.proof.holds(now)
            and (s.proof.rung is not Rung.DETECTOR or s.segment == incident.segment)
        )

    def commit(self, lease: Lease, version: int, change: Change[Any]) -> int:
        """Store the change, or nothing."""
        row = self.rows[lease.recovery]
        if not self._holds(lease):
            raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}'s")
        if row.version != version:
            raise Conflict(f"recovery {lease.recovery} is at version {row.version}, not {version}")
        if has_ended(change.after) and set(row.inbox) - self.unreadable - set(change.handled):
            raise LettersWaiting(f"recovery {lease.recovery} cannot end yet: letters came that it did not take in")
        if isinstance(change.after, Recovery):
            self._commit_host(change)
        row.state, row.version = change.after, version + 1
        row.orders.update({order.id: order for order in change.orders if order.effect.is_order})
        row.answered.update(row.orders.keys() & change.answered)
        row.timeline.extend(change.timeline)
        for letter in change.handled:
            row.inbox.pop(letter, None)
        told = alerts_of(change.before, change.after, (order.effect for order in change.orders))
        self.outbox.store(change.after, told, change.now)
        if has_ended(change.after):
            row.lease = None
            if isinstance(change.after, Recovery):
                self.on_recovery(change.after.host, False)
        return row.version

    def _commit_host(self, change: Change[Recovery]) -> None:
        self._check_proofs(change)
        self._take_claims(change)
        for proof, why in change.revoked:
            self.proofs.setdefault(proof.uuid, proof)
            self.revoked[proof.uuid] = why
        if change.after.proof is not None:
            self.proofs[change.after.proof.uuid] = change.after.proof
        set_flags(self.hosts, change)

    def _check_proofs(self, change: Change[Recovery]) -> None:
        """Refuse orders that make a guest run without a proof of this host and recovery that is alive and young (P1)."""
        orders = [(order, order.effect) for order in change.orders if isinstance(order.effect, Evacuate)]
        if not orders:
            return
        dead = {proof.uuid for proof, _ in change.revoked} | set(self.revoked)
        known = dict(self.proofs)
        if change.after.proof is not None:
            known[change.after.proof.uuid] = change.after.proof
        for order, effect in orders:
            proof = known.get(effect.proof)
            if proof is None or proof.uuid in dead or not self._proves(proof, order):
                raise ProofRefused(f"no valid proof for {effect.key} of {effect.source}")

    def _proves(self, proof: Proof, order: Order) -> bool:
        match order.effect:
            case Evacuate():
                is_right = proof.uuid == order.effect.proof and proof.host == order.effect.source
            case ForceDown():
                is_right = proof.host == order.effect.host
            case _:
                is_right = proof.host == self.rows[order.recovery].state.host
        return is_right and proof.recovery == order.recovery and proof.holds(self.now())

    def _take_claims(self, change: Change[Recovery]) -> None:
        wanted = dict[str, tuple[str, float | None]]()
        uuid = change.after.uuid
        if change.power_off_slots is not None and any(isinstance(order.effect, PowerOff) for order in change.orders):
            wanted |= self._slot(change, change.power_off_slots)
        wanted |= store_budgets.slots(self, change)
        wanted |= {f"reserved:{entry.host}": (uuid, None) for entry in change.after.reserved}
        for key in wanted:
            if self.claims.get(key, (uuid, None))[0] != uuid:
                raise ClaimRefused(f"{key} is another recovery's")
        self.claims |= wanted
        store_budgets.give_back(self, change)
        if change.after.phase is Phase.ENDED:
            self.claims = {key: claim for key, claim in self.claims.items() if claim != (uuid, None)}

    def _slot(self, change: Change[Recovery], slots: int) -> dict[str, tuple[str, float | None]]:
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

    def admit(self, lease: Lease, order: Order, terms: LeaseTerms) -> None:
        """Renew the lease and look at proof or phase once more."""
        if not self._holds(lease):
            raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}'s")
        row, effect = self.rows[lease.recovery], order.effect
        if effect.is_order and store_nearby.is_stopped(self, row.state, effect):
            raise NoLongerWanted(f"order {effect.key} is no longer wanted: a human stopped it")
        if isinstance(effect, ForceDown) and self.held(effect.host) is not None:
            raise NotYet(f"{effect.host} is being let back by an operator; the order is given again when that is over")
        if isinstance(effect, Evacuate | ForceDown | EnableReserved):
            alive = [proof for proof in self.proofs.values() if proof.uuid not in self.revoked]
            if order.id not in row.orders or not any(self._proves(proof, order) for proof in alive):
                raise ProofRefused(f"order {effect.key} has no valid proof any more")
        elif order.id not in row.orders or not self._is_wanted(row.state, effect):
            raise NoLongerWanted(f"order {effect.key} is no longer wanted: the recovery has gone on since")
        self._extend(row, terms, self.now())
        row.sent[order.id] = self.now()

    def _is_wanted(self, state: Incident, effect: Effect) -> bool:
        """Tell whether the incident still stands where it gave the order."""
        match effect:
            case PowerOff():
                return state.phase is Phase.FENCING and state.host == effect.host
            case StopInstance() | StartInstance() | DisableService() | EnableService():
                return state.phase is ORDERED_IN[type(effect)] and store_nearby.recovery_of(self, effect.host) is None
            case _:
                return True

    def held(self, host: str) -> tuple[Hold, float] | None:
        """Return who holds the host for its return, and since when; None where that is over, or was at a time to come."""
        hold, made_at = self.holds.get(host, (None, 0.0))
        now = self.now()
        is_young = hold is not None and made_at <= now + CLOCK_TOLERANCE_SECONDS and now < made_at + hold.seconds
        return (hold, made_at) if hold is not None and is_young else None
