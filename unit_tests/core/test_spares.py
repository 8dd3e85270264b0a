"""Which reserved hosts a recovery takes, and which go back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, draft, move, moving, proof
from vmha.core.aggregates import Places
from vmha.core.capacity import Room
from vmha.core.draft import Decision
from vmha.core.effects import EnableReserved, Evacuate, ReturnReserved
from vmha.core.events import (
    OrderNotSent,
    ReservedEnabled,
    ReservedKept,
    ReservedReturned,
    RoomRead,
    TakenOver,
    Ticked,
)
from vmha.core.explain import Code
from vmha.core.invariants import Broken, check
from vmha.core.model import Move, MoveStatus, Outcome, RecoveryMethod, Reserved, ReservedStatus, Rung
from vmha.core.spares import MOST_RETURNS, claim_first, pick

LASTING = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
READY = ReservedStatus.READY


def room(size: int, **held: int) -> Room:
    """A host with so many vcpus."""
    return Room(size={"VCPU": size}, largest={"VCPU": size}, held={name: {"VCPU": n} for name, n in held.items()})


def rooms(**sizes: int) -> dict[str, Room]:
    """Empty hosts by their vcpus."""
    return {name: room(size) for name, size in sizes.items()}


FOUR = {name: {"VCPU": 1} for name in ("i1", "i2", "i3", "i4")}


@pytest.mark.parametrize(
    ("ready", "free", "near", "taken", "homeless"),
    [
        ({}, {"c4": 16, "c5": 4, "c6": 5}, "", ["c5"], 0),
        ({}, {"c4": 3, "c5": 2, "c6": 1}, "", ["c4", "c6"], 0),
        ({}, {"c4": 1, "c5": 1}, "", ["c4", "c5"], 2),
        ({}, {"c4": 0}, "", [], 4),
        ({"c3": 4}, {"c4": 16}, "", [], 0),
        ({"c3": 3}, {"c4": 16, "c5": 1}, "", ["c5"], 0),
        ({}, {"c4": 4, "c5": 16}, "c5", ["c5"], 0),
        ({}, {"c4": 4, "c5": 3}, "c5", ["c5", "c4"], 0),
        ({}, {}, "", [], 4),
    ],
)
def test_the_hosts_that_are_taken(
    ready: dict[str, int], free: dict[str, int], near: str, taken: list[str], homeless: int
) -> None:
    """The smallest that holds all; else the one that holds most and another for the rest; those of the zone first; none in vain."""
    places = Places(zones=(("c1", "az1"), (near, "az1")) if near else ())
    found, without = pick(FOUR, rooms(**ready), {}, rooms(**free), places, "c1")
    assert (found, len(without)) == (taken, homeless)


def test_one_thing_that_is_missing_is_enough() -> None:
    """A host with many vcpus and no memory holds nothing that needs memory."""
    needs = {"i1": {"VCPU": 1, "MEMORY_MB": 512}}
    fits = Room(size={"VCPU": 1, "MEMORY_MB": 512}, largest={"VCPU": 1, "MEMORY_MB": 512}, held={})
    assert pick(needs, {}, {}, {"c4": room(64), "c5": fits}, Places(), "c1") == (["c5"], frozenset())


def test_what_was_tried_in_vain_is_no_room() -> None:
    """A ready host that refused an instance is not its place, whatever is free there by our count."""
    tried = {"i1": ("", "c3"), "i2": ("",)}
    found, without = pick(FOUR, rooms(c3=16), tried, rooms(c4=1), Places(), "c1")
    assert (found, without) == (["c4"], frozenset())
    assert pick(FOUR, rooms(c3=16), tried, {}, Places(), "c1") == ([], frozenset({"i1"}))


def hand(*moves: Move, **changes: Any) -> Hand:
    """A recovery by reserved hosts on a word that lasts; c4 and c5 are free."""
    state = moving(*moves, **({"method": RecoveryMethod.RESERVED_HOST, "proof": LASTING} | changes))
    return Hand(state=state, around=replace(AROUND, reserved_hosts=("c4", "c5")))


def test_several_are_claimed_at_once_and_each_instance_goes_where_it_fits() -> None:
    """One decision claims what all need together; an instance too large for any is not ordered in vain."""
    now = hand(move("i1"), move("i2"), move("i3"))
    now.policy = replace(POLICY, orders_at_once=8)
    now.hear(Ticked())
    mine = room(64, i1=2, i2=2, i3=9)
    decision = now.hear(RoomRead(answers="room", room=mine, rooms=(("c4", room(2)), ("c5", room(3)))))
    assert [each for each in decision.effects if isinstance(each, EnableReserved)] == [
        EnableReserved("c4"),
        EnableReserved("c5"),
    ]
    assert now.move("i3").status is MoveStatus.PENDING
    sent = []
    for host in ("c4", "c5"):
        decision = now.hear(ReservedEnabled(answers=f"enable-reserved:{host}", host=host))
        sent += [(each.instance, each.target) for each in decision.effects if isinstance(each, Evacuate)]
    assert sorted(target or "" for _, target in sent) == ["c4", "c5"]
    assert {name for name, _ in sent} == {"i1", "i2"}


def test_what_nova_chose_to_put_on_a_ready_one_fills_it() -> None:
    """Neither it nor a free one that is too small is asked about again and again, and Nova is not asked twice in one round: it waits."""
    theirs = move("i1", status=MoveStatus.LANDED, target=None, destination="c4")
    mine = move("i2", tried=("", "c4"))
    full = Reserved("c4", READY, room=(("VCPU", 4),))
    now = hand(theirs, mine, method=RecoveryMethod.AUTO_PRIORITY, reserved=(full,))
    assert "room" in now.hear(Ticked()).state.outstanding
    decision = now.hear(RoomRead(answers="room", room=room(64, i1=4, i2=2), rooms=(("c5", room(1)),)))
    assert now.move("i1").needs == (("VCPU", 4),)
    assert not any(isinstance(each, Evacuate) for each in decision.effects)
    assert (now.move("i2").tried, now.move("i2").retry_at) == ((), NOW + POLICY.move_retry_seconds)
    assert now.move("i2").no_room_since == NOW
    decision = now.hear(Ticked(), after=POLICY.move_retry_seconds)
    assert [each.target for each in decision.effects if isinstance(each, Evacuate)] == [None]


def test_a_dead_one_is_passed_over() -> None:
    """It has no room in Placement's answer, and is named; nothing waits for it."""
    now = hand(move())
    now.hear(Ticked())
    decision = now.hear(RoomRead(answers="room", room=room(64, i1=1), rooms=(("c5", room(3)),)))
    assert [each for each in decision.effects if isinstance(each, EnableReserved)] == [EnableReserved("c5")]
    assert Code.RESERVED_PASSED in now.said


def settled(*spares: Reserved, **changes: Any) -> Hand:
    """A recovery whose one instance runs on c4, verified, but for what is to become of its reserved hosts."""
    done = move(status=MoveStatus.MOVED, target="c4", destination="c4", **changes)
    return hand(done, reserved=spares, verified=True)


BOTH = (Reserved("c4", READY), Reserved("c5", READY))


def test_an_unused_one_goes_back_before_the_end() -> None:
    """The end waits for the answer; the host is claimed no more, and shown as given back."""
    now = settled(*BOTH)
    decision = now.hear(Ticked())
    assert [each for each in decision.effects if isinstance(each, ReturnReserved)] == [ReturnReserved("c5", 1)]
    assert now.state.outcome is None
    now.hear(ReservedReturned(answers="return-reserved:c5:1", host="c5"))
    assert now.state.outcome is Outcome.RECOVERED
    assert (now.state.reserved, now.state.given_back) == ((Reserved("c4", READY),), ("c5",))


def test_one_that_something_came_to_stays() -> None:
    """It is said why, and the recovery ends all the same."""
    now = settled(*BOTH)
    now.hear(Ticked())
    now.hear(ReservedKept(answers="return-reserved:c5:1", host="c5", detail="1 instances are on it"))
    assert now.state.outcome is Outcome.RECOVERED
    assert now.state.given_back == ()
    assert Code.SPARE_KEPT in now.said


def test_orders_that_do_not_leave_are_bounded() -> None:
    """The end does not wait for ever for a door that stays shut."""
    now = settled(*BOTH)
    now.hear(Ticked())
    for number in range(1, MOST_RETURNS + 1):
        assert now.state.outcome is None
        now.hear(OrderNotSent(answers=f"return-reserved:c5:{number}", instance=None, detail="late"), after=1.0)
    assert now.state.outcome is Outcome.RECOVERED
    assert now.state.given_back == ()


def test_a_successor_asks_again() -> None:
    """The answer to its predecessor will not come, and the order may be given twice."""
    now = settled(*BOTH)
    now.hear(Ticked())
    now.hear(TakenOver(engine="engine-2", before="engine-1"))
    assert now.state.outcome is None
    assert "c5" in {entry.host for entry in now.state.reserved}


@pytest.mark.parametrize(
    "changes", [{"destination": "c5"}, {"pinned": "c5"}, {"suspects": ("c5",)}, {"target": "c5", "destination": None}]
)
def test_where_a_guest_may_be_nothing_goes_back(changes: dict[str, Any]) -> None:
    """A failed evacuation may have left one there (P2)."""
    status = MoveStatus.MOVED if "target" in changes else MoveStatus.FAILED
    now = hand(move(status=status, **changes), reserved=(Reserved("c5", READY),), verified=True)
    decision = now.hear(Ticked())
    assert not any(isinstance(each, ReturnReserved) for each in decision.effects)
    assert now.state.outcome is not None


@pytest.mark.parametrize(
    "state",
    [
        moving(move(status=MoveStatus.MOVED), reserved=()),
        moving(move(status=MoveStatus.FAILED, pinned="c5"), reserved=(Reserved("c5", READY),)),
        moving(move(), reserved=(Reserved("c5", READY),)),
    ],
)
def test_the_promise_is_checked(state: Any) -> None:
    """To give back what was not taken, or where a guest is or may be, breaks P6."""
    decision = Decision(state=state, effects=(ReturnReserved("c5", 1),), reasons=())
    with pytest.raises(Broken, match="P6: return-reserved:c5:1"):
        check(state, decision, NOW, POLICY, AROUND)


def test_the_first_reserved_host_is_claimed_where_nobody_can_say_which_is_best() -> None:
    """And only where an instance wants one."""
    around = replace(AROUND, reserved_hosts=("c4", "c5"))
    before = draft(moving(move(), method=RecoveryMethod.RESERVED_HOST), around=around)
    claim_first(before, Places())
    assert before.effects == [EnableReserved("c4")]
    assert before.state.reserved == (Reserved("c4", ReservedStatus.ENABLING),)
    idle = draft(moving(move(status=MoveStatus.MOVED), method=RecoveryMethod.RESERVED_HOST), around=around)
    claim_first(idle, Places())
    assert idle.effects == []


def test_nothing_is_claimed_where_no_order_may_be_given() -> None:
    """The proof died while Placement was asked: what it said is forgotten, and asked again with the next proof."""
    now = hand(move())
    now.hear(Ticked())
    now.state = replace(now.state, proof=replace(LASTING, valid_until=now.now))
    decision = now.hear(RoomRead(answers="room", room=room(64, i1=1), rooms=(("c4", room(3)),)))
    assert now.state.proof is None
    assert not any(isinstance(each, EnableReserved) for each in decision.effects)
    assert now.state.reserved == ()
