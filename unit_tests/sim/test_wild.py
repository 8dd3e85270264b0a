"""Whatever befalls the simulated world, it agrees with itself and with its record."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from vmha.sim.checker import check
from vmha.sim.faults import FAULTS, inject
from vmha.sim.gate import NoAnswer, Refused
from vmha.sim.power import BmcTrouble
from vmha.sim.rows import TERMINAL
from vmha.sim.world import World, small_cloud


def befall(world: World, chance: random.Random) -> None:
    """Do something at random: mostly a fault, sometimes an order of a careless engine."""
    name = chance.choice(sorted(FAULTS))
    hosts = chance.sample(sorted(world.hosts), 2)
    values = {"host": hosts[0], "other": hosts[1], "instance": chance.choice(sorted(world.nova.servers))}
    values["aggregate"] = "rack1"
    inject(world, name, **{key: values[key] for key in FAULTS[name].needs})
    with suppress(NoAnswer, Refused, BmcTrouble):
        match chance.randrange(6):
            case 0:
                world.nova.evacuate(values["instance"], target=None, caller="careless")
            case 1:
                world.nova.set_service(hosts[0], caller="careless", forced_down=chance.random() < 0.7)
            case 2:
                world.bmcs[hosts[0]].off("careless")
            case 3:
                world.bmcs[hosts[0]].read("careless")
            case _:
                pass


def truth_on_record(world: World) -> dict[str, set[str]]:
    """Follow the record: which guests run where at its end."""
    running: dict[str, set[str]] = {name: set() for name in world.hosts}
    for fact in world.record.of("guest"):
        guests = running[fact["host"]]
        assert (fact["instance"] in guests) is not fact["runs"], "a guest starts or stops twice"
        (guests.add if fact["runs"] else guests.discard)(fact["instance"])
    return running


@pytest.mark.parametrize("seed", range(40))
def test_the_world_agrees_with_itself(seed: int) -> None:
    """No guest runs without power, every list and index says the same, and the record tells where guests run."""
    chance = random.Random(seed)
    world = small_cloud(seed, hosts=4, instances=12)
    world.nova.aggregates.add("rack1")
    for _ in range(30):
        world.advance(world.now + chance.uniform(0.0, 15.0))
        befall(world, chance)
        for host in world.hosts.values():
            assert host.runs or not host.guests
            assert host.is_well == (host.well_since is not None)
            assert host.heartbeat.last(world.now) <= world.now
    world.advance(world.now + 600.0)
    assert truth_on_record(world) == {name: set(host.guests) for name, host in world.hosts.items()}
    listed = {uuid: name for name, servers in world.nova.by_host.items() for uuid in servers}
    assert listed == {uuid: server.host for uuid, server in world.nova.servers.items()}
    for record in world.nova.migrations:
        assert record in world.nova.migrations_of[record.source]
        assert record.destination is None or record in world.nova.migrations_of[record.destination]
        assert record.kind in ("evacuation", "live-migration", "migration")
        assert record.status in TERMINAL | {"accepted", "pre-migrating", "running", "migrating"}
    check(world.record.facts)


@pytest.mark.parametrize("seed", range(5))
def test_a_wild_world_is_the_same_for_the_same_seed(seed: int) -> None:
    """Faults, latencies and uuids included, a run can be played again."""

    def play() -> list[dict[str, object]]:
        chance = random.Random(seed)
        world = small_cloud(seed)
        world.nova.aggregates.add("rack1")
        for _ in range(20):
            world.advance(world.now + chance.uniform(0.0, 15.0))
            befall(world, chance)
        return world.record.facts

    assert play() == play()
