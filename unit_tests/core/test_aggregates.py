"""Which reserved hosts are near a failed one, which aggregates they join, and what of it is ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, draft, move, moving, proof
from unit_tests.core.test_spares import FOUR, rooms
from vmha.core.aggregates import Aggregate, Joined, Joining, Membership, Places, nearness
from vmha.core.effects import EnableReserved, ReturnReserved
from vmha.core.events import ReservedEnabled, ReservedFailed, ReservedReturned, RoomRead, RoomUnreadable, Ticked
from vmha.core.explain import Code
from vmha.core.model import MoveStatus, Outcome, RecoveryMethod, Reserved, ReservedStatus, Rung
from vmha.core.spares import claim_first, pick

LASTING = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
JOINS = replace(POLICY, add_reserved_host_to_aggregate=True)
RACK, GOLD, AZ2 = Membership(1, "rack"), Membership(2, "gold"), Membership(3, "az2")
KEY = "enable-reserved:c5"


def aggregate(to: Membership, *hosts: str, zone: str | None = None) -> Aggregate:
    """An aggregate with these hosts."""
    return Aggregate(id=to.id, name=to.name, zone=zone, hosts=frozenset(hosts))


PLACES = Places(
    zones=(("c1", "az1"), ("c4", "az1"), ("c5", "az1"), ("c6", "az2")),
    aggregates=(
        aggregate(RACK, "c1", "c5", "c6"),
        aggregate(GOLD, "c1", "c6"),
        aggregate(AZ2, "c1", "c4", zone="az2"),
    ),
)


def test_the_zone_counts_first_and_then_how_many_aggregates_are_shared() -> None:
    """An aggregate that makes a zone is told by the zone, and counts for no more."""
    assert sorted(("c4", "c5", "c6"), key=lambda name: nearness(PLACES, "c1", name)) == ["c5", "c4", "c6"]
    assert nearness(PLACES, "c1", "c4") == (False, 0)
    assert nearness(PLACES, "c1", "c6") == (True, -2)


@pytest.mark.parametrize(
    ("free", "taken"),
    [
        ({"c4": 4, "c5": 16, "c6": 4}, ["c5"]),
        ({"c4": 4, "c5": 3, "c6": 16}, ["c5", "c4"]),
        ({"c4": 1, "c6": 16}, ["c4", "c6"]),
    ],
)
def test_the_nearest_is_taken_whatever_fits_better_elsewhere(free: dict[str, int], taken: list[str]) -> None:
    """What is bound to a zone or an aggregate can run nowhere else; fit decides between those that are equally near."""
    assert pick(FOUR, {}, {}, rooms(**free), PLACES, "c1") == (taken, frozenset())


def test_where_placement_says_nothing_the_nearest_is_taken() -> None:
    """And of those that Nova says nothing of the first."""
    around = replace(AROUND, reserved_hosts=("c6", "c4", "c5"))
    for places, first in ((PLACES, "c5"), (Places(), "c6")):
        drafted = draft(moving(move(), method=RecoveryMethod.RESERVED_HOST), around=around)
        claim_first(drafted, places)
        assert drafted.effects == [EnableReserved(first)]


def hand(**changes: Any) -> Hand:
    """A recovery that adds reserved hosts to aggregates; c5 and c4 are free."""
    known: dict[str, Any] = {"method": RecoveryMethod.RESERVED_HOST, "proof": LASTING, "moves": (move(),)}
    around = replace(AROUND, reserved_hosts=("c4",))
    return Hand(state=moving(**(known | changes)), around=around, policy=JOINS)


def test_what_is_to_be_joined_is_stored_with_the_order() -> None:
    """Those that it lacks, none of another zone, and that is said."""
    now = hand()
    now.hear(Ticked())
    decision = now.hear(RoomUnreadable(answers="room", detail="away", places=replace(PLACES, zones=(("c4", "az1"),))))
    assert EnableReserved("c4", (RACK, GOLD)) in decision.effects
    assert now.state.reserved == (Reserved("c4", ReservedStatus.ENABLING, joins=(RACK, GOLD)),)
    assert Code.AGGREGATE_OF_ANOTHER_ZONE not in now.said
    now.state = replace(now.state, reserved=(), outstanding=frozenset({"room"}))
    other = replace(PLACES, aggregates=(aggregate(AZ2, "c1", zone="az2"),))
    decision = now.hear(RoomUnreadable(answers="room", detail="away", places=other))
    assert EnableReserved("c4") in decision.effects
    assert Code.AGGREGATE_OF_ANOTHER_ZONE in now.said


def test_without_the_option_nothing_is_joined() -> None:
    """It is off as it ships, as upstream's is."""
    now = hand()
    now.policy = POLICY
    now.hear(Ticked())
    assert EnableReserved("c4") in now.hear(RoomUnreadable(answers="room", detail="away", places=PLACES)).effects
    assert not POLICY.add_reserved_host_to_aggregate


def test_aggregates_that_cannot_be_read_stop_nothing() -> None:
    """It is said, and the reserved host is used all the same."""
    now = hand()
    now.hear(Ticked())
    decision = now.hear(RoomRead(answers="room", room=None, rooms=(), places=Places(trouble="forbidden")))
    assert EnableReserved("c4") in decision.effects
    assert Code.AGGREGATES_UNREADABLE in now.said


def joining(to: Membership, came: Joined) -> Joining:
    """What came of one."""
    return Joining(to=to, came=came, detail="" if came in (Joined.ADDED, Joined.THERE) else "no")


@pytest.mark.parametrize(
    ("came", "doubted_at", "is_ours", "code"),
    [
        (Joined.ADDED, None, True, Code.AGGREGATES_JOINED),
        (Joined.THERE, None, False, None),
        (Joined.THERE, NOW - 60.0, True, Code.AGGREGATES_JOINED),
        (Joined.REFUSED, None, False, Code.AGGREGATE_NOT_JOINED),
        (Joined.UNKNOWN, None, True, Code.AGGREGATE_NOT_JOINED),
    ],
)
def test_what_is_ours(came: Joined, doubted_at: float | None, is_ours: bool, code: Code | None) -> None:
    """What was there before is not, unless an earlier order of ours may have put it there."""
    mine = Reserved("c5", ReservedStatus.ENABLING, joins=(RACK,), doubted_at=doubted_at)
    for event in (
        ReservedEnabled(answers=KEY, host="c5", joinings=(joining(RACK, came),)),
        ReservedFailed(answers=KEY, host="c5", detail="no", joinings=(joining(RACK, came),)),
    ):
        now = hand(reserved=(mine,), outstanding=frozenset({KEY}))
        now.hear(event)
        assert now.state.reserved[0].joins == ((RACK,) if is_ours else ())
        assert [said for said in now.said if said.name.startswith("AGGREGATE")] == ([code] if code else [])


def test_what_nobody_knows_of_counts_as_ours() -> None:
    """An order that went wrong in a way that nobody thought of says nothing of what was added."""
    now = hand(reserved=(Reserved("c5", ReservedStatus.ENABLING, joins=(RACK,)),), outstanding=frozenset({KEY}))
    now.hear(ReservedFailed(answers=KEY, host="c5", detail="boom"))
    assert now.state.reserved[0].joins == (RACK,)


def test_one_that_goes_back_leaves_what_it_joined() -> None:
    """And it is said what it could not leave, with the command for it."""
    done = move(status=MoveStatus.MOVED, target="c4", destination="c4")
    spare = Reserved("c5", ReservedStatus.READY, joins=(RACK, GOLD))
    now = hand(moves=(done,), reserved=(spare,), verified=True)
    assert ReturnReserved("c5", 1, (RACK, GOLD)) in now.hear(Ticked()).effects
    decision = now.hear(ReservedReturned(answers="return-reserved:c5:1", host="c5", stuck=((GOLD, "busy"),)))
    words = {reason.code: reason.sentence for reason in decision.reasons}
    assert "(rack)" in words[Code.AGGREGATES_LEFT]
    assert "openstack aggregate remove host gold c5" in words[Code.AGGREGATE_NOT_LEFT]
    assert now.state.outcome is Outcome.RECOVERED
