"""Whose room is read, and what is said where it cannot be."""

from __future__ import annotations

import pytest

from vmha.core.effects import ReadRoom
from vmha.core.events import RoomRead, RoomUnreadable
from vmha.engine.rooming import MOST_HOSTS, read_room
from vmha.ports import Deadline
from vmha.sim.faults import inject
from vmha.sim.ports import SimNova
from vmha.sim.world import World


@pytest.fixture
def world() -> World:
    """c1 with one instance, c2 and c3 in service, c4 a reserve, c5 a reserve that is dead."""
    built = World(1)
    for name in ("c1", "c2", "c3", "c4", "c5"):
        built.add_host(name, vcpus=8, disabled_reason="reserved" if name in ("c4", "c5") else None)
    built.add_server("c1", vcpus=3)
    built.hosts["c5"].power_off("test")
    built.advance(100.0)
    return built


def read(world: World, *enabled: str, reserves: tuple[str, ...] = ()) -> RoomRead | RoomUnreadable:
    """Ask for the room of c1 and these."""
    effect = ReadRoom(host="c1", enabled=enabled, reserves=reserves)
    return read_room(effect, SimNova(world, "e"), deadline=Deadline(at=world.now + 60.0))


def test_those_are_read_that_can_take_something(world: World) -> None:
    """A host that is up and enabled, and a reserve that is up; not one that is down, disabled by its operator, or unknown to Nova."""
    world.nova.change_service("c3", "operator", disabled=True, reason="mending")
    found = read(world, "c2", "c3", "c9", reserves=("c4", "c5"))
    assert isinstance(found, RoomRead)
    assert [host for host, _ in found.rooms] == ["c4", "c2"]
    assert found.room is not None
    assert [amounts["VCPU"] for amounts in found.room.held.values()] == [3]


def test_a_host_that_placement_does_not_know_has_no_room(world: World) -> None:
    """Neither the failed one nor another."""
    world.nova.by_host["c1"].clear()
    world.placement.release(next(iter(world.nova.servers)))
    for name in ("c1", "c2"):
        world.placement.forget_provider(name)
    found = read(world, "c2", "c3")
    assert isinstance(found, RoomRead)
    assert (found.room, [host for host, _ in found.rooms]) == (None, ["c3"])
    assert dict(found.places.zones)["c2"] == "nova"


def test_no_more_are_read_than_are_of_use(world: World) -> None:
    """A segment of hundreds costs a bounded number of calls."""
    found = read(world, *["c2"] * (MOST_HOSTS + 9))
    assert isinstance(found, RoomRead)
    assert len(found.rooms) == MOST_HOSTS


@pytest.mark.parametrize("fault", ["nova_away", "placement_away"])
def test_who_does_not_answer_is_said(world: World, fault: str) -> None:
    """The recovery goes on without the numbers."""
    inject(world, fault, seconds=60.0)
    found = read(world, "c2")
    assert isinstance(found, RoomUnreadable)
    assert "is away" in found.detail
