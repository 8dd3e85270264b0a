"""What every implementation of `Store` holds: the one in memory, and the one in SQL on whatever database.

A test module makes a class of `StoreContract` and gives it a `rig` fixture. Time passes only where a test lets it pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

import pytest

from vmha.core.effects import (
    Alert,
    Effect,
    EnableReserved,
    Evacuate,
    ForceDown,
    PowerOff,
    ReadHeartbeats,
    ReadPower,
    SurveyHost,
)
from vmha.core.events import Confirmed, Event, Notified, Rejected
from vmha.core.explain import Code, because
from vmha.core.model import (
    Halt,
    HumanWord,
    Move,
    MoveStatus,
    Outcome,
    Phase,
    Power,
    PowerReading,
    Proof,
    Reserved,
    ReservedStatus,
    Rung,
    Surroundings,
)
from vmha.errors import ClaimRefused, Conflict, LeaseLost, LettersWaiting, NoLongerWanted, ProofRefused, VmhaError
from vmha.ports import Change, Claimed, LeaseTerms, Order, Store, TimelineEntry

TERMS = LeaseTerms(lease_seconds=8.0, claim_after_seconds=15.0)
WINDOW_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Reported:
    """A notification that was accepted, and the recovery that it opened or joined."""

    notification: str
    recovery: str


class StoreRig(Protocol):
    """An implementation with a database behind it whose clock the test moves."""

    @property
    def store(self) -> Store:
        """The implementation."""

    def another(self) -> Store:
        """The same memory, as another process reaches it."""

    def add_host(self, name: str, *, segment: str = "segment", reserved: bool = False) -> None:
        """Add a host to a segment."""

    def report(self, host: str, *, says_off: bool = True) -> Reported:
        """Accept a notification that the host stopped, as the API does, with host_status NORMAL if `says_off`."""

    def report_instance(self, host: str, instance: str) -> Reported:
        """Accept a notification that the guest of an instance on the host died, as the API does."""

    def report_process(self, host: str, *, is_running: bool = False) -> Reported:
        """Accept a notification that nova-compute of the host stopped, or runs, as the API does."""

    def say(self, recovery: str, event: Event) -> None:
        """Put a letter into a recovery's inbox, as the API does."""

    def disarm(self, kind: str, name: str, *, seconds: float) -> None:
        """Disarm "all", or the "segment" or "host" of this name, for so many seconds."""

    def spoil(self, recovery: str) -> None:
        """Write into the recovery's row what only a newer version can read."""

    def spoil_letters(self, recovery: str) -> None:
        """Make of the recovery's letters what only a newer version can read."""

    def pass_time(self, seconds: float) -> None:
        """Let the database's clock go on, by a millisecond more: no database tells the time to the last digit of a float."""

    def stored(self) -> object:
        """Everything that is stored, in a form that can be compared."""

    def status(self, notification: str) -> str:
        """Return what upstream's clients see of a notification."""

    def flags(self, host: str) -> tuple[bool, bool]:
        """Return whether the host is reserved, and whether it is on maintenance."""

    def timeline(self, recovery: str) -> list[str]:
        """Return the sentences of a recovery's timeline, oldest first."""

    def answered(self, recovery: str) -> set[str]:
        """Return the ids of the orders whose answers were absorbed."""

    def journal(self, recovery: str) -> set[str]:
        """Return the ids of the orders of a recovery that were stored."""

    def revoked(self, proof: str) -> str | None:
        """Return why a proof was revoked."""


class Owner:
    """An engine with a claimed recovery: commits one change after the other, and knows the version."""

    def __init__(self, rig: StoreRig, claimed: Claimed, store: Store | None = None) -> None:
        self.rig = rig
        self.store = store or rig.store
        self.state = claimed.recovery
        self.version = claimed.version
        self.lease = claimed.lease

    @property
    def now(self) -> float:
        """The database's time."""
        return self.store.now()

    def commit(self, change: Change | None = None, /, **after: Any) -> None:
        """Store a change, or the state with these fields replaced."""
        change = change or self.change(**after)
        self.version = self.store.commit(self.lease, self.version, change)
        self.state = change.after

    def change(
        self,
        *,
        orders: tuple[Order, ...] = (),
        answered: tuple[str, ...] = (),
        handled: tuple[int, ...] = (),
        timeline: tuple[TimelineEntry, ...] = (),
        revoked: tuple[tuple[Proof, str], ...] = (),
        slots: int | None = None,
        slot_seconds: float = WINDOW_SECONDS,
        **after: Any,
    ) -> Change:
        """Build a change of the state as this owner knows it."""
        return Change(
            now=self.now,
            before=self.state,
            after=replace(self.state, **after),
            orders=orders,
            answered=answered,
            handled=handled,
            timeline=timeline,
            revoked=revoked,
            power_off_slots=slots,
            slot_seconds=slot_seconds,
        )

    def order(self, effect: Effect) -> Order:
        """Build an order of this recovery."""
        return Order(id=str(uuid4()), recovery=self.state.uuid, effect=effect)

    def evacuate(self, proof: str, *, source: str | None = None) -> Order:
        """Build the order to evacuate an instance."""
        instance = str(uuid4())
        return self.order(
            Evacuate(instance=instance, source=source or self.state.host, target=None, proof=proof, attempt=1)
        )

    def prove(self, *, host: str | None = None, valid_seconds: float = 30.0) -> Proof:
        """Commit a proof by power."""
        fresh = proof(self.state.uuid, host or self.state.host, self.now, valid_seconds=valid_seconds)
        self.commit(proof=fresh, fence=replace(self.state.fence, proofs=self.state.fence.proofs + 1))
        return fresh

    def end(self, outcome: Outcome = Outcome.RECOVERED, *, handled: tuple[int, ...] = ()) -> None:
        """End the recovery."""
        reason = because(Code.NOTHING_TO_MOVE, host=self.state.host)
        self.commit(phase=Phase.ENDED, outcome=outcome, reason=reason, ended_at=self.now, wake_at=None, handled=handled)

    def letters(self) -> tuple[int, ...]:
        """Read the numbers of the letters that wait."""
        return tuple(number for number, _ in self.store.inbox([self.state.uuid]).get(self.state.uuid, ()))

    def surroundings(self) -> Surroundings:
        """Read what stands around the recovery."""
        return self.store.surroundings(self.state, brake_window_seconds=WINDOW_SECONDS)


def proof(recovery: str, host: str, now: float, *, valid_seconds: float = 30.0) -> Proof:
    """Build a proof by power that was read just now."""
    readings = (PowerReading(Power.OFF, now - 2.0), PowerReading(Power.OFF, now))
    return Proof(
        uuid=str(uuid4()),
        host=host,
        recovery=recovery,
        rung=Rung.IPMI,
        readings=readings,
        established_at=now,
        read_at=now,
        valid_until=now + valid_seconds,
    )


def move(name: str, status: MoveStatus = MoveStatus.PENDING, **fields: Any) -> Move:
    """Build the move of an instance."""
    return Move(instance=str(uuid4()), name=name, vm_state="active", status=status, **fields)


def own(rig: StoreRig, host: str = "c1", engine: str = "engine-1") -> Owner:
    """Report a host as stopped and claim its recovery."""
    recovery = rig.report(host).recovery
    claimed = {claim.recovery.uuid: claim for claim in rig.store.claim(engine, TERMS, limit=99)}
    return Owner(rig, claimed[recovery])


def take_over(rig: StoreRig, recovery: str, engine: str = "engine-2") -> Owner:
    """Let a recovery's lease end, and claim it for another engine."""
    rig.pass_time(TERMS.lease_seconds + TERMS.claim_after_seconds)
    store = rig.another()
    claimed = {claim.recovery.uuid: claim for claim in store.claim(engine, TERMS, limit=99)}
    return Owner(rig, claimed[recovery], store)


def refused(rig: StoreRig, error: type[VmhaError], act: Callable[[], object]) -> None:
    """See that an act is refused with this error, and that nothing was stored by it."""
    before = rig.stored()
    with pytest.raises(error):
        act()
    assert rig.stored() == before


class ClaimContract:
    """Who owns a recovery, and for how long."""

    def test_claims_what_was_opened(self, rig: StoreRig) -> None:
        """An open recovery that nobody owns is claimed with the state in which it was opened, by its first owner."""
        reported = rig.report("c1")
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
        assert claimed.recovery.uuid == reported.recovery
        assert (claimed.recovery.host, claimed.recovery.phase) == ("c1", Phase.WITNESSING)
        assert claimed.recovery.opened_at == pytest.approx(rig.store.now())
        assert (claimed.lease.engine, claimed.lease.epoch, claimed.before) == ("engine-1", 1, None)

    def test_one_of_two_engines_wins(self, rig: StoreRig) -> None:
        """A recovery that one engine has claimed is not given to another."""
        rig.report("c1")
        assert len(rig.store.claim("engine-1", TERMS, limit=8)) == 1
        assert rig.another().claim("engine-2", TERMS, limit=8) == ()

    def test_claims_no_more_than_it_asked_for(self, rig: StoreRig) -> None:
        """A claim takes the oldest, and no more than the limit; with no room it takes nothing."""
        first, second = rig.report("c1"), rig.report("c2")
        assert rig.store.claim("engine-1", TERMS, limit=0) == ()
        assert [claim.recovery.uuid for claim in rig.store.claim("engine-1", TERMS, limit=1)] == [first.recovery]
        assert [claim.recovery.uuid for claim in rig.store.claim("engine-2", TERMS, limit=1)] == [second.recovery]

    def test_a_successor_waits_beyond_the_lease(self, rig: StoreRig) -> None:
        """The end of a lease is not enough: a successor waits until the longest order of the last owner is over too."""
        owner = own(rig)
        rig.pass_time(TERMS.lease_seconds + TERMS.claim_after_seconds - 1.0)
        assert rig.another().claim("engine-2", TERMS, limit=8) == ()
        rig.pass_time(1.0)
        (claimed,) = rig.another().claim("engine-2", TERMS, limit=8)
        assert (claimed.recovery.uuid, claimed.before) == (owner.state.uuid, "engine-1")
        assert claimed.lease.epoch == owner.lease.epoch + 1
        assert claimed.lease.token != owner.lease.token

    def test_an_ended_recovery_is_claimed_by_nobody(self, rig: StoreRig) -> None:
        """What has ended has no owner any more and never gets one."""
        owner = own(rig)
        owner.end()
        rig.pass_time(1000.0)
        assert rig.store.claim("engine-1", TERMS, limit=8) == ()
        assert rig.another().claim("engine-2", TERMS, limit=8) == ()

    def test_renewing_keeps_a_recovery(self, rig: StoreRig) -> None:
        """An engine that renews in time keeps its recovery for as long as it likes."""
        owner = own(rig)
        for _ in range(5):
            rig.pass_time(TERMS.lease_seconds - 1.0)
            assert rig.store.renew([owner.lease], TERMS) == {owner.state.uuid}
            assert rig.another().claim("engine-2", TERMS, limit=8) == ()
        owner.commit(verified=True)

    def test_a_lease_that_ended_cannot_be_renewed(self, rig: StoreRig) -> None:
        """Renewing comes too late when the lease is over, even if no other engine has claimed meanwhile."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        rig.pass_time(TERMS.lease_seconds - 1.0)
        assert rig.store.renew([other.lease], TERMS) == {other.state.uuid}
        rig.pass_time(1.0)
        assert rig.store.renew([owner.lease, other.lease], TERMS) == {other.state.uuid}

    def test_a_lease_that_another_engine_took_cannot_be_renewed(self, rig: StoreRig) -> None:
        """Renewing says which leases still hold, and a taken one does not."""
        owner = own(rig)
        successor = take_over(rig, owner.state.uuid)
        assert rig.store.renew([owner.lease], TERMS) == frozenset()
        assert rig.another().renew([successor.lease], TERMS) == {owner.state.uuid}

    def test_released_is_claimed_at_once(self, rig: StoreRig) -> None:
        """A recovery that is given back can be claimed at once, and the last owner can do nothing more with it."""
        owner = own(rig)
        rig.store.release(owner.lease)
        assert rig.store.renew([owner.lease], TERMS) == frozenset()
        (claimed,) = rig.another().claim("engine-2", TERMS, limit=8)
        assert (claimed.recovery.uuid, claimed.before, claimed.lease.epoch) == (owner.state.uuid, "engine-1", 2)

    def test_releasing_a_lost_lease_does_nothing(self, rig: StoreRig) -> None:
        """Giving back what another engine owns leaves it with its owner."""
        owner = own(rig)
        successor = take_over(rig, owner.state.uuid)
        rig.store.release(owner.lease)
        assert rig.store.claim("engine-3", TERMS, limit=8) == ()
        successor.commit(verified=True)

    def test_a_lease_from_a_time_to_come_is_cut(self, rig: StoreRig) -> None:
        """After the clock was set back a lease reaches no further than a new one: a successor waits one takeover, not half an hour."""
        owner = own(rig)
        rig.pass_time(-1800.0)
        successor = rig.another()
        assert successor.claim("engine-2", TERMS, limit=8) == ()
        rig.pass_time(TERMS.lease_seconds + TERMS.claim_after_seconds - 1.0)
        assert successor.claim("engine-2", TERMS, limit=8) == ()
        rig.pass_time(1.0)
        (claimed,) = successor.claim("engine-2", TERMS, limit=8)
        assert (claimed.recovery.uuid, claimed.before) == (owner.state.uuid, "engine-1")
        refused(rig, LeaseLost, lambda: owner.commit(verified=True))

    def test_a_full_engine_cuts_leases_too(self, rig: StoreRig) -> None:
        """A claim without room for anything still sees to it that nobody has to wait for the clock to catch up."""
        own(rig)
        rig.pass_time(-1800.0)
        assert rig.store.claim("engine-1", TERMS, limit=0) == ()
        rig.pass_time(TERMS.lease_seconds + TERMS.claim_after_seconds)
        assert len(rig.another().claim("engine-2", TERMS, limit=8)) == 1

    def test_what_cannot_be_read_is_left_to_others(self, rig: StoreRig) -> None:
        """A recovery that a newer version wrote keeps nobody from its neighbours, even where it is the oldest, and stays unclaimed."""
        newer, older = rig.report("c1"), rig.report("c2")
        rig.spoil(newer.recovery)
        claimed = [claim for _ in range(2) for claim in rig.store.claim("engine-1", TERMS, limit=1)]
        assert [claim.recovery.uuid for claim in claimed] == [older.recovery]


class CommitContract:
    """What a commit stores, and when it stores nothing."""

    def test_a_commit_is_what_the_next_owner_reads(self, rig: StoreRig) -> None:
        """The whole state comes back as it was committed, the moves in their order."""
        owner = own(rig)
        known = proof(owner.state.uuid, "c1", owner.now)
        moves = tuple(move(f"vm{n}", MoveStatus.HELD, tried=("c2", "c3"), started_at=owner.now) for n in range(12))
        owner.commit(
            phase=Phase.MOVING,
            proof=known,
            moves=moves,
            outstanding=frozenset({"power", "progress"}),
            reserved=(Reserved("c3", ReservedStatus.FAILED),),
            fence=replace(owner.state.fence, orders=2, readings=known.readings, proofs=1),
        )
        owner.commit(moves=(*moves[:3], replace(moves[3], status=MoveStatus.MOVED, destination="c2"), *moves[4:]))
        assert take_over(rig, owner.state.uuid).state == owner.state

    def test_each_commit_has_a_version(self, rig: StoreRig) -> None:
        """A commit returns the next version, which the next owner finds."""
        owner = own(rig)
        before = owner.version
        owner.commit(verified=True)
        owner.commit(verified=False)
        assert owner.version == before + 2
        assert take_over(rig, owner.state.uuid).version == before + 2

    def test_another_version_conflicts(self, rig: StoreRig) -> None:
        """A commit on another version than the stored one is a conflict and stores nothing."""
        owner = own(rig)
        stale = owner.version
        owner.commit(verified=True)
        change = owner.change(timeline=(entry(owner, "again"),), verified=False)
        refused(rig, Conflict, lambda: rig.store.commit(owner.lease, stale, change))
        refused(rig, Conflict, lambda: rig.store.commit(owner.lease, owner.version + 1, change))

    def test_a_lease_that_ended_stores_nothing(self, rig: StoreRig) -> None:
        """The end of a lease ends the right to write, even if no other engine has claimed."""
        owner = own(rig)
        rig.pass_time(TERMS.lease_seconds)
        refused(rig, LeaseLost, lambda: owner.commit(timeline=(entry(owner, "late"),), verified=True))

    def test_a_released_lease_stores_nothing(self, rig: StoreRig) -> None:
        """What was given back cannot be written any more."""
        owner = own(rig)
        rig.store.release(owner.lease)
        refused(rig, LeaseLost, lambda: owner.commit(timeline=(entry(owner, "late"),), verified=True))

    def test_a_former_owner_stores_nothing(self, rig: StoreRig) -> None:
        """An engine whose recovery was taken over stores nothing, whatever version it names."""
        owner = own(rig)
        successor = take_over(rig, owner.state.uuid)
        refused(rig, LeaseLost, lambda: owner.commit(verified=True))
        successor.commit(verified=True)
        owner.version = successor.version
        refused(rig, LeaseLost, lambda: owner.commit(verified=False))

    def test_an_older_epoch_of_the_same_engine_stores_nothing(self, rig: StoreRig) -> None:
        """An engine that claimed its own recovery again has two leases in hand, and only the younger one writes."""
        owner = own(rig)
        again = take_over(rig, owner.state.uuid, engine="engine-1")
        refused(rig, LeaseLost, lambda: owner.commit(verified=True))
        again.commit(verified=True)

    def test_a_forged_token_stores_nothing(self, rig: StoreRig) -> None:
        """The name and the epoch of the owner are not enough: the random token must match."""
        owner = own(rig)
        owner.lease = replace(owner.lease, token=str(uuid4()))
        refused(rig, LeaseLost, lambda: owner.commit(verified=True))

    def test_nothing_is_stored_after_the_end(self, rig: StoreRig) -> None:
        """The commit that ends a recovery is the last one."""
        owner = own(rig)
        owner.end()
        refused(rig, LeaseLost, lambda: owner.commit(phase=Phase.MOVING, outcome=None))

    def test_the_timeline_keeps_the_order(self, rig: StoreRig) -> None:
        """The lines of the timeline are read in the order in which they were committed."""
        owner = own(rig)
        opened = len(rig.timeline(owner.state.uuid))
        owner.commit(timeline=(entry(owner, "first"), entry(owner, "second")))
        owner.commit(timeline=(entry(owner, "third"),))
        expected = [entry(owner, name).reason.sentence for name in ("first", "second", "third")]
        assert rig.timeline(owner.state.uuid)[opened:] == expected

    def test_answers_are_struck_off(self, rig: StoreRig) -> None:
        """The orders whose answers were absorbed are marked, the others are not."""
        owner = own(rig)
        one, other = owner.order(ForceDown("c1")), owner.order(PowerOff("c1", 1))
        owner.commit(orders=(one, other))
        assert rig.answered(owner.state.uuid) == set()
        owner.commit(answered=(one.id,))
        assert rig.answered(owner.state.uuid) == {one.id}

    def test_only_orders_are_in_the_journal(self, rig: StoreRig) -> None:
        """Readings and alerts change nothing in the world, and a recovery that waits asks for a thousand an hour: none is a row."""
        owner = own(rig)
        order, proven = owner.order(PowerOff("c1", 1)), owner.evacuate(owner.prove().uuid)
        others = (ReadHeartbeats(), ReadPower("c1"), SurveyHost("c1"), Alert("c1", owner.state.reason))
        asked = [owner.order(effect) for effect in others]
        owner.commit(orders=(order, *asked, proven))
        owner.commit(answered=(order.id, *(each.id for each in asked)))
        assert rig.journal(owner.state.uuid) == {order.id, proven.id}
        assert rig.answered(owner.state.uuid) == {order.id}


class OrderContract:
    """What makes a guest run is stored and sent with a proof that is valid now, or not at all (P1)."""

    def test_an_order_with_its_proof_is_stored_and_admitted(self, rig: StoreRig) -> None:
        """With a proof of this host, of this recovery, alive and young, the order is stored and may leave."""
        owner = own(rig)
        order = owner.evacuate(owner.prove().uuid)
        before = rig.stored()
        owner.commit(orders=(order,))
        assert rig.stored() != before
        rig.store.admit(owner.lease, order, TERMS)

    def test_a_proof_of_the_same_commit_is_enough(self, rig: StoreRig) -> None:
        """A proof and the orders that stand on it may be stored together."""
        owner = own(rig)
        fresh = proof(owner.state.uuid, "c1", owner.now)
        order = owner.evacuate(fresh.uuid)
        owner.commit(proof=fresh, orders=(order,))
        rig.store.admit(owner.lease, order, TERMS)

    def test_a_younger_reading_keeps_the_proof_alive(self, rig: StoreRig) -> None:
        """A proof whose readings were renewed lives as long as the youngest one says."""
        owner = own(rig)
        known = owner.prove(valid_seconds=5.0)
        rig.pass_time(4.0)
        owner.commit(proof=replace(known, read_at=owner.now, valid_until=owner.now + 5.0))
        rig.pass_time(2.0)
        order = owner.evacuate(known.uuid)
        owner.commit(orders=(order,))
        rig.store.admit(owner.lease, order, TERMS)

    def test_no_proof_no_order(self, rig: StoreRig) -> None:
        """An order that names a proof that was never stored is not stored, nor anything beside it."""
        owner = own(rig)
        owner.prove()
        order = owner.evacuate(str(uuid4()))
        refused(rig, ProofRefused, lambda: owner.commit(orders=(order,), timeline=(entry(owner, "order"),)))

    def test_another_hosts_proof_is_none(self, rig: StoreRig) -> None:
        """A proof of another host does not let this host's instances run elsewhere."""
        owner = own(rig)
        other = owner.prove(host="c2")
        refused(rig, ProofRefused, lambda: owner.commit(orders=(owner.evacuate(other.uuid),)))

    def test_a_proof_serves_no_other_host(self, rig: StoreRig) -> None:
        """This host's proof does not let another host's instances run elsewhere."""
        owner = own(rig)
        mine = owner.prove()
        refused(rig, ProofRefused, lambda: owner.commit(orders=(owner.evacuate(mine.uuid, source="c2"),)))

    def test_another_incidents_proof_is_none(self, rig: StoreRig) -> None:
        """A proof of an earlier failure of the same host says nothing about this one, however young it is."""
        earlier = own(rig)
        old = earlier.prove(valid_seconds=600.0)
        earlier.end()
        owner = own(rig)
        assert owner.state.host == earlier.state.host
        refused(rig, ProofRefused, lambda: owner.commit(orders=(owner.evacuate(old.uuid),)))

    def test_a_revoked_proof_is_none(self, rig: StoreRig) -> None:
        """A proof that was revoked lets nothing run any more, and says why."""
        owner = own(rig)
        known = owner.prove()
        owner.commit(proof=None, revoked=((known, "it reads ON"),))
        assert rig.revoked(known.uuid) == "it reads ON"
        refused(rig, ProofRefused, lambda: owner.commit(orders=(owner.evacuate(known.uuid),)))

    def test_a_proof_that_dies_in_the_same_commit_is_none(self, rig: StoreRig) -> None:
        """One commit cannot revoke a proof and order by it."""
        owner = own(rig)
        known = owner.prove()
        change = owner.change(proof=None, revoked=((known, "it reads ON"),), orders=(owner.evacuate(known.uuid),))
        refused(rig, ProofRefused, lambda: owner.commit(change))

    def test_an_old_proof_is_none(self, rig: StoreRig) -> None:
        """A proof whose youngest reading is too old lets nothing run any more, by the database's clock."""
        owner = own(rig)
        known = owner.prove(valid_seconds=5.0)
        rig.pass_time(5.0)
        refused(rig, ProofRefused, lambda: owner.commit(orders=(owner.evacuate(known.uuid),)))

    def test_a_proof_from_a_time_to_come_is_none(self, rig: StoreRig) -> None:
        """After the clock was set back, a proof that was read later than now lets nothing run, though its end lies further ahead still."""
        owner = own(rig)
        known = owner.prove()
        rig.pass_time(-60.0)
        refused(rig, ProofRefused, lambda: owner.commit(orders=(owner.evacuate(known.uuid),)))

    def test_one_bad_order_stops_the_good_ones_beside_it(self, rig: StoreRig) -> None:
        """Where one of several orders has no proof, none of them is stored."""
        owner = own(rig)
        known = owner.prove()
        orders = (owner.evacuate(known.uuid), owner.evacuate(str(uuid4())))
        refused(rig, ProofRefused, lambda: owner.commit(orders=orders))

    def test_revoking_makes_an_order_lose(self, rig: StoreRig) -> None:
        """Of a revocation and an order that were both decided on one version, the second one conflicts and stores nothing."""
        owner = own(rig)
        known = owner.prove()
        order = owner.change(orders=(owner.evacuate(known.uuid),))
        version = owner.version
        owner.commit(proof=None, revoked=((known, "it reads ON"),))
        refused(rig, Conflict, lambda: rig.store.commit(owner.lease, version, order))

    def test_ordering_makes_a_revocation_lose(self, rig: StoreRig) -> None:
        """The other way round: a revocation that was decided before an order was stored has to be decided again."""
        owner = own(rig)
        known = owner.prove()
        revocation = owner.change(proof=None, revoked=((known, "it reads ON"),))
        version = owner.version
        owner.commit(orders=(owner.evacuate(known.uuid),))
        refused(rig, Conflict, lambda: rig.store.commit(owner.lease, version, revocation))
        assert rig.revoked(known.uuid) is None


class AdmitContract:
    """The door that each order passes as the last thing before it leaves (P1, P5)."""

    def test_a_power_off_passes_while_its_recovery_fences(self, rig: StoreRig) -> None:
        """A power-off passes the door by the lease and the phase; it needs no proof."""
        owner = own(rig)
        order = owner.order(PowerOff("c1", 1))
        owner.commit(phase=Phase.FENCING, orders=(order,))
        rig.store.admit(owner.lease, order, TERMS)

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.FENCING, Phase.ENDED)])
    def test_a_power_off_that_is_not_wanted_any_more_is_held_back(self, rig: StoreRig, phase: Phase) -> None:
        """A power-off that waited until its recovery went on to another phase, such as a dispute, does not leave."""
        owner = own(rig)
        order = owner.order(PowerOff("c1", 1))
        owner.commit(phase=Phase.FENCING, orders=(order,))
        owner.commit(phase=phase)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_another_hosts_power_off_is_held_back(self, rig: StoreRig) -> None:
        """A recovery powers off its own host and no other."""
        owner = own(rig)
        order = owner.order(PowerOff("c2", 1))
        owner.commit(phase=Phase.FENCING, orders=(order,))
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_what_is_not_in_the_journal_is_held_back(self, rig: StoreRig) -> None:
        """An order that was never stored does not leave."""
        owner = own(rig)
        owner.commit(phase=Phase.FENCING)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, owner.order(PowerOff("c1", 1)), TERMS))

    @pytest.mark.parametrize("effect", [ForceDown("c1"), EnableReserved("spare")], ids=lambda effect: effect.key)
    def test_what_follows_the_proof_needs_it_at_the_door(self, rig: StoreRig, effect: Effect) -> None:
        """Forcing down and enabling a reserved host pass with a valid proof of this host, and not once it is gone or too old."""
        owner = own(rig)
        order = owner.order(effect)
        owner.commit(orders=(order,))
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))
        owner.prove(host="c2")
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))
        owner.commit(proof=None)
        known = owner.prove(valid_seconds=5.0)
        rig.store.admit(owner.lease, order, TERMS)
        rig.pass_time(5.0)
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))
        again = replace(known, read_at=owner.now, valid_until=owner.now + 30.0)
        owner.commit(proof=again)
        rig.store.admit(owner.lease, order, TERMS)
        owner.commit(proof=None, revoked=((again, "it reads ON"),))
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_with_a_proof_from_a_time_to_come_nothing_leaves(self, rig: StoreRig) -> None:
        """An order that waited while the clock was set back is held back."""
        owner, order = self.ordered(rig)
        rig.pass_time(-60.0)
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_passing_the_door_renews_the_lease(self, rig: StoreRig) -> None:
        """An order that leaves has the whole lease before it, so that no successor acts while it is under way."""
        owner = own(rig)
        order = owner.order(PowerOff("c1", 1))
        owner.commit(phase=Phase.FENCING, orders=(order,))
        rig.pass_time(TERMS.lease_seconds - 1.0)
        rig.store.admit(owner.lease, order, TERMS)
        rig.pass_time(TERMS.lease_seconds - 1.0)
        owner.commit(answered=(order.id,))
        rig.pass_time(TERMS.claim_after_seconds)
        assert rig.another().claim("engine-2", TERMS, limit=8) == ()

    @pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CANCELLING])
    def test_what_a_human_stopped_is_held_back(self, rig: StoreRig, phase: Phase) -> None:
        """A pause or a cancel that is stored closes the door also for orders that were given before, with a proof that holds."""
        owner = own(rig)
        known = owner.prove()
        order, down = owner.evacuate(known.uuid), owner.order(ForceDown("c1"))
        owner.commit(orders=(order, down))
        halt = Halt(phase=Phase.MOVING, reason=owner.state.reason)
        word = HumanWord("ann", "wait", owner.now)
        stop: dict[str, Any] = {"halt": halt} if phase is Phase.HALTED else {"cancel": word}
        owner.commit(phase=phase, **stop)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, down, TERMS))
        owner.commit(phase=Phase.MOVING, halt=None, cancel=None)
        rig.store.admit(owner.lease, order, TERMS)

    @pytest.mark.parametrize(("kind", "name"), [("all", ""), ("segment", "segment"), ("host", "c1")])
    def test_while_it_is_disarmed_nothing_leaves(self, rig: StoreRig, kind: str, name: str) -> None:
        """The surroundings name the order, and the door is closed, until its time is over; other hosts and segments are not meant."""
        owner = own(rig)
        order, read = owner.order(PowerOff("c1", 1)), owner.order(ReadPower("c1"))
        owner.commit(phase=Phase.FENCING, orders=(order, read))
        rig.add_host("far", segment="another")
        rig.disarm("segment", "another", seconds=600.0)
        rig.disarm("host", "c2", seconds=600.0)
        assert owner.surroundings().disarmed is None
        rig.disarm(kind, name, seconds=5.0)
        disarmed = owner.surroundings().disarmed
        assert disarmed is not None
        assert (disarmed.by, disarmed.why) == ("ann", "because")
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))
        rig.pass_time(5.0)
        assert owner.surroundings().disarmed is None
        rig.store.admit(owner.lease, order, TERMS)

    def test_without_a_lease_nothing_leaves(self, rig: StoreRig) -> None:
        """The door is closed when the lease is over, when it was given back, and when another engine owns the recovery."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        order, second = owner.evacuate(owner.prove(valid_seconds=600.0).uuid), other.order(PowerOff("c2", 1))
        owner.commit(orders=(order,))
        other.commit(orders=(second,))
        rig.store.release(other.lease)
        refused(rig, LeaseLost, lambda: rig.store.admit(other.lease, second, TERMS))
        rig.pass_time(TERMS.lease_seconds)
        refused(rig, LeaseLost, lambda: rig.store.admit(owner.lease, order, TERMS))
        take_over(rig, owner.state.uuid)
        refused(rig, LeaseLost, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_without_the_named_proof_nothing_leaves(self, rig: StoreRig) -> None:
        """An order that names another proof than the stored one is held back."""
        owner, order = self.ordered(rig)
        forged = replace(order, effect=replace(evacuation(order), proof=str(uuid4())))
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, forged, TERMS))

    def test_with_another_hosts_proof_nothing_leaves(self, rig: StoreRig) -> None:
        """An order for the instance of another host than the proof's is held back."""
        owner, order = self.ordered(rig)
        forged = replace(order, effect=replace(evacuation(order), source="c2"))
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, forged, TERMS))

    def test_with_another_incidents_proof_nothing_leaves(self, rig: StoreRig) -> None:
        """An order that names the proof of another open incident is held back."""
        other = own(rig, "c2")
        foreign = other.prove(valid_seconds=600.0)
        owner, order = self.ordered(rig)
        forged = replace(order, effect=replace(evacuation(order), proof=foreign.uuid))
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, forged, TERMS))

    def test_with_a_revoked_proof_nothing_leaves(self, rig: StoreRig) -> None:
        """An order whose proof was revoked after it was stored is held back."""
        owner, order = self.ordered(rig)
        assert owner.state.proof is not None
        owner.commit(proof=None, revoked=((owner.state.proof, "it reads ON"),))
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_with_an_old_proof_nothing_leaves(self, rig: StoreRig) -> None:
        """An order that waited until its proof was too old is held back, though the lease holds."""
        owner, order = self.ordered(rig, valid_seconds=5.0)
        rig.pass_time(5.0)
        refused(rig, ProofRefused, lambda: rig.store.admit(owner.lease, order, TERMS))
        owner.commit(verified=True)

    @staticmethod
    def ordered(rig: StoreRig, valid_seconds: float = 30.0) -> tuple[Owner, Order]:
        """Store an order with its proof."""
        owner = own(rig)
        order = owner.evacuate(owner.prove(valid_seconds=valid_seconds).uuid)
        owner.commit(orders=(order,))
        return owner, order


class BudgetContract:
    """Reserved hosts and power-offs are rows that only one recovery can hold (P6)."""

    def test_a_reserved_host_serves_one_recovery(self, rig: StoreRig) -> None:
        """The second recovery that claims a reserved host is refused; when the first one ends, it is free."""
        rig.add_host("spare", reserved=True)
        first, second = own(rig, "c1"), own(rig, "c2")
        wanted = (Reserved("spare", ReservedStatus.ENABLING),)
        first.commit(reserved=wanted)
        refused(rig, ClaimRefused, lambda: second.commit(reserved=wanted, timeline=(entry(second, "claim"),)))
        first.commit(reserved=wanted, verified=True)
        first.end()
        second.commit(reserved=wanted)

    def test_power_offs_are_counted_by_segment(self, rig: StoreRig) -> None:
        """When the slots of a segment are spent, the next power-off is refused; another segment has its own."""
        rig.add_host("c9", segment="another")
        owners = [own(rig, name) for name in ("c1", "c2", "c3", "c9")]
        for owner in (owners[0], owners[1]):
            owner.commit(orders=(owner.order(PowerOff(owner.state.host, 1)),), slots=2)
        third, elsewhere = owners[2], owners[3]
        refused(rig, ClaimRefused, lambda: third.commit(orders=(third.order(PowerOff("c3", 1)),), slots=2))
        elsewhere.commit(orders=(elsewhere.order(PowerOff("c9", 1)),), slots=2)

    def test_a_slot_serves_all_power_offs_of_its_recovery(self, rig: StoreRig) -> None:
        """A second power-off of the same host needs no second slot."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        for number in (1, 2, 3):
            owner.commit(orders=(owner.order(PowerOff("c1", number)),), slots=2)
        other.commit(orders=(other.order(PowerOff("c2", 1)),), slots=2)

    def test_a_slot_outlives_its_recovery_but_not_its_time(self, rig: StoreRig) -> None:
        """The end of a recovery frees no slot, or a storm could go on; the end of its time does."""
        owner = own(rig, "c1")
        owner.commit(orders=(owner.order(PowerOff("c1", 1)),), slots=1)
        owner.end()
        other = own(rig, "c2")
        refused(rig, ClaimRefused, lambda: other.commit(orders=(other.order(PowerOff("c2", 1)),), slots=1))
        rig.pass_time(WINDOW_SECONDS)
        other = take_over(rig, other.state.uuid)
        other.commit(orders=(other.order(PowerOff("c2", 1)),), slots=1)

    def test_a_human_needs_no_slot(self, rig: StoreRig) -> None:
        """A power-off that a human answers for takes no slot and needs none."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        owner.commit(orders=(owner.order(PowerOff("c1", 1)),), slots=1)
        other.commit(orders=(other.order(PowerOff("c2", 1)),), slots=None)


class InboxContract:
    """Letters from the API: notifications that joined, and words of humans."""

    def test_letters_come_in_the_order_in_which_they_were_written(self, rig: StoreRig) -> None:
        """Each recovery gets its own letters, oldest first, each as it was written; a confirm with the phase that it answers."""
        first, second = own(rig, "c1"), own(rig, "c2")
        words = [Confirmed(by=f"human {n}", why="zażółć gęślą jaźń", is_off=n == 3) for n in range(5)]
        for word in words:
            rig.say(first.state.uuid, word)
        phase = first.state.phase.value
        rig.say(second.state.uuid, Rejected(by="human", why="it is well"))
        letters = rig.store.inbox([first.state.uuid, second.state.uuid])
        assert [event for _, event in letters[first.state.uuid]] == [replace(word, asked=phase) for word in words]
        assert [event for _, event in letters[second.state.uuid]] == [Rejected(by="human", why="it is well")]

    def test_only_own_letters_are_read(self, rig: StoreRig) -> None:
        """Letters of recoveries that were not asked for are not returned, and nobody means nobody."""
        first, second = own(rig, "c1"), own(rig, "c2")
        rig.say(first.state.uuid, Rejected(by="human", why="it is well"))
        assert rig.store.inbox([second.state.uuid]) == {}
        assert rig.store.inbox([]) == {}

    def test_a_handled_letter_is_gone(self, rig: StoreRig) -> None:
        """What a commit handled is not read again, the rest is."""
        owner = own(rig)
        rig.say(owner.state.uuid, Confirmed(by="a", why="because"))
        rig.say(owner.state.uuid, Confirmed(by="b", why="because"))
        (number, _), _ = rig.store.inbox([owner.state.uuid])[owner.state.uuid]
        owner.commit(handled=(number,))
        left = rig.store.inbox([owner.state.uuid])[owner.state.uuid]
        assert [event.by for _, event in left if isinstance(event, Confirmed)] == ["b"]

    def test_a_refused_commit_keeps_the_letter(self, rig: StoreRig) -> None:
        """A commit that fails leaves the letters that it would have handled."""
        owner = own(rig)
        rig.say(owner.state.uuid, Confirmed(by="a", why="because"))
        ((number, _),) = rig.store.inbox([owner.state.uuid])[owner.state.uuid]
        bad = owner.change(handled=(number,), orders=(owner.evacuate(str(uuid4())),))
        refused(rig, ProofRefused, lambda: owner.commit(bad))

    def test_a_letter_that_cannot_be_read_stays(self, rig: StoreRig) -> None:
        """A letter that a newer version wrote is passed over, and those behind it are read."""
        owner = own(rig)
        rig.say(owner.state.uuid, Confirmed(by="a", why="because"))
        rig.spoil_letters(owner.state.uuid)
        assert rig.store.inbox([owner.state.uuid]) == {}
        rig.say(owner.state.uuid, Confirmed(by="b", why="because"))
        ((number, event),) = rig.store.inbox([owner.state.uuid])[owner.state.uuid]
        assert isinstance(event, Confirmed)
        assert event.by == "b"
        before = rig.stored()
        owner.commit(handled=(number,))
        assert rig.stored() != before
        assert rig.store.inbox([owner.state.uuid]) == {}

    @pytest.mark.parametrize("kind", ["report", "word"])
    def test_no_end_passes_a_letter(self, rig: StoreRig, kind: str) -> None:
        """An end is refused, and nothing of it stored, while a letter is there that it does not handle; with that it is stored."""
        owner = own(rig)
        known = rig.report("c1").recovery
        read = owner.letters()
        if kind == "report":
            rig.report("c1")
        else:
            rig.say(known, Rejected(by="human", why="it is well"))
        refused(rig, LettersWaiting, owner.end)
        refused(rig, LettersWaiting, lambda: owner.end(handled=read))
        owner.end(handled=owner.letters())
        assert rig.store.inbox([known]) == {}

    def test_other_letters_do_not_hold_up_the_end(self, rig: StoreRig) -> None:
        """Letters of other recoveries, and one that only a newer version can read, do not keep a recovery open."""
        owner, other = own(rig), own(rig, "c2")
        rig.say(other.state.uuid, Rejected(by="human", why="it is well"))
        rig.say(owner.state.uuid, Rejected(by="human", why="it is well"))
        rig.spoil_letters(owner.state.uuid)
        owner.end()
        assert len(other.letters()) == 1

    def test_what_does_not_end_may_leave_letters(self, rig: StoreRig) -> None:
        """A change that ends nothing is stored whatever came meanwhile."""
        owner = own(rig)
        rig.report("c1")
        owner.commit(phase=Phase.DISPUTED)
        assert len(owner.letters()) == 1

    def test_a_second_notification_joins(self, rig: StoreRig) -> None:
        """A notification of a host whose recovery is open joins it, and tells its engine, with what it said of the power."""
        first = rig.report("c1")
        second, third = rig.report("c1"), rig.report("c1", says_off=False)
        assert {second.recovery, third.recovery} == {first.recovery}
        letters = [event for _, event in rig.store.inbox([first.recovery])[first.recovery]]
        assert letters == [
            Notified(notification=second.notification, says_off=True),
            Notified(notification=third.notification, says_off=False),
        ]

    @pytest.mark.parametrize("says_off", [True, False])
    def test_what_the_detector_said_is_kept(self, rig: StoreRig, says_off: bool) -> None:
        """The recovery knows which notification called the host off, and none where it did not."""
        reported = rig.report("c1", says_off=says_off)
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
        word = claimed.recovery.detector
        assert (word.notification if word else None) == (reported.notification if says_off else None)

    def test_a_notification_after_the_end_opens_anew(self, rig: StoreRig) -> None:
        """A host that fails again after its recovery has ended gets a new one."""
        owner = own(rig)
        owner.end()
        again = rig.report("c1")
        assert again.recovery != owner.state.uuid
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
        assert (claimed.recovery.uuid, claimed.lease.epoch) == (again.recovery, 1)


class SurroundingsContract:
    """What a decision has to know beside its own recovery."""

    def test_counts_the_hosts_of_the_segment(self, rig: StoreRig) -> None:
        """The hosts of the recovery's own segment are counted, no others."""
        rig.add_host("c9", segment="another")
        assert own(rig, "c1").surroundings().segment_hosts == 3
        assert own(rig, "c9").surroundings().segment_hosts == 1

    def test_counts_failures_within_the_window(self, rig: StoreRig) -> None:
        """Recoveries of the segment that opened within the window count, this one too; older ones and other segments' do not."""
        rig.add_host("c9", segment="another")
        own(rig, "c3").end()
        rig.pass_time(WINDOW_SECONDS + 1.0)
        own(rig, "c9")
        owner = own(rig, "c2")
        assert owner.surroundings().segment_failures == 1
        own(rig, "c1").end()
        assert owner.surroundings().segment_failures == 2

    def test_counts_what_is_undecided_however_old(self, rig: StoreRig) -> None:
        """A recovery of which it is not known whether its host is dead counts until that is known."""
        own(rig, "c1")
        rig.pass_time(WINDOW_SECONDS + 1.0)
        assert own(rig, "c2").surroundings().segment_failures == 2

    @pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FALSE_ALARM])
    def test_what_was_no_failure_is_not_counted(self, rig: StoreRig, outcome: Outcome) -> None:
        """Recoveries that ended without a failure leave the brake alone."""
        own(rig, "c1").end(outcome)
        assert own(rig, "c2").surroundings().segment_failures == 1

    def test_a_power_off_counts_even_if_it_was_none_in_the_end(self, rig: StoreRig) -> None:
        """A slot for a power-off counts until its time is over, however its recovery ended."""
        other = own(rig, "c1")
        other.commit(orders=(other.order(PowerOff("c1", 1)),), slots=2)
        other.end(Outcome.REJECTED)
        owner = own(rig, "c2")
        assert owner.surroundings().segment_failures == 2
        rig.pass_time(WINDOW_SECONDS + 1.0)
        assert owner.surroundings().segment_failures == 1

    def test_the_brake_of_the_segment(self, rig: StoreRig) -> None:
        """Another open recovery of the segment at the brake is seen, one's own and other segments' are not."""
        rig.add_host("c9", segment="another")
        owner, other, elsewhere = own(rig, "c1"), own(rig, "c2"), own(rig, "c9")
        assert not owner.surroundings().segment_braked
        other.commit(phase=Phase.BRAKED)
        assert owner.surroundings().segment_braked
        assert not other.surroundings().segment_braked
        assert not elsewhere.surroundings().segment_braked
        other.end(Outcome.REJECTED)
        assert not owner.surroundings().segment_braked

    @pytest.mark.parametrize("by", ["pause", "disarm"])
    def test_a_halt_releases_no_brake(self, rig: StoreRig, by: str) -> None:
        """One that was halted at the brake holds it, and counts as undecided however old it is; one that goes on elsewhere does not."""
        owner, other, third = own(rig, "c1"), own(rig, "c2"), own(rig, "c3")
        said = HumanWord("ann", "I look", owner.now) if by == "pause" else None
        at_brake = Halt(phase=Phase.BRAKED, reason=other.state.reason, word=said)
        other.commit(phase=Phase.HALTED, halt=at_brake)
        third.commit(phase=Phase.HALTED, halt=replace(at_brake, phase=Phase.MOVING))
        assert owner.surroundings().segment_braked
        assert not other.surroundings().segment_braked
        rig.pass_time(WINDOW_SECONDS + 1.0)
        assert (owner.surroundings().segment_failures, owner.surroundings().segment_braked) == (2, True)

    def test_one_failure_is_counted_however_old(self, rig: StoreRig) -> None:
        """The recovery's own failure counts always, also where it is not stored, as that of a plan."""
        owner = own(rig)
        rig.pass_time(WINDOW_SECONDS + 1.0)
        owner.state = replace(owner.state, phase=Phase.UNPROVEN)
        assert owner.surroundings().segment_failures == 1
        own(rig, "c2")
        planned = replace(owner.state, uuid="forecast", host="c3")
        assert rig.store.surroundings(planned, brake_window_seconds=WINDOW_SECONDS).segment_failures == 3

    def test_reserved_hosts_that_are_free(self, rig: StoreRig) -> None:
        """Reserved hosts of the segment are offered, unless they failed themselves or another recovery holds them."""
        for name in ("spare1", "spare2", "spare3"):
            rig.add_host(name, reserved=True)
        rig.add_host("far", segment="another", reserved=True)
        owner, other = own(rig, "c1"), own(rig, "c2")
        assert set(owner.surroundings().reserved_hosts) == {"spare1", "spare2", "spare3"}
        own(rig, "spare1")
        other.commit(reserved=(Reserved("spare2", ReservedStatus.ENABLING),))
        owner.commit(reserved=(Reserved("spare3", ReservedStatus.ENABLING),))
        assert set(owner.surroundings().reserved_hosts) == {"spare3"}

    def test_a_spent_reserve_is_not_offered_again(self, rig: StoreRig) -> None:
        """A reserved host that was enabled is an ordinary host from then on."""
        rig.add_host("spare", reserved=True)
        owner = own(rig, "c1")
        owner.commit(reserved=(Reserved("spare", ReservedStatus.READY),))
        assert owner.surroundings().reserved_hosts == ()
        owner.end()
        assert own(rig, "c2").surroundings().reserved_hosts == ()

    def test_hosts_that_are_proven_off(self, rig: StoreRig) -> None:
        """Other hosts with an open recovery and a proof that is alive and young are named."""
        owner, other, third = own(rig, "c1"), own(rig, "c2"), own(rig, "c3")
        owner.prove()
        known = other.prove(valid_seconds=600.0)
        third.prove(valid_seconds=5.0)
        assert owner.surroundings().proven_off == {"c2", "c3"}
        rig.pass_time(5.0)
        assert owner.surroundings().proven_off == {"c2"}
        other.commit(proof=None, revoked=((known, "it reads ON"),))
        assert owner.surroundings().proven_off == frozenset()

    def test_a_detectors_word_counts_within_its_segment(self, rig: StoreRig) -> None:
        """A host that is off by its monitor's word alone is off for those whose operator chose to believe it, and for nobody else."""
        rig.add_host("d1", segment="another")
        owner, stranger, other = own(rig, "c1"), own(rig, "d1"), own(rig, "c2")
        believed = replace(proof(other.state.uuid, "c2", other.now), rung=Rung.DETECTOR, readings=())
        other.commit(proof=believed)
        assert owner.surroundings().proven_off == {"c2"}
        assert stranger.surroundings().proven_off == frozenset()

    def test_the_segment_is_known_by_its_name(self, rig: StoreRig) -> None:
        """The name is what a policy is written down for."""
        rig.add_host("d1", segment="another")
        assert [own(rig, host).surroundings().segment_name for host in ("c1", "d1")] == ["segment", "another"]

    def test_a_host_whose_proof_is_from_a_time_to_come_is_not_proven_off(self, rig: StoreRig) -> None:
        """After the clock was set back the other host's proof counts no more than one's own."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        other.prove()
        rig.pass_time(-60.0)
        assert owner.surroundings().proven_off == frozenset()

    def test_a_host_whose_recovery_ended_is_not_proven_off(self, rig: StoreRig) -> None:
        """When a recovery has ended nobody watches its host any more, so its proof counts no longer."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        other.prove(valid_seconds=600.0)
        other.end()
        assert owner.surroundings().proven_off == frozenset()


class ViewsContract:
    """What clients of upstream's tables see, written in the same transactions."""

    def test_notifications_follow_their_recovery(self, rig: StoreRig) -> None:
        """The notification that opened a recovery and those that joined are running until it ends, and then as it ended."""
        first = rig.report("c1")
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
        owner = Owner(rig, claimed)
        second = rig.report("c1")
        owner.commit(reason=because(Code.DISPUTED, host="c1"))
        assert [rig.status(each.notification) for each in (first, second)] == ["running", "running"]
        owner.end(handled=owner.letters())
        assert [rig.status(each.notification) for each in (first, second)] == ["finished", "finished"]

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [
            (Outcome.RECOVERED, "finished"),
            (Outcome.NOTHING_TO_MOVE, "finished"),
            (Outcome.FAILED, "failed"),
            (Outcome.REJECTED, "ignored"),
            (Outcome.FALSE_ALARM, "ignored"),
        ],
    )
    def test_every_outcome_has_upstreams_word(self, rig: StoreRig, outcome: Outcome, status: str) -> None:
        """Each outcome is shown by one of upstream's final statuses."""
        reported = rig.report("c1")
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
        Owner(rig, claimed).end(outcome)
        assert rig.status(reported.notification) == status

    def test_a_host_is_on_maintenance_from_its_proof_on(self, rig: StoreRig) -> None:
        """The failed host is marked with its first proof, loses its reservation, and no other host is touched."""
        rig.add_host("spare", reserved=True)
        owner = own(rig, "spare")
        assert rig.flags("spare") == (True, False)
        owner.prove()
        assert rig.flags("spare") == (False, True)
        assert rig.flags("c1") == (False, False)
        owner.end()
        assert rig.flags("spare") == (False, True)

    def test_a_reserve_that_was_not_needed_is_one_again(self, rig: StoreRig) -> None:
        """It is free for others once the recovery that took it has ended, and not before; one that failed meanwhile is none."""
        for name in ("spare", "dead"):
            rig.add_host(name, reserved=True)
        owner = own(rig)
        owner.commit(reserved=(Reserved("spare", ReservedStatus.READY), Reserved("dead", ReservedStatus.READY)))
        assert rig.flags("spare") == rig.flags("dead") == (False, False)
        failed = own(rig, "dead")
        failed.commit(fence=replace(failed.state.fence, proofs=1))
        owner.commit(reserved=(), given_back=("spare", "dead"))
        assert rig.flags("spare") == (True, False)
        assert rig.flags("dead") == (False, True)
        assert own(rig, "c2").surroundings().reserved_hosts == ()

    def test_a_reserve_that_was_enabled_is_reserved_no_more(self, rig: StoreRig) -> None:
        """A reserved host loses its reservation when it is enabled, not when it is claimed."""
        rig.add_host("spare", reserved=True)
        owner = own(rig)
        owner.commit(reserved=(Reserved("spare", ReservedStatus.ENABLING),))
        assert rig.flags("spare") == (True, False)
        owner.commit(reserved=(Reserved("spare", ReservedStatus.READY),))
        assert rig.flags("spare") == (False, False)


class StoreContract(
    ClaimContract,
    CommitContract,
    OrderContract,
    AdmitContract,
    BudgetContract,
    InboxContract,
    SurroundingsContract,
    ViewsContract,
):
    """The whole contract. Each test gets a fresh rig with the hosts c1, c2 and c3 in one segment."""


def entry(owner: Owner, name: str) -> TimelineEntry:
    """Build a line of the timeline that has a name in it."""
    return TimelineEntry(at=owner.now, reason=because(Code.RESUMED, engine=name))


def evacuation(order: Order) -> Evacuate:
    """Return the order's effect, which must be an evacuation."""
    assert isinstance(order.effect, Evacuate)
    return order.effect
