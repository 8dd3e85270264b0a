"""A reserved host is given back by a look, an order and another look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vmha.core.effects import ReturnReserved
from vmha.core.events import ReservedKept, ReservedReturned
from vmha.core.flags import ServiceFlags
from vmha.core.reserve import RESERVE_REASON
from vmha.engine.unreserving import give_back
from vmha.errors import NovaUnavailable, OrderExpired
from vmha.ports import Deadline
from vmha.sim.faults import inject
from vmha.sim.ports import SimClock, SimNova
from vmha.sim.world import World

ORDER = ReturnReserved("c2", 1)


@pytest.fixture
def world() -> World:
    """c1 with an instance, and c2, a reserve that was enabled."""
    built = World(1)
    built.add_host("c1")
    built.add_host("c2")
    built.add_server("c1", name="vm1")
    return built


class Meddling(SimNova):
    """Something happens just after the flags were set for the first time."""

    def __init__(self, world: World, happens: Callable[[], None]) -> None:
        super().__init__(world, "e", SimClock(world))
        self._happens: list[Callable[[], None]] = [happens]

    def set_flags(self, host: str, flags: ServiceFlags, **more: Any) -> None:
        """Set them, and let it happen."""
        super().set_flags(host, flags, **more)
        if self._happens:
            self._happens.pop()()


def back(
    world: World, nova: SimNova | None = None, *, seconds: float = 12.0, order: ReturnReserved = ORDER
) -> ReservedReturned | ReservedKept:
    """Give c2 back."""
    return give_back(order, nova or SimNova(world, "e", SimClock(world)), deadline=Deadline(at=world.now + seconds))


def test_an_empty_one_is_disabled(world: World) -> None:
    """With the reason of a reserve; to do it again changes nothing."""
    for _ in range(2):
        assert back(world) == ReservedReturned(answers=ORDER.key, host="c2")
    service = world.nova.services["c2"]
    assert (service.disabled, service.disabled_reason) == (True, RESERVE_REASON)


def test_one_that_somebody_disabled_keeps_that_reason(world: World) -> None:
    """It was theirs to say."""
    world.nova.change_service("c2", "operator", disabled=True, reason="mending")
    assert isinstance(back(world), ReservedReturned)
    assert world.nova.services["c2"].disabled_reason == "mending"


def test_one_with_something_on_it_is_left_alone(world: World) -> None:
    """An instance, or only room that is held: something is on its way."""
    world.placement.allocate("somebody", "c2", 1)
    found = back(world)
    assert isinstance(found, ReservedKept)
    assert "1 instances are on it, or on their way (somebody)" in found.detail
    assert not world.nova.services["c2"].disabled


def test_what_came_between_the_looks_has_it_enabled_again(world: World) -> None:
    """The scheduler chose it just before it was disabled."""
    found = back(world, Meddling(world, lambda: world.placement.allocate("late", "c2", 1)))
    assert isinstance(found, ReservedKept)
    assert not world.nova.services["c2"].disabled


def test_what_came_after_an_answer_that_was_lost_has_it_enabled_again(world: World) -> None:
    """The first order disabled it, nobody heard so, and something came to it: in service means enabled. What others disabled stays."""
    for reason, is_enabled in ((RESERVE_REASON, True), ("mending", False)):
        world.nova.change_service("c2", "somebody", disabled=True, reason=reason)
        world.placement.allocate("late", "c2", 1)
        assert isinstance(back(world, order=ReturnReserved("c2", 2)), ReservedKept)
        assert world.nova.services["c2"].disabled is not is_enabled


def test_what_came_between_the_looks_after_such_an_answer_has_it_enabled_again(world: World) -> None:
    """The order found it disabled by the one before, and empty at first."""
    world.nova.change_service("c2", "engine-1", disabled=True, reason=RESERVE_REASON)
    nova = Meddling(world, lambda: world.placement.allocate("late", "c2", 1))
    assert isinstance(back(world, nova, order=ReturnReserved("c2", 2)), ReservedKept)
    assert not world.nova.services["c2"].disabled


def test_what_somebody_changed_meanwhile_is_theirs(world: World) -> None:
    """A Nova that refuses is no success."""
    world.placement.forget_provider("c2")
    found = back(world)
    assert isinstance(found, ReservedKept)
    assert "no resource provider" in found.detail


def test_one_that_nova_does_not_know_stays(world: World) -> None:
    """There is nothing to disable."""
    world.nova.services.pop("c2")
    assert back(world) == ReservedKept(answers=ORDER.key, host="c2", detail="Nova has no compute service on it")


def test_an_order_that_cannot_leave_changes_nothing(world: World) -> None:
    """It counts as not given."""
    with pytest.raises((OrderExpired, NovaUnavailable)):
        back(world, seconds=-1.0)
    assert not world.nova.services["c2"].disabled


def test_without_time_for_the_second_look_it_is_in_doubt(world: World) -> None:
    """It stays disabled, which harms nobody, and is not called a reserve."""
    nova = Meddling(world, lambda: world.advance(world.now + 60.0))
    with pytest.raises(NovaUnavailable):
        back(world, nova)
    assert world.nova.services["c2"].disabled


def test_nova_that_is_away_is_told_by_the_caller(world: World) -> None:
    """The recovery keeps the host in service."""
    inject(world, "nova_away", seconds=60.0)
    with pytest.raises(NovaUnavailable):
        back(world)
