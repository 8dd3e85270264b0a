"""Whether the instances of one host find room on others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from vmha.core.capacity import Amounts, Fits, NoRoom, Room, Unclear, first_fit, fit_in_order, place


def room(size: int, **held: int) -> Room:
    """A host with so many vcpus."""
    amounts = {"VCPU": size}
    return Room(size=amounts, largest=amounts, held={name: {"VCPU": amount} for name, amount in held.items()})


def load(**amounts: int) -> dict[str, Amounts]:
    """Consumers by their vcpus."""
    return {name: {"VCPU": amount} for name, amount in amounts.items()}


def test_room_goes_to_those_before_first() -> None:
    """In the order of a plan the last one may find none, where the large one before the others would leave it some."""
    rooms = {"c2": room(4), "c3": room(2)}
    wanted = load(a=2, b=2, c=2)
    assert fit_in_order({**wanted, "big": {"VCPU": 4}}, rooms) == {"a": "c2", "b": "c2", "c": "c3", "big": None}
    assert first_fit({**wanted, "big": {"VCPU": 4}}, rooms) == {"big": "c2", "a": "c3", "b": None, "c": None}


def test_what_is_held_is_not_free() -> None:
    """Free is what nobody holds, and never less than nothing; fullness is the scarcest resource's."""
    both = Room(
        size={"VCPU": 8, "MEMORY_MB": 100}, largest={}, held={"a": {"VCPU": 2, "MEMORY_MB": 90}, "b": {"VCPU": 1}}
    )
    assert both.free == {"VCPU": 5, "MEMORY_MB": 10}
    assert both.fullness == 0.9
    assert room(2, a=5).free == {"VCPU": 0}
    assert room(2).fullness == 0.0


def test_big_ones_are_placed_first() -> None:
    """A big instance that comes last by name still finds its host."""
    assert place(load(a=1, b=1, z=3), {"c1": room(2), "c2": room(3)}) == Fits({"z": "c2", "a": "c1", "b": "c1"})


def test_too_little_in_sum_is_certain() -> None:
    """Where all hosts together lack a resource, that is the answer, with the numbers."""
    assert place(load(a=3, b=3), {"c1": room(4), "c2": room(8, x=7)}) == NoRoom(resource="VCPU", needed=6, free=5)


def test_one_that_fits_nowhere_is_named() -> None:
    """Where the sum would do and one instance is larger than what any host has free, it is named."""
    found = place(load(a=3), {"c1": room(2), "c2": room(2)})
    assert found == NoRoom(resource="VCPU", needed=3, free=2, consumer="a")


def test_overcommitment_makes_no_larger_instances() -> None:
    """A host that gives away more than it has still gives nobody more than `largest`."""
    small = Room(size={"VCPU": 64}, largest={"VCPU": 4}, held={})
    found = place(load(a=8), {"c1": small})
    assert found == NoRoom(resource="VCPU", needed=8, free=4, consumer="a")


def test_a_resource_that_no_host_has_is_missing() -> None:
    """A consumer of what only its own host has fits nowhere."""
    found = place({"a": {"VGPU": 1}}, {"c1": room(9)})
    assert found == NoRoom(resource="VGPU", needed=1, free=0)


def test_no_host_at_all() -> None:
    """Nothing fits on no host; nothing at all does."""
    assert isinstance(place(load(a=1), {}), NoRoom)
    assert place({}, {}) == Fits({})


def test_what_was_not_found_may_exist() -> None:
    """Where big-first fails though another order would do (5+3+2, 4+3+3), nothing is claimed."""
    assert place(load(a=5, b=4, c=3, d=3, e=3, f=2), {"c1": room(10), "c2": room(10)}) == Unclear("f")


AMOUNT = st.fixed_dictionaries({"VCPU": st.integers(0, 4), "MEMORY_MB": st.integers(0, 4)})
ROOM = st.fixed_dictionaries({"VCPU": st.integers(0, 8), "MEMORY_MB": st.integers(0, 8)})


@given(
    st.dictionaries(st.sampled_from("abcd"), AMOUNT),
    st.dictionaries(st.sampled_from(("c1", "c2", "c3")), ROOM, max_size=3),
)
def test_an_answer_is_true(wanted: dict[str, Amounts], sizes: dict[str, Amounts]) -> None:
    """Where it says Fits that is a way, and where it says NoRoom there is none, by trying every way."""
    rooms = {host: Room(size=size, largest=size, held={}) for host, size in sizes.items()}
    match place(wanted, rooms):
        case Fits(where):
            assert set(where) == set(wanted)
            assert works(wanted, rooms, where)
        case NoRoom():
            ways = (dict(zip(wanted, hosts, strict=True)) for hosts in product(rooms, repeat=len(wanted)))
            assert not any(works(wanted, rooms, where) for where in ways)
        case Unclear(consumer):
            assert consumer in wanted


def works(wanted: dict[str, Amounts], rooms: dict[str, Room], where: Mapping[str, str]) -> bool:
    """Tell whether no host gives more than it has."""
    return all(
        sum(wanted[name][resource] for name, chosen in where.items() if chosen == host) <= free
        for host, room_ in rooms.items()
        for resource, free in room_.free.items()
    )
