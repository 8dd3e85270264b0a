"""A host is let back in the simulated world: broken off at every step, twice at once, with orders that get lost or come late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from vmha.core.explain import Code
from vmha.core.model import RecoveryMethod
from vmha.core.policy import Policy
from vmha.core.reserve import RESERVE_REASON
from vmha.core.returning import Returned, ReturnRefused, Wish
from vmha.engine.carrying import DOWN_REASON
from vmha.engine.looking import Hands, Steps, finish
from vmha.engine.retiring import Retired, retire
from vmha.engine.returning import let_back
from vmha.errors import StoreUnavailable, UnknownHost
from vmha.sim import checker, owner
from vmha.sim.faults import inject
from vmha.sim.gate import Mishap
from vmha.sim.operator import hands
from vmha.sim.rig import Rig
from vmha.sim.rows import Service
from vmha.sim.world import World

ANN = Wish(by="ann", why="new memory")
HOLD_SECONDS = 39.0


class Cloud:
    """c1 failed with two instances, which run elsewhere now; with a spare they run on c4."""

    def __init__(self, *, spare: bool = False) -> None:
        self.world = World(7)
        for name in ("c1", "c2", "c3"):
            self.world.add_host(name)
        if spare:
            self.world.add_host("c4", disabled_reason="reserved")
        self.instances = [self.world.add_server("c1", name=f"vm{number}").uuid for number in range(2)]
        self.rig = Rig(self.world, policy=Policy())
        self.hands: Hands = hands(self.rig, self.world.new_uuid)
        self.run(100.0)
        inject(self.world, "power_lost", host="c1")
        method = RecoveryMethod.RESERVED_HOST if spare else RecoveryMethod.AUTO
        self.recovery = self.report("c1", method)
        self.run(200.0)

    def report(self, host: str, method: RecoveryMethod = RecoveryMethod.AUTO) -> str:
        """Report a host."""
        return self.rig.memory.report(host, f"report at {self.world.now}", method)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.advance(self.world.now + seconds)

    def repair(self, host: str = "c1") -> None:
        """Switch the host on, and wait until its nova-compute has come back."""
        inject(self.world, "power_back", host=host)
        self.run(100.0)

    def steps(self, host: str = "c1", wish: Wish = ANN) -> Steps[Returned]:
        """Begin to let a host back."""
        return let_back(host, wish, self.hands)

    def let_back(self, host: str = "c1", wish: Wish = ANN) -> Returned:
        """Let a host back in one go."""
        return finish(self.steps(host, wish), self.hands.clock)

    def drive(self, steps: Steps[Returned]) -> Returned:
        """Take the steps that are left."""
        try:
            while True:
                self.run(next(steps))
        except StopIteration as end:
            returned: Returned = end.value
            return returned

    def refused(self, host: str = "c1", wish: Wish = ANN) -> list[Code]:
        """Be refused, and return the reasons."""
        with pytest.raises(ReturnRefused) as error:
            self.let_back(host, wish)
        return [reason.code for reason in error.value.reasons]

    def service(self, host: str = "c1") -> Service:
        """Return the compute service."""
        return self.world.nova.services[host]

    def flags(self, host: str = "c1") -> tuple[bool, bool]:
        """Return whether the host is reserved, and whether it is on maintenance."""
        stored = self.rig.memory.hosts[host]
        return stored.is_reserved, stored.is_on_maintenance

    def told(self, *codes: Code) -> list[str]:
        """Return those lines of the recovery's timeline."""
        timeline = self.rig.memory.rows[self.recovery].timeline
        return [entry.reason.sentence for entry in timeline if entry.reason.code in codes]

    def changes(self, host: str = "c1") -> list[dict[str, Any]]:
        """Return what returns ordered for a service."""
        return self.world.record.of("service", host=host, caller="return")

    def violations(self) -> list[str]:
        """Return what the checker holds against all of it."""
        return [str(violation) for violation in checker.check(self.world.record.facts)]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A cloud that kept every promise when the test is over."""
    made = Cloud()
    yield made
    assert made.violations() == []


@pytest.fixture
def spared() -> Iterator[Cloud]:
    """The same, with a spare that was spent."""
    made = Cloud(spare=True)
    assert made.flags("c4") == (False, False)
    yield made
    assert made.violations() == []


def is_in_service(cloud: Cloud, host: str = "c1") -> bool:
    """Tell whether nothing keeps instances away from the host."""
    service = cloud.service(host)
    return not (service.forced_down or service.disabled) and cloud.flags(host) == (False, False)


def test_a_repaired_host_is_let_back(cloud: Cloud) -> None:
    """One order clears both flags, the maintenance is over, and who and why is told; the second time there is nothing to do."""
    cloud.repair()
    returned = cloud.let_back()
    assert [reason.code for reason in returned.done] == [Code.RETURN_BEGUN, Code.RETURNED]
    assert is_in_service(cloud)
    assert cloud.told(Code.RETURN_BEGUN, Code.RETURNED) == [
        "ann lets c1 back: new memory",
        "c1 is back: no longer forced down, enabled, no longer on maintenance",
    ]
    assert [reason.code for reason in cloud.let_back().done] == [Code.RETURN_NOTHING]
    assert len(cloud.changes()) == 1


def test_it_is_refused_before_the_host_is_back(cloud: Cloud) -> None:
    """Off, or on and not yet cleaned up: every reason is given, and nothing is ordered or stored."""
    assert cloud.refused() == [Code.RETURN_READS_OFF, Code.RETURN_NOT_CLEANED_UP]
    inject(cloud.world, "power_back", host="c1")
    assert cloud.refused() == [Code.RETURN_SILENT, Code.RETURN_NOT_CLEANED_UP]
    assert cloud.flags() == (False, True)
    assert cloud.changes() == []
    cloud.run(60.0)
    assert cloud.let_back()


def test_a_dry_run_changes_nothing(cloud: Cloud) -> None:
    """It says what would be done, and the host stays where it is."""
    cloud.repair()
    would = finish(let_back("c1", ANN, cloud.hands, is_dry=True), cloud.hands.clock)
    assert would.is_dry
    assert [reason.code for reason in would.done] == [Code.RETURNED]
    assert (cloud.flags(), cloud.changes(), cloud.told(Code.RETURN_BEGUN)) == ((False, True), [], [])


def test_a_host_that_nobody_knows(cloud: Cloud) -> None:
    """A name that no segment has is named."""
    with pytest.raises(UnknownHost, match="c9"):
        cloud.let_back("c9")


@pytest.mark.parametrize("wish", [ANN, Wish(by="ann", why="x", as_reserved=True)], ids=["back", "as-reserved"])
def test_killed_at_any_step_it_is_finished_by_the_next(wish: Wish) -> None:
    """Wherever the command is killed, the next one ends as one that was never killed does, and orders nothing twice."""
    whole = Cloud(spare=True)
    whole.repair()
    _empty_the_spare(whole)
    pauses: list[float] = []
    for pause in whole.steps(wish=wish):
        pauses.append(pause)
        whole.run(pause)
    # Those before the last pause only look.
    for number in range(max(n for n, pause in enumerate(pauses) if pause), len(pauses) + 1):
        cloud = Cloud(spare=True)
        cloud.repair()
        _empty_the_spare(cloud)
        broken = cloud.steps(wish=wish)
        for _ in range(number):
            cloud.run(next(broken))
        broken.close()
        cloud.run(HOLD_SECONDS)
        cloud.let_back(wish=wish)
        for host in ("c1", "c4"):
            assert cloud.flags(host) == whole.flags(host), f"killed at step {number}"
            now, then = cloud.service(host), whole.service(host)
            assert (now.forced_down, now.disabled, now.disabled_reason) == (
                (then.forced_down, then.disabled, then.disabled_reason)
            )
            assert len(cloud.changes(host)) == len(whole.changes(host)), f"killed at step {number}"
        assert cloud.told(Code.RETURNED, Code.RETURNED_AS_RESERVED)
        assert cloud.violations() == []


def _empty_the_spare(cloud: Cloud) -> None:
    for uuid in cloud.instances:
        owner.live_migrate(cloud.world, uuid, "c2")
    cloud.run(60.0)


def test_killed_while_it_holds_the_host_it_keeps_others_waiting_for_a_while(cloud: Cloud) -> None:
    """The next one is told who holds it and until when."""
    cloud.repair()
    broken = cloud.steps()
    while not cloud.told(Code.RETURN_BEGUN):
        cloud.run(next(broken))
    broken.close()
    assert cloud.flags() == (False, False)
    assert cloud.refused(wish=Wish(by="bob", why="me too")) == [Code.RETURN_HELD]
    cloud.run(HOLD_SECONDS)
    assert cloud.let_back()
    assert is_in_service(cloud)


def test_two_at_once(cloud: Cloud) -> None:
    """One does it, the other is refused."""
    cloud.repair()
    first, second = cloud.steps(), cloud.steps(wish=Wish(by="bob", why="me too"))
    ended: list[object] = []
    runs = [first, second]
    while runs:
        for run in list(runs):
            try:
                cloud.run(next(run))
            except (StopIteration, ReturnRefused) as end:
                runs.remove(run)
                ended.append(end)
    assert sorted(type(end).__name__ for end in ended) == ["ReturnRefused", "StopIteration"]
    (refused,) = [end for end in ended if isinstance(end, ReturnRefused)]
    assert "is letting c1 back" in str(refused)
    assert len(cloud.changes()) == 1


def test_a_failure_that_is_reported_meanwhile_waits_its_turn(cloud: Cloud) -> None:
    """It is accepted, since the maintenance is over; and the host is forced down after the return, not before it."""
    cloud.repair()
    steps = cloud.steps()
    while not cloud.told(Code.RETURN_BEGUN):
        cloud.run(next(steps))
    inject(cloud.world, "power_lost", host="c1")
    assert not cloud.rig.memory.hosts["c1"].is_on_maintenance
    again = cloud.report("c1")
    cloud.drive(steps)
    cloud.run(200.0)
    assert cloud.rig.memory.rows[again].state.outcome is not None
    assert cloud.flags() == (False, True)
    callers = [fact["caller"] for fact in cloud.world.record.of("service", host="c1")]
    assert callers == ["engine-1", "return", "engine-1"]


def test_an_answer_that_gets_lost_is_looked_up(cloud: Cloud) -> None:
    """Nova took the order and nobody heard it say so: its service shows it, and the return ends well."""
    cloud.repair()
    cloud.world.nova.gate.spoil(Mishap.REPLY_LOST, call="service")
    cloud.let_back()
    assert is_in_service(cloud)
    assert len(cloud.changes()) == 1


@pytest.mark.parametrize(
    ("mishap", "is_taken"), [(Mishap.ORDER_LOST, False), (Mishap.ORDER_LATE, True)], ids=["lost", "late"]
)
def test_an_order_without_a_trace_keeps_the_host_held(cloud: Cloud, mishap: Mishap, is_taken: bool) -> None:
    """It may still be taken, so that until the right is over nobody else changes the host; then it is let back as ever."""
    cloud.repair()
    cloud.world.nova.gate.spoil(mishap, call="service", seconds=5.0)
    assert cloud.refused() == [Code.RETURN_UNANSWERED]
    assert cloud.flags() == (False, True)
    assert cloud.refused() == [Code.RETURN_HELD]
    assert bool(cloud.changes()) is is_taken
    cloud.run(HOLD_SECONDS)
    cloud.let_back()
    assert is_in_service(cloud)
    assert len(cloud.changes()) == 1


def test_what_nova_refuses_changes_nothing(cloud: Cloud) -> None:
    """Where somebody changed the service in the last moment, that is left alone, and the host is on maintenance as before."""
    cloud.repair()
    steps = cloud.steps()
    while not cloud.told(Code.RETURN_BEGUN):
        cloud.run(next(steps))
    cloud.world.nova.change_service("c1", "operator", disabled=True, reason="wait")
    with pytest.raises(ReturnRefused) as error:
        cloud.drive(steps)
    assert [reason.code for reason in error.value.reasons] == [Code.RETURN_NOT_TAKEN]
    assert cloud.flags() == (False, True)
    assert cloud.service().disabled_reason == "wait"
    cloud.let_back()
    assert (cloud.service().forced_down, cloud.service().disabled_reason) == (False, "wait")


def test_an_order_that_waited_too_long_does_not_leave(cloud: Cloud) -> None:
    """A process that stood still after it took the right sends nothing when it wakes."""
    cloud.repair()
    steps = cloud.steps()
    while not cloud.told(Code.RETURN_BEGUN):
        cloud.run(next(steps))
    cloud.run(20.0)
    with pytest.raises(ReturnRefused) as error:
        next(steps)
    assert [reason.code for reason in error.value.reasons] == [Code.RETURN_NOT_TAKEN]
    assert (cloud.changes(), cloud.flags()) == ([], (False, True))


def test_one_that_wakes_after_its_right_is_over_stores_nothing(cloud: Cloud) -> None:
    """It learns that it was too slow; what Nova took is taken, and the next one finishes it."""
    cloud.repair()
    steps = cloud.steps()
    while not cloud.changes():
        cloud.run(next(steps))
    cloud.run(HOLD_SECONDS)
    with pytest.raises(ReturnRefused) as error:
        list(steps)
    assert [reason.code for reason in error.value.reasons] == [Code.RETURN_TOO_SLOW]
    assert cloud.told(Code.RETURNED) == []
    assert [reason.code for reason in cloud.let_back().done] == [Code.RETURN_BEGUN, Code.RETURNED]
    assert len(cloud.changes()) == 1


def test_a_put_is_no_heartbeat(cloud: Cloud) -> None:
    """Nova's `updated_at` moves with every change of a flag: one that an operator makes while we watch is no sign of life."""
    inject(cloud.world, "power_back", host="c1")
    steps = cloud.steps()
    for _ in range(3):
        cloud.run(next(steps))
    cloud.world.nova.change_service("c1", "operator", disabled=True, reason="wait")
    with pytest.raises(ReturnRefused) as error:
        cloud.drive(steps)
    assert Code.RETURN_SILENT in [reason.code for reason in error.value.reasons]


def test_nova_that_is_away_is_a_reason(cloud: Cloud) -> None:
    """What cannot be seen is not believed to be gone; a database that is away is told as such."""
    cloud.repair()
    inject(cloud.world, "nova_away", seconds=5.0)
    assert cloud.refused() == [Code.RETURN_NOVA_AWAY]
    cloud.run(10.0)
    cloud.rig.memory.away_until = cloud.world.now + 5.0
    with pytest.raises(StoreUnavailable):
        cloud.let_back()


def test_a_spare_goes_back_once_it_is_empty(spared: Cloud) -> None:
    """As long as instances are on it, it stays in service; then it is disabled with our reason and reserved, by one more return."""
    spared.repair()
    kept = spared.let_back()
    assert [reason.code for reason in kept.done] == [Code.RETURN_BEGUN, Code.RETURNED, Code.SPARE_KEPT]
    assert is_in_service(spared, "c4")
    _empty_the_spare(spared)
    again = spared.let_back()
    assert [reason.code for reason in again.done] == [Code.RETURN_NOTHING, Code.SPARE_BACK]
    assert spared.flags("c4") == (True, False)
    assert (spared.service("c4").disabled, spared.service("c4").disabled_reason) == (True, RESERVE_REASON)
    assert [reason.code for reason in spared.let_back().done] == [Code.RETURN_NOTHING]


def test_a_spare_that_fills_in_the_last_moment_stays(spared: Cloud) -> None:
    """What the scheduler sent there before it knew shows in Placement: the spare is enabled again."""
    spared.repair()
    _empty_the_spare(spared)
    steps = spared.steps()
    while not spared.changes("c4"):
        spared.run(next(steps))
    spared.world.placement.allocate("a new instance", "c4", 1)
    assert spared.drive(steps).done[-1].code is Code.SPARE_KEPT
    assert is_in_service(spared, "c4")


def test_a_spare_that_another_host_needs_now_is_left_to_it(spared: Cloud) -> None:
    """c1 is back and its spare went back; then c2 fails and takes it. To let c1 back once more takes nothing from that recovery."""
    spared.repair()
    _empty_the_spare(spared)
    assert spared.let_back().done[-1].code is Code.SPARE_BACK
    inject(spared.world, "power_lost", host="c2")
    spared.report("c2", RecoveryMethod.RESERVED_HOST)
    before = len(spared.changes("c4"))
    while not is_in_service(spared, "c4"):
        spared.run(0.1)
    assert [reason.code for reason in spared.let_back().done] == [Code.RETURN_NOTHING]
    assert len(spared.changes("c4")) == before
    assert is_in_service(spared, "c4")


def test_a_spare_that_was_left_halfway_is_set_free(spared: Cloud) -> None:
    """A return was killed after it disabled the spare, and an instance came: the next one enables it again."""
    spared.repair()
    _empty_the_spare(spared)
    steps = spared.steps()
    while not spared.changes("c4"):
        spared.run(next(steps))
    steps.close()
    spared.world.placement.allocate("a new instance", "c4", 1)
    spared.run(HOLD_SECONDS)
    assert spared.let_back().done[-1].code is Code.SPARE_KEPT
    assert is_in_service(spared, "c4")


def test_the_repaired_host_becomes_the_reserve(spared: Cloud) -> None:
    """It is disabled and reserved, its spare stays in service for good, and is not given back by a later return either."""
    spared.repair()
    returned = spared.let_back(wish=Wish(by="ann", why="new board", as_reserved=True))
    codes = [reason.code for reason in returned.done]
    assert codes == [Code.RETURN_BEGUN, Code.RETURNED_AS_RESERVED, Code.SPARE_REPLACED]
    assert spared.flags() == (True, False)
    service = spared.service()
    assert (service.forced_down, service.disabled, service.disabled_reason) == (False, True, RESERVE_REASON)
    _empty_the_spare(spared)
    assert [reason.code for reason in spared.let_back().done] == [Code.RETURN_NOTHING]
    assert is_in_service(spared, "c4")


def test_a_reserve_that_fills_in_the_last_moment_is_none(cloud: Cloud) -> None:
    """A host that took instances until now is looked at once more after it was disabled, and enabled again."""
    cloud.repair()
    cloud.let_back()
    steps = cloud.steps(wish=Wish(by="ann", why="x", as_reserved=True))
    while len(cloud.changes()) < 2:
        cloud.run(next(steps))
    cloud.world.placement.allocate("a new instance", "c1", 1)
    with pytest.raises(ReturnRefused) as error:
        cloud.drive(steps)
    assert [reason.code for reason in error.value.reasons] == [Code.RETURN_NOT_EMPTY]
    assert is_in_service(cloud)


class TestRetire:
    """The other ending."""

    def retire(self, cloud: Cloud, *, cleans: bool = True, inspected: bool = False) -> Retired:
        """Retire c1."""
        wish = Wish(by="ann", why="burnt", inspected=inspected)
        return finish(retire("c1", wish, cloud.hands, cleans=cleans), cloud.hands.clock)

    def test_what_is_left_is_listed(self, cloud: Cloud) -> None:
        """The service, the provider, and the room of the instances that moved; nothing is changed."""
        listed = self.retire(cloud, cleans=False)
        assert listed.found.against == ()
        assert sorted(listed.found.holders) == sorted(cloud.instances)
        assert (listed.found.has_service, listed.found.has_provider, listed.done) == (True, True, None)
        assert [reason.code for reason in listed.by_hand] == [Code.RETIRE_INVENTORY]
        assert "c1" in cloud.world.nova.services

    def test_what_is_left_is_cleared_away(self, cloud: Cloud) -> None:
        """Rooms, service, provider and the place in the segment are gone, the instances are not, and it is told."""
        retired = self.retire(cloud)
        assert retired.done is not None
        assert "2 allocations, the compute service, the place in the segment" in retired.done.sentence
        assert [reason.code for reason in retired.by_hand] == [Code.RETIRE_INVENTORY]
        assert "c1" not in cloud.world.nova.services
        assert "c1" not in cloud.world.placement.providers
        assert "c1" not in cloud.rig.memory.hosts
        assert cloud.told(Code.RETIRED) == [retired.done.sentence]
        for uuid in cloud.instances:
            (host,) = cloud.world.running(uuid)
            assert uuid in cloud.world.placement.allocations[host]

    def test_what_lives_is_not_retired(self, cloud: Cloud) -> None:
        """A host that is on, and heard, stays as it is."""
        cloud.repair()
        with pytest.raises(ReturnRefused) as error:
            self.retire(cloud)
        assert [reason.code for reason in error.value.reasons] == [Code.RETIRE_HEARD, Code.RETIRE_READS_ON]
        assert "c1" in cloud.world.nova.services

    def test_one_that_stopped_halfway_is_finished(self, cloud: Cloud) -> None:
        """Where Nova gives no answer, the host stays in its segment, and the next try does the rest."""
        cloud.world.nova.gate.spoil(Mishap.REPLY_LOST, call="service")
        with pytest.raises(ReturnRefused) as error:
            self.retire(cloud)
        assert [reason.code for reason in error.value.reasons] == [Code.RETIRE_STOPPED]
        assert "c1" in cloud.rig.memory.hosts
        retired = self.retire(cloud)
        assert retired.done is not None
        assert "cleared away: the place in the segment" in retired.done.sentence

    def test_one_that_fails_meanwhile_keeps_its_place(self, cloud: Cloud) -> None:
        """What was cleared away is said, nobody is kept waiting, and once the recovery is over the rest is done."""
        steps = retire("c1", Wish(by="ann", why="burnt"), cloud.hands, cleans=True)
        while "c1" in cloud.world.nova.services:
            cloud.run(next(steps))
        cloud.report("c1")
        with pytest.raises(ReturnRefused) as error:
            next(steps)
        assert [reason.code for reason in error.value.reasons] == [Code.RETURN_RECOVERY_OPEN, Code.RETIRE_STOPPED]
        assert "it has lost 2 allocations and the compute service by now" in str(error.value)
        assert cloud.rig.memory.held("c1") is None

    def test_room_that_somebody_holds_keeps_the_provider(self, cloud: Cloud) -> None:
        """Nova deletes no provider of which room is held, and says nothing of it: then a human learns of it."""
        cloud.world.placement.allocate("a stranger", "c1", 1)
        retired = self.retire(cloud)
        codes = [reason.code for reason in retired.by_hand]
        assert codes == [Code.RETIRE_ROOM, Code.RETIRE_INVENTORY, Code.RETIRE_PROVIDER]
        assert cloud.world.placement.allocations["c1"] == {"a stranger": 1}


def test_the_reasons_of_the_product_are_not_mistaken() -> None:
    """A service that we disabled as failed is never taken for one that we keep in reserve."""
    assert DOWN_REASON != RESERVE_REASON
