"""The simulated world: time, power, nova-compute, heartbeats and guests."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from vmha.sim.faults import FAULTS, inject
from vmha.sim.machines import Compute
from vmha.sim.record import read_lines, write_lines
from vmha.sim.world import Timing, World, small_cloud


@pytest.fixture
def world() -> World:
    """Three hosts, six instances."""
    return small_cloud(1, hosts=3, instances=6)


def heartbeat(world: World, host: str) -> str:
    """Return Nova's opaque text."""
    return world.nova.updated_at(world.nova.services[host])


def is_up(world: World, host: str) -> bool:
    """Return Nova's verdict."""
    return world.nova.is_up(world.nova.services[host])


def guests(world: World, host: str) -> int:
    """Count the guests that really run on a host."""
    return len(world.hosts[host].guests)


def test_actions_happen_in_the_order_of_their_times() -> None:
    """Actions are done when their time comes, those of one time in the order in which they came."""
    world, seen = World(), []
    world.at(5.0, lambda: seen.append("late"))
    world.at(1.0, lambda: seen.append("first"))
    world.at(1.0, lambda: world.after(0.0, lambda: seen.append("third")))
    world.at(1.0, lambda: seen.append("second"))
    assert world.next_at() == 1.0
    world.advance(4.0)
    assert (seen, world.now) == (["first", "second", "third"], 4.0)


def test_the_same_seed_makes_the_same_world() -> None:
    """Two worlds of one seed have one record, those of two seeds differ."""

    def run(seed: int) -> list[dict[str, object]]:
        world = small_cloud(seed)
        world.advance(20.0)
        inject(world, "power_lost", host="c1")
        inject(world, "operator_forces_down", host="c1")
        for server in list(world.nova.by_host["c1"]):
            world.nova.evacuate(server, target=None, caller="somebody")
        world.advance(60.0)
        return world.record.facts

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_a_power_cut_ends_every_guest_at_that_moment(world: World) -> None:
    """Guests stop with the power, and none starts by itself when it is back."""
    world.advance(10.0)
    world.hosts["c1"].power_off("test")
    assert guests(world, "c1") == 0
    world.hosts["c1"].power_on("test")
    world.advance(200.0)
    assert world.hosts["c1"].is_well
    assert guests(world, "c1") == 0
    assert [fact["on"] for fact in world.record.of("power", host="c1")] == [False, True]


def test_nova_compute_runs_only_after_the_boot(world: World) -> None:
    """A host that was switched on reports again after the time of a boot, unless its power went meanwhile."""
    host = world.hosts["c1"]
    host.power_off("test")
    host.power_on("test")
    world.advance(30.0)
    host.power_off("test")
    host.power_on("test")
    world.advance(80.0)
    assert host.compute is Compute.DEAD
    world.advance(91.0)
    assert host.compute is Compute.ALIVE


@pytest.mark.parametrize("fault", ["power_lost", "host_crashes", "compute_dies", "compute_hangs", "network_cut"])
def test_a_silent_host_is_down_after_a_while(world: World, fault: str) -> None:
    """Whatever silences a host, its heartbeat stands still at once, and Nova says down after service_down_time."""
    world.advance(25.0)
    inject(world, fault, host="c1")
    before = heartbeat(world, "c1")
    world.advance(70.0)
    assert heartbeat(world, "c1") == before
    assert is_up(world, "c1")
    world.advance(90.0)
    assert not is_up(world, "c1")
    assert is_up(world, "c2")


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [("compute_hangs", "compute_resumes"), ("network_cut", "network_back"), ("compute_dies", "compute_starts")],
)
def test_guests_outlive_their_nova_compute(world: World, fault: str, remedy: str) -> None:
    """A host that only lost its nova-compute or its network keeps its guests, and reports again when cured."""
    inject(world, fault, host="c1")
    world.advance(100.0)
    assert guests(world, "c1") == 2
    before = heartbeat(world, "c1")
    inject(world, remedy, host="c1")
    world.advance(115.0)
    assert heartbeat(world, "c1") != before
    assert guests(world, "c1") == 2


def test_heartbeats_come_at_the_interval(world: World) -> None:
    """A heartbeat changes once per interval, each host at its own moment."""
    seen = {heartbeat(world, "c1")}
    for second in range(100):
        world.advance(float(second))
        seen.add(heartbeat(world, "c1"))
    assert len(seen) == 11 - (world.hosts["c1"].heartbeat.last(99.0) < 90.0)
    assert world.hosts["c1"].heartbeat.last(99.0) != world.hosts["c2"].heartbeat.last(99.0)


def test_a_put_changes_updated_at_without_a_heartbeat(world: World) -> None:
    """As in real Nova, the text of a dead host changes when somebody writes to its service."""
    world.hosts["c1"].power_off("test")
    world.advance(100.0)
    before = heartbeat(world, "c1")
    inject(world, "operator_disables", host="c1")
    assert heartbeat(world, "c1") != before
    assert not is_up(world, "c1")


def test_all_heartbeats_stop_with_the_message_bus(world: World) -> None:
    """Without the bus every host looks silent though all are well, and afterwards all report again."""
    inject(world, "bus_away", seconds=100.0)
    world.advance(90.0)
    assert not any(is_up(world, host) for host in world.hosts)
    assert all(host.is_well for host in world.hosts.values())
    world.advance(101.0)
    assert all(is_up(world, host) for host in world.hosts)


def test_a_clock_step_makes_all_heartbeats_look_old(world: World) -> None:
    """When Nova's clock jumps, every service is down at once."""
    inject(world, "nova_clock_steps", seconds=3600.0)
    assert not any(is_up(world, host) for host in world.hosts)


def test_a_power_restore_policy_brings_the_host_back(world: World) -> None:
    """A host with a restore policy is on again so many seconds after each loss of power."""
    inject(world, "host_returns", host="c1", seconds=15.0)
    world.hosts["c1"].power_off("test")
    world.advance(14.0)
    assert not world.hosts["c1"].powered
    world.advance(16.0)
    assert world.hosts["c1"].powered


def test_a_returning_compute_can_resume_its_guests(world: World) -> None:
    """With resume_guests_state_on_host_boot the guests that were active start with nova-compute."""
    inject(world, "host_resumes_guests", host="c1")
    world.hosts["c1"].power_off("test")
    world.hosts["c1"].power_on("test")
    world.advance(100.0)
    assert guests(world, "c1") == 2


def test_every_fault_says_what_it_is_and_can_be_done(world: World) -> None:
    """Each fault of the catalogue works with the arguments that it names, and stands in the record."""
    instances = (world.add_server("c3").uuid for _ in FAULTS)
    world.nova.aggregates.add("rack1")
    for name, fault in FAULTS.items():
        values = {"host": "c2", "other": "c3", "seconds": 1.0, "aggregate": "rack1"}
        arguments = {key: next(instances) if key == "instance" else values[key] for key in fault.needs}
        inject(world, name, **arguments)
        assert world.record.of("fault", fault=name)
        assert fault.words


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("bmc_sleepy", {"host": "c1"}, "no fault is named bmc_sleepy; known are: .*bmc_silent"),
        ("bmc_silent", {}, "bmc_silent needs"),
        ("bmc_silent", {"host": "c1", "color": "red"}, "bmc_silent needs"),
        ("bmc_silent", {"host": "c9"}, "no host is named c9; known are: c1, c2, c3"),
        ("owner_stops", {"instance": "x"}, "there is no instance x"),
        ("operator_adds_to_aggregate", {"host": "c1", "aggregate": "x"}, "no aggregate is named x"),
    ],
)
def test_a_wrong_fault_is_refused(world: World, name: str, arguments: dict[str, str], words: str) -> None:
    """An unknown fault, argument, host or instance is refused in words, and nothing happens."""
    before = len(world.record.facts)
    with pytest.raises(ValueError, match=words):
        inject(world, name, **arguments)
    assert len(world.record.facts) == before


def test_the_record_is_json_lines(world: World, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A record that was written reads back the same, without a last line that is not complete."""
    path = tmp_path / "record.jsonl"
    write_lines(world.record.facts, path)
    with path.open("a") as file:
        file.write('{"at": 3')
    assert read_lines(path) == world.record.facts


def test_listeners_hear_each_new_fact(world: World) -> None:
    """Whoever listens to the record hears a fact when it happens."""
    heard: list[str] = []
    world.record.listeners.append(lambda fact: heard.append(fact["what"]))
    world.note_word("c1", by="alice", why="I pulled the plug")
    assert heard == ["word"]


def test_times_are_those_of_the_cloud() -> None:
    """Intervals can be set, as real clouds do."""
    world = World(timing=Timing(report_seconds=3.0, service_down_seconds=15.0))
    world.add_host("c1")
    world.hosts["c1"].power_off("test")
    world.advance(16.0)
    assert not is_up(world, "c1")


def test_uuids_are_those_of_the_standard_library() -> None:
    """A uuid is drawn as `uuid.UUID` makes one of the same bits: random, of version 4."""
    world, chance = World(7), random.Random(7)
    assert [world.new_uuid() for _ in range(50)] == [
        str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(50)
    ]
