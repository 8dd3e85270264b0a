"""A reserved host is added to aggregates before it is enabled, and taken out of them once it is disabled."""

from __future__ import annotations

from typing import Any

import pytest

from vmha.core.aggregates import Joined, Membership
from vmha.core.effects import EnableReserved, ReturnReserved
from vmha.core.events import ReservedEnabled, ReservedFailed, ReservedReturned
from vmha.engine.carrying_spares import about_spares
from vmha.engine.rooming import aggregates_of
from vmha.errors import NovaUnavailable, OrderExpired
from vmha.ports import Deadline
from vmha.sim.faults import inject
from vmha.sim.ports import SimClock, SimNova
from vmha.sim.world import World


@pytest.fixture
def world() -> World:
    """c1 in rack and gold, and c2, a reserve, in gold; an instance runs on c1."""
    built = World(1)
    built.add_host("c1")
    built.add_host("c2", disabled_reason="reserved")
    built.add_server("c1", name="vm1")
    built.nova.aggregates.add("rack", "c1")
    built.nova.aggregates.add("gold", "c1", "c2")
    built.nova.aggregates.add("az1", "c1", zone="az1")
    return built


RACK, GOLD, GONE = Membership(1, "rack"), Membership(2, "gold"), Membership(9, "gone")


def carry(world: World, effect: EnableReserved | ReturnReserved, nova: SimNova | None = None) -> Any:
    """Carry an order out."""
    return about_spares(effect, Deadline(at=world.now + 12.0), nova or SimNova(world, "e", SimClock(world)))


def members(world: World, name: str) -> set[str]:
    """Return the hosts of an aggregate."""
    [found] = [each for each in world.nova.aggregates.listed() if each.name == name]
    return set(found.hosts)


def came(event: ReservedEnabled | ReservedFailed) -> list[Joined]:
    """Return what came of each."""
    return [each.came for each in event.joinings]


def test_it_joins_before_it_is_enabled(world: World) -> None:
    """One in which it is already, and one that is no more, stop nothing."""
    event = carry(world, EnableReserved("c2", (RACK, GOLD, GONE)))
    assert isinstance(event, ReservedEnabled)
    assert came(event) == [Joined.ADDED, Joined.THERE, Joined.REFUSED]
    assert "could not be found" in event.joinings[2].detail
    deeds = [fact["what"] for fact in world.record.facts if fact["what"] in ("aggregate", "service")]
    assert deeds == ["aggregate", "service"]


def test_a_409_for_another_reason_is_a_refusal(world: World) -> None:
    """Nova lets no host be in two zones."""
    world.nova.aggregates.add("az2", "c2", zone="az2")
    event = carry(world, EnableReserved("c2", (Membership(3, "az1"),)))
    assert came(event) == [Joined.REFUSED]
    assert isinstance(event, ReservedEnabled)


def test_no_answer_is_told_as_such(world: World) -> None:
    """It may be in it or not, and is enabled all the same."""
    inject(world, "nova_reply_lost", call="aggregate")
    event = carry(world, EnableReserved("c2", (RACK,)))
    assert isinstance(event, ReservedEnabled)
    assert came(event) == [Joined.UNKNOWN]
    assert members(world, "rack") == {"c1", "c2"}


class Slow(SimNova):
    """Each joining takes longer than an order may."""

    def join(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Join, and let time pass."""
        super().join(aggregate, host, deadline=deadline)
        self._world.advance(self._world.now + 60.0)


def test_an_order_that_is_cut_off_after_it_joined_is_in_doubt(world: World) -> None:
    """It is not told as one that never left: what it joined has to be left again."""
    event = carry(world, EnableReserved("c2", (RACK, GONE)), Slow(world, "e", SimClock(world)))
    assert isinstance(event, ReservedFailed)
    assert event.is_in_doubt
    assert came(event) == [Joined.ADDED, Joined.REFUSED]
    assert world.nova.services["c2"].disabled


def test_an_order_that_never_left_joined_nothing(world: World) -> None:
    """It counts as not given."""
    nova = SimNova(world, "e", SimClock(world))
    with pytest.raises(OrderExpired):
        about_spares(EnableReserved("c2", (RACK,)), Deadline(at=world.now - 1.0), nova)
    assert members(world, "rack") == {"c1"}


def test_what_it_joined_it_leaves_and_nothing_else(world: World) -> None:
    """An aggregate that is gone is left already; it may be done twice."""
    carry(world, EnableReserved("c2", (RACK,)))
    for _ in range(2):
        back = carry(world, ReturnReserved("c2", 1, (RACK, GONE)))
        assert back == ReservedReturned(answers="return-reserved:c2:1", host="c2")
    assert (members(world, "rack"), members(world, "gold")) == ({"c1"}, {"c1", "c2"})


def test_what_it_cannot_leave_is_told(world: World) -> None:
    """Nova gave no answer; the host is a reserve all the same."""
    carry(world, EnableReserved("c2", (RACK,)))
    inject(world, "nova_order_lost", call="aggregate")
    back = carry(world, ReturnReserved("c2", 1, (RACK,)))
    assert isinstance(back, ReservedReturned)
    assert [each for each, _ in back.stuck] == [RACK]


def test_the_aggregates_of_the_failed_host_are_read(world: World) -> None:
    """With those of their hosts that count; not at all where no reserved host is weighed."""
    nova, deadline = SimNova(world, "e", SimClock(world)), Deadline(at=world.now + 12.0)
    world.nova.aggregates.add("elsewhere", "c2")
    found = aggregates_of("c1", ("c2",), nova, deadline=deadline)
    assert [(each.name, each.hosts) for each in found.aggregates] == [
        ("rack", {"c1"}),
        ("gold", {"c1", "c2"}),
        ("az1", {"c1"}),
    ]
    assert aggregates_of("c1", (), nova, deadline=deadline).aggregates == ()


def test_aggregates_that_cannot_be_read_are_a_trouble_and_no_more(world: World) -> None:
    """The reserved hosts are weighed without them."""

    class Forbidden(SimNova):
        def aggregates(self, *, deadline: Deadline) -> Any:
            raise NovaUnavailable("no")

    found = aggregates_of("c1", ("c2",), Forbidden(world, "e"), deadline=Deadline(at=world.now + 12.0))
    assert (found.aggregates, found.trouble) == ((), "no")
