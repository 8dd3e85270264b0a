"""What becomes of the order to enable a reserved host is told as far as it is known."""

from __future__ import annotations

import pytest

from vmha.core.effects import EnableReserved
from vmha.core.events import ReservedEnabled, ReservedFailed
from vmha.engine.carrying_spares import about_spares
from vmha.ports import Deadline
from vmha.sim.faults import inject
from vmha.sim.ports import SimClock, SimNova
from vmha.sim.world import World

ORDER = EnableReserved("c2")


@pytest.fixture
def world() -> World:
    """c1, and c2, which Nova keeps disabled."""
    built = World(1)
    built.add_host("c1")
    built.add_host("c2")
    built.nova.change_service("c2", "operator", disabled=True)
    return built


def enable(world: World) -> object:
    """Carry the order out."""
    return about_spares(ORDER, Deadline(at=world.now + 12.0), SimNova(world, "e", SimClock(world)))


def test_it_is_enabled(world: World) -> None:
    """Nova says so."""
    assert enable(world) == ReservedEnabled(answers=ORDER.key, host="c2")
    assert not world.nova.services["c2"].disabled


def test_a_refusal_leaves_no_doubt(world: World) -> None:
    """Nova has no such service: nothing was changed."""
    world.nova.services.pop("c2")
    failed = enable(world)
    assert isinstance(failed, ReservedFailed)
    assert not failed.is_in_doubt


@pytest.mark.parametrize("fault", ["nova_reply_lost", "nova_order_lost"])
def test_no_answer_leaves_it_in_doubt(world: World, fault: str) -> None:
    """It may be enabled or not."""
    inject(world, fault, call="service")
    failed = enable(world)
    assert isinstance(failed, ReservedFailed)
    assert failed.is_in_doubt
