"""The checker finds each broken promise in a record, and nothing in one where all were kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmha.ports import Deadline
from vmha.sim.checker import check
from vmha.sim.faults import inject
from vmha.sim.ports import SimNova, SimPower
from vmha.sim.violations import Kind
from vmha.sim.world import World, small_cloud

WHENEVER = Deadline(at=1e9)


class Engine:
    """As little of an engine as the checker needs to have something to judge; each step may be left out or done wrong."""

    def __init__(self, world: World, name: str = "engine-1") -> None:
        self.world = world
        self.nova = SimNova(world, name)
        self.power = SimPower(world, name, guids={})

    def fence(self, host: str, *, order: bool = True, readings: int = 2, apart: float = 2.0) -> None:
        """Order the power off, and read it."""
        if order:
            self.power.off(host, deadline=WHENEVER)
        for _ in range(readings):
            self.power.read(host, deadline=WHENEVER)
            self.world.advance(self.world.now + apart)

    def move(self, host: str) -> None:
        """Force the service down and evacuate everything at once."""
        self.nova.force_down(host, reason="dead", deadline=WHENEVER)
        for instance in self.nova.instances_on(host, deadline=WHENEVER):
            self.nova.evacuate(instance.uuid, target=None, deadline=WHENEVER)


@pytest.fixture
def world() -> World:
    """Three hosts, three instances, a minute old."""
    world = small_cloud(5, hosts=3, instances=3)
    world.advance(60.0)
    return world


def kinds(world: World) -> list[Kind]:
    """Return what the checker holds against the record."""
    return [violation.kind for violation in check(world.record.facts)]


def test_a_clean_recovery_is_clean(world: World) -> None:
    """A host that died, was fenced and proven off, evacuated, and came back breaks no promise."""
    engine = Engine(world)
    inject(world, "compute_hangs", host="c1")
    world.advance(130.0)
    engine.fence("c1")
    engine.move("c1")
    world.advance(200.0)
    inject(world, "power_back", host="c1")
    world.advance(400.0)
    assert not world.hosts["c1"].guests
    assert check(world.record.facts) == []


def test_a_host_that_lost_its_power_needs_no_order(world: World) -> None:
    """Two readings of OFF are a proof without any order."""
    inject(world, "power_lost", host="c1")
    engine = Engine(world)
    engine.fence("c1", order=False)
    engine.move("c1")
    assert kinds(world) == []


def test_two_guests_are_found(world: World) -> None:
    """An evacuation of a host whose guests still run shows as two guests, and as a source that was on."""
    inject(world, "compute_dies", host="c1")
    Engine(world).move("c1")
    world.advance(100.0)
    assert kinds(world) == [Kind.SOURCE_WAS_ON, Kind.TWO_GUESTS]
    two = check(world.record.facts)[-1]
    assert "while one ran on c1" in two.sentence
    assert str(two).endswith("(two_guests)")


def test_two_orders_for_one_instance_are_found(world: World) -> None:
    """A second evacuation while the first is under way is found, and so are the two guests that come of it."""
    inject(world, "power_lost", host="c1")
    engine = Engine(world)
    engine.fence("c1")
    engine.move("c1")
    world.advance(world.now + 2.0)
    engine.move("c1")
    world.advance(200.0)
    assert kinds(world) == [Kind.EVACUATED_TWICE, Kind.TWO_GUESTS]


def test_a_second_order_after_a_failure_is_fine(world: World) -> None:
    """An evacuation that failed may be ordered again."""
    inject(world, "power_lost", host="c1")
    inject(world, "claim_fails")
    engine = Engine(world)
    engine.fence("c1")
    engine.move("c1")
    world.advance(90.0)
    engine.move("c1")
    world.advance(120.0)
    assert [record.status for record in world.nova.migrations] == ["failed", "done"]
    assert kinds(world) == []


@pytest.mark.parametrize(
    "fence",
    [
        lambda engine: engine.fence("c1", readings=0),
        lambda engine: engine.fence("c1", readings=1),
        lambda engine: engine.fence("c1", readings=2, apart=0.5),
        lambda engine: (engine.fence("c1"), engine.power.off("c1", deadline=WHENEVER)),
    ],
    ids=["no reading", "one reading", "two readings of one moment", "a new order after the readings"],
)
def test_an_evacuation_without_proof_is_found(world: World, fence: Callable[[Engine], object]) -> None:
    """The host was off each time, and yet nobody had read it off twice, two seconds apart, since the last order."""
    inject(world, "power_lost", host="c1")
    engine = Engine(world)
    fence(engine)
    engine.move("c1")
    assert kinds(world) == [Kind.NO_PROOF]


def test_readings_before_a_reading_of_on_do_not_count(world: World) -> None:
    """What was read before the host was seen on proves nothing afterwards."""
    inject(world, "power_lost", host="c1")
    engine = Engine(world)
    engine.fence("c1")
    inject(world, "power_back", host="c1")
    engine.fence("c1", order=False, readings=1)
    inject(world, "power_lost", host="c1")
    engine.fence("c1", order=False, readings=1)
    engine.move("c1")
    assert kinds(world) == [Kind.NO_PROOF]


def test_one_stale_reading_is_not_enough(world: World) -> None:
    """Whoever believes the first OFF of a stale BMC evacuates a host that is on."""
    inject(world, "compute_hangs", host="c1")
    inject(world, "bmc_stale", host="c1")
    world.advance(130.0)
    engine = Engine(world)
    engine.fence("c1", readings=1)
    engine.move("c1")
    world.advance(200.0)
    assert kinds(world) == [Kind.SOURCE_WAS_ON, Kind.TWO_GUESTS]


def test_the_return_code_is_not_enough(world: World) -> None:
    """Whoever believes that a stuck BMC did what it said evacuates a host that is on."""
    inject(world, "compute_hangs", host="c1")
    inject(world, "bmc_stuck", host="c1")
    world.advance(130.0)
    engine = Engine(world)
    engine.fence("c1", readings=0)
    engine.move("c1")
    assert kinds(world) == [Kind.SOURCE_WAS_ON]


def test_a_humans_word_takes_the_place_of_readings(world: World) -> None:
    """With a word on record for this host, and until it has power again, no reading is asked for."""
    inject(world, "mains_lost", host="c1")
    world.note_word("c1", by="alice", why="its cable is in my hand")
    engine = Engine(world)
    engine.move("c1")
    assert kinds(world) == []
    inject(world, "mains_back", host="c1")
    world.add_server("c1")
    world.nova.services["c1"].forced_down = True
    engine.move("c1")
    assert kinds(world)[-1] is Kind.SOURCE_WAS_ON


def test_a_power_off_of_a_healthy_host_is_found(world: World) -> None:
    """A power-off of a host that had been well is found, and one that a human wanted is not held against anybody."""
    engine = Engine(world)
    engine.power.off("c1", deadline=WHENEVER)
    world.note_word("c2", by="bob", why="I want it off")
    engine.power.off("c2", deadline=WHENEVER)
    violations = check(world.record.facts)
    assert [(each.kind, each.host) for each in violations] == [(Kind.HEALTHY_HOST_SHOT, "c1")]


def test_a_power_off_of_a_host_that_just_recovered_is_no_crime(world: World) -> None:
    """A host that was silent until a moment ago may be shot: nobody could know better."""
    inject(world, "network_cut", host="c1")
    world.advance(130.0)
    inject(world, "network_back", host="c1")
    world.advance(132.0)
    Engine(world).fence("c1")
    assert kinds(world) == []


def test_a_wrong_host_behind_the_bmc_is_found(world: World) -> None:
    """With swapped BMCs and no identity check the power-off hits a healthy host, and the dead one is not off."""
    inject(world, "compute_hangs", host="c1")
    inject(world, "bmc_swapped", host="c1", other="c2")
    world.advance(130.0)
    engine = Engine(world)
    engine.fence("c1")
    engine.move("c1")
    assert kinds(world) == [Kind.HEALTHY_HOST_SHOT, Kind.SOURCE_WAS_ON]
    assert check(world.record.facts)[0].host == "c2"


def test_a_late_order_is_named_as_such(world: World) -> None:
    """An evacuation that left while the host was off and was taken when it was on again is a kind of its own."""
    inject(world, "power_lost", host="c1")
    inject(world, "nova_order_late", call="evacuate", seconds=30.0)
    engine = Engine(world)
    engine.fence("c1")
    with pytest.raises(Exception, match="did not answer"):
        engine.move("c1")
    inject(world, "power_back", host="c1")
    world.advance(100.0)
    assert kinds(world) == [Kind.LATE_ORDER]


def test_a_stale_owner_is_found(world: World) -> None:
    """An engine that gives orders after another one began to is found, unless it took the recovery over again."""
    inject(world, "power_lost", host="c1")
    first, second = Engine(world, "engine-1"), Engine(world, "engine-2")
    first.fence("c1")
    second.fence("c1")
    first.move("c1")
    found = check(world.record.facts)
    assert {each.kind for each in found} == {Kind.STALE_OWNER}
    assert "engine-1 gave forced_down for c1 after engine-2" in found[0].sentence


def test_an_owner_may_come_back(world: World) -> None:
    """An engine whose new claim is on record is the owner again."""
    inject(world, "power_lost", host="c1")
    first, second = Engine(world, "engine-1"), Engine(world, "engine-2")
    first.fence("c1")
    world.note_claim("c1", "engine-2")
    second.fence("c1")
    world.note_claim("c1", "engine-1")
    first.fence("c1")
    first.move("c1")
    assert kinds(world) == []
    second.nova.evacuate(next(iter(world.nova.servers)), target=None, deadline=WHENEVER)
    assert Kind.STALE_OWNER in kinds(world)


def test_humans_and_bmcs_are_no_owners(world: World) -> None:
    """What an operator does to a service between two orders of an engine makes nobody stale."""
    inject(world, "power_lost", host="c1")
    engine = Engine(world)
    engine.fence("c1")
    inject(world, "operator_forces_down", host="c1")
    SimNova(world, "openstacksdk/4.22.0").enable("c2", deadline=WHENEVER)
    SimNova(world, "openstacksdk/4.22.0").force_down("c1", reason="by hand", deadline=WHENEVER)
    engine.move("c1")
    assert kinds(world) == []


def test_readings_do_not_make_an_owner(world: World) -> None:
    """A former owner may look."""
    inject(world, "power_lost", host="c1")
    first, second = Engine(world, "engine-1"), Engine(world, "engine-2")
    first.fence("c1")
    second.fence("c1")
    first.fence("c1", order=False)
    second.move("c1")
    assert kinds(world) == []


def test_a_live_migration_is_not_two_guests(world: World) -> None:
    """A guest that changes hosts in one moment is one guest."""
    inject(world, "owner_live_migrates", instance=next(iter(world.nova.servers)))
    world.advance(100.0)
    assert world.record.of("guest", why="live migration")
    assert kinds(world) == []


def test_a_service_of_others_that_an_engine_enables_is_found(world: World) -> None:
    """What an operator disabled, or anybody forced down, is not an engine's to enable; what an engine disabled is."""
    world.nova.change_service("c1", "engine-1", disabled=True, reason="stopped")
    world.nova.change_service("c1", "engine-2", disabled=False)
    assert kinds(world) == []
    world.nova.change_service("c1", "operator", disabled=True, reason="maintenance")
    world.nova.change_service("c1", "engine-1", disabled=False)
    assert kinds(world) == [Kind.OTHERS_SERVICE]
    world.nova.change_service("c2", "engine-1", forced_down=True, disabled=True, reason="dead")
    world.nova.change_service("c2", "engine-1", disabled=False)
    assert kinds(world) == [Kind.OTHERS_SERVICE, Kind.OTHERS_SERVICE]


class TestLetBack:
    """Clearing forced_down too early, by somebody who is no operator."""

    def clear(self, world: World, caller: str = "return") -> list[str]:
        """Clear forced_down of c1, and return what is held against that."""
        world.nova.change_service("c1", caller, forced_down=False)
        return [each.sentence for each in check(world.record.facts) if each.kind is Kind.LET_BACK_EARLY]

    def failed(self, world: World) -> Engine:
        """Let c1 lose its power, and fence it."""
        inject(world, "power_lost", host="c1")
        engine = Engine(world)
        engine.fence("c1")
        return engine

    def test_a_host_that_came_back_is_let_back(self, world: World) -> None:
        """Moved, switched on, cleaned up: nothing is held against it; nor is anything against an operator, whenever."""
        self.failed(world).move("c1")
        world.advance(200.0)
        inject(world, "power_back", host="c1")
        world.advance(300.0)
        assert self.clear(world) == []

    def test_an_operator_may(self, world: World) -> None:
        """What a human does by hand is a human's."""
        self.failed(world).nova.force_down("c1", reason="dead", deadline=WHENEVER)
        assert self.clear(world, "operator") == []

    def test_before_its_compute_came_back(self, world: World) -> None:
        """A host that is off, or is booting, has not come back; nor has one whose nova-compute died long ago."""
        self.failed(world).nova.force_down("c1", reason="dead", deadline=WHENEVER)
        inject(world, "power_back", host="c1")
        (sentence,) = self.clear(world)
        assert sentence == "return let c1 back although its nova-compute had not come back"

    def test_one_that_dies_in_that_moment_is_nobodys_fault(self, world: World) -> None:
        """Its last heartbeat was heard; that it died since nobody can know."""
        self.failed(world).nova.force_down("c1", reason="dead", deadline=WHENEVER)
        inject(world, "power_back", host="c1")
        world.advance(200.0)
        inject(world, "power_lost", host="c1")
        world.advance(210.0)
        assert self.clear(world) == []
        world.nova.change_service("c1", "engine-1", forced_down=True)
        world.advance(300.0)
        assert len(self.clear(world)) == 1

    def test_in_the_middle_of_a_recovery(self, world: World) -> None:
        """What a recovery forced down stays down until its end; a recovery that has not yet done so is not undone by it."""
        world.note_recovery("c1", is_open=True)
        world.nova.change_service("c1", "engine-1", forced_down=True)
        (sentence,) = self.clear(world)
        assert sentence == "return let c1 back in the middle of its recovery"
        world.note_recovery("c1", is_open=False)
        world.nova.change_service("c1", "engine-1", forced_down=True)
        world.note_recovery("c1", is_open=True)
        assert self.clear(world) == [sentence]

    def test_before_its_evacuations_are_over(self, world: World) -> None:
        """An evacuation that is under way, or done and not cleaned up, stands against it."""
        inject(world, "compute_dies", host="c1")
        Engine(world).move("c1")
        inject(world, "compute_starts", host="c1")
        world.nova.set_status(world.nova.migrations[0], "pre-migrating")
        (sentence,) = self.clear(world)
        assert sentence == "return let c1 back although evacuations [1] were not cleaned up"

    def test_with_guests_of_before(self, world: World) -> None:
        """A guest that ran there before, and that Nova holds to be elsewhere, is found; one that belongs there is not."""
        inject(world, "compute_hangs", host="c1")
        Engine(world).move("c1")
        world.advance(100.0)
        (record,) = world.nova.migrations
        world.nova.set_status(record, "completed")
        inject(world, "compute_resumes", host="c1")
        world.advance(150.0)
        (sentence,) = self.clear(world)
        assert (
            sentence
            == f"return let c1 back while guests of ['{record.instance}'] ran there, as before it was forced down"
        )


def test_an_evacuation_dies_with_its_destination(world: World) -> None:
    """One whose destination had begun it and lost its power since cannot land any more: a second order is no crime."""
    inject(world, "power_lost", host="c1")
    engine = Engine(world)
    engine.fence("c1")
    engine.move("c1")
    world.advance(world.now + 2.0)
    (record,) = world.nova.migrations
    assert record.status == "pre-migrating"
    inject(world, "power_lost", host=str(record.destination))
    inject(world, "power_back", host=str(record.destination))
    world.advance(world.now + 1.0)
    engine.move("c1")
    world.advance(200.0)
    assert kinds(world) == []
