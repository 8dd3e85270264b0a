"""What becomes of a move that failed: elsewhere at once, again after a pause, or a human's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, draft, instance, migration, move, moving, proof
from vmha.core.capacity import Room
from vmha.core.effects import Alert, AlertKind, EnableReserved, Evacuate, ReadRoom
from vmha.core.events import (
    EvacuationAccepted,
    OrderNotSent,
    ProgressRead,
    ReservedEnabled,
    ReservedReturned,
    RoomRead,
    RoomUnreadable,
    Ticked,
)
from vmha.core.explain import Code
from vmha.core.model import Move, MoveStatus, Outcome, RecoveryMethod, Reserved, ReservedStatus, Rung
from vmha.core.retrying import no_room
from vmha.core.targets import ANYWHERE

LASTING = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
SPARES = (Reserved("c4", ReservedStatus.READY), Reserved("c5", ReservedStatus.READY))


def hand(method: RecoveryMethod = RecoveryMethod.AUTO, *moves: Move, **changes: object) -> Hand:
    """A recovery in mid-evacuation on a word that lasts, with spares that are ready but for `auto`."""
    reserved = () if method is RecoveryMethod.AUTO else SPARES
    given = {"method": method, "reserved": reserved, "proof": LASTING} | changes
    return Hand(state=moving(*(moves or (move(),)), **given))


def orders(now: Hand) -> list[str | None]:
    """Let the recovery order, and return the destinations that it named."""
    decision = now.hear(Ticked())
    return [effect.target for effect in decision.effects if isinstance(effect, Evacuate)]


def fails(now: Hand, *, status: str = "error", destination: str | None = None, after: float = 0.0) -> list[str | None]:
    """Let Nova take the order and end it so; return the destinations that are named next."""
    mine = now.move()
    now.hear(EvacuationAccepted(answers=f"evacuate:i1:{mine.attempts}", instance="i1"), after=after)
    number = (mine.migration or mine.after_migration) + 1
    record = migration(number, status=status, destination=destination)
    decision = now.hear(ProgressRead(answers="progress", migrations=(record,), instances=None))
    return [effect.target for effect in decision.effects if isinstance(effect, Evacuate)]


@pytest.mark.parametrize(
    ("method", "places"),
    [
        (RecoveryMethod.RESERVED_HOST, ["c4", "c5"]),
        (RecoveryMethod.RH_PRIORITY, ["c4", "c5", None]),
        (RecoveryMethod.AUTO_PRIORITY, [None, "c4", "c5"]),
    ],
)
def test_each_place_is_tried_without_waiting(method: RecoveryMethod, places: list[str | None]) -> None:
    """The next place of the method is named in the decision that learns of the failure; after the last one there is a pause."""
    now = hand(method)
    tried = orders(now)
    while following := fails(now):
        tried += following
    assert tried == places
    assert (now.move().status, now.move().retry_at) == (MoveStatus.PENDING, now.now + POLICY.move_retry_seconds)
    assert now.said.count(Code.MOVE_ELSEWHERE) == len(places) - 1
    now.hear(Ticked(), after=POLICY.move_retry_seconds)
    assert now.move().target == places[0], "a new round begins with the first place"


def test_to_find_no_room_is_no_failed_attempt() -> None:
    """More spares than attempts are tried, and a spawn that fails afterwards is still the first failure."""
    now = hand(RecoveryMethod.RH_PRIORITY)
    orders(now)
    for _ in SPARES:
        fails(now)
    assert (now.move().failed_attempts, now.move().attempts) == (1, 3)
    fails(now, status="failed", destination="c2")
    assert (now.move().status, now.move().pinned) == (MoveStatus.PENDING, "c2")


def test_an_order_that_never_left_is_no_failed_attempt() -> None:
    """Nova's scheduler was not asked yet, so that it is its turn still; and nothing was tried of what may be tried three times."""
    now = hand(RecoveryMethod.AUTO_PRIORITY)
    assert orders(now) == [None]
    for attempt in (1, 2, 3):
        held_back = OrderNotSent(answers=f"evacuate:i1:{attempt}", instance="i1", detail="the database is away")
        now.hear(held_back, after=1.0)
        now.hear(Ticked(), after=3.0)
        assert (now.move().status, now.move().target) == (MoveStatus.ORDERED, None)
    assert (now.move().attempts, now.move().failed_attempts, now.move().tried) == (4, 1, ())


def test_a_reserved_host_that_nova_refused_is_no_place_of_an_instance() -> None:
    """Nova wrote it down as the destination before it asked its scheduler: it is unused, and goes back."""
    now = hand(RecoveryMethod.RESERVED_HOST, reserved=SPARES[:1])
    now.policy = replace(POLICY, no_capacity_seconds=0.0)
    assert orders(now) == ["c4"]
    fails(now, destination="c4")
    assert (now.move().status, now.move().destination) == (MoveStatus.FAILED, None)


def test_the_second_attempt_that_succeeds_is_a_success() -> None:
    """Nothing of the first one is left in how the recovery ends."""
    now = hand(RecoveryMethod.AUTO_PRIORITY)
    orders(now)
    fails(now)
    now.hear(EvacuationAccepted(answers="evacuate:i1:2", instance="i1"))
    done = migration(now.move().after_migration + 1, status="done", destination="c4")
    now.hear(ProgressRead(answers="progress", migrations=(done,), instances=()), after=1.0)
    assert now.move().status is MoveStatus.MOVED
    now.hear(ReservedReturned(answers="return-reserved:c5:1", host="c5"))
    assert now.state.outcome is Outcome.RECOVERED


def test_pauses_grow_to_the_longest_and_end_at_the_bound() -> None:
    """10 s, then as long as it has been tried, at most a minute; the last try is at the bound, and then a human gets it."""
    now = hand()
    orders(now)
    began, times = now.now, []
    fails(now)
    while now.move().status is MoveStatus.PENDING:
        retry_at = now.move().retry_at
        assert retry_at is not None
        now.hear(Ticked(), after=retry_at - now.now)
        times.append(now.now - began)
        fails(now)
    assert times == [10.0, 20.0, 40.0, 80.0, 140.0, 200.0, 260.0, 300.0]
    assert now.move().status is MoveStatus.FAILED
    reason = now.move().reason
    assert reason is not None
    assert reason.code is Code.NO_CAPACITY
    assert "in 9 attempts within 300 s" in reason.sentence


def test_without_a_bound_there_is_one_round() -> None:
    """no_capacity_seconds = 0: what finds no room fails at once."""
    now = hand()
    now.policy = replace(POLICY, no_capacity_seconds=0.0)
    orders(now)
    fails(now)
    assert now.move().status is MoveStatus.FAILED


def test_what_is_missing_is_asked_for_and_told_at_once() -> None:
    """Placement's numbers become the reason and an alert; the next look changes the reason, and alerts nobody anew."""
    now = hand()
    orders(now)
    fails(now)
    assert ReadRoom.key in now.state.outstanding
    full = Room(size={"VCPU": 4}, largest={"VCPU": 4}, held={"x": {"VCPU": 3}})
    here = Room(size={"VCPU": 4}, largest={"VCPU": 4}, held={"i1": {"VCPU": 4}})
    decision = now.hear(RoomRead(answers="room", room=here, rooms=(("c2", full),)))
    assert [(each.kind, each.reason.code) for each in decision.effects if isinstance(each, Alert)] == [
        (AlertKind.HINDERED, Code.NO_CAPACITY_NOW)
    ]
    assert "they need 4 VCPU, and the hosts that may take them have 1 free: 3 are missing" in now.state.reason.sentence
    better = replace(full, held={"x": {"VCPU": 1}})
    decision = now.hear(RoomRead(answers="room", room=here, rooms=(("c2", better), ("c3", better))))
    assert "name of i1 needs 4 VCPU, and no host that may take it has more than 3 for it" in now.state.reason.sentence
    assert not any(isinstance(each, Alert) for each in decision.effects)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RoomUnreadable(answers="room", detail="away"), "Placement could not be asked what is missing (away)"),
        (RoomRead(answers="room", room=None, rooms=()), "no resource provider"),
        (RoomRead(answers="room", room=Room(size={}, largest={}, held={}), rooms=()), "no host that may take them"),
        (
            RoomRead(
                answers="room",
                room=Room(size={}, largest={}, held={"i1": {"VCPU": 1}}),
                rooms=(("c2", Room(size={"VCPU": 4}, largest={"VCPU": 4}, held={})),),
            ),
            "a filter of Nova's scheduler",
        ),
    ],
)
def test_whatever_placement_says_is_said(event: RoomRead | RoomUnreadable, words: str) -> None:
    """Also that it says nothing, or that amounts are not what is missing."""
    now = hand()
    orders(now)
    fails(now)
    now.hear(event)
    assert words in now.state.reason.sentence


def test_an_answer_that_comes_too_late_tells_nobody() -> None:
    """The instance has found room meanwhile."""
    now = hand()
    now.hear(RoomRead(answers="room", room=None, rooms=()))
    assert now.state.shortage is None
    assert Code.NO_CAPACITY_NOW not in now.said


def test_a_shortage_is_over_when_nobody_waits() -> None:
    """The reason is progress again, and the next shortage is told anew."""
    now = hand()
    orders(now)
    fails(now)
    now.hear(RoomUnreadable(answers="room", detail="away"))
    now.hear(Ticked(), after=10.0)
    now.hear(EvacuationAccepted(answers="evacuate:i1:2", instance="i1"))
    assert now.state.shortage is not None
    done = migration(now.move().after_migration + 1, status="done")
    now.hear(ProgressRead(answers="progress", migrations=(done,), instances=(instance(),)))
    assert (now.move().status, now.state.shortage) == (MoveStatus.LANDED, None)
    assert now.state.reason.code is Code.MOVING


def test_a_reserved_host_that_comes_later_is_used() -> None:
    """With none left nothing is ordered, and said once; one that is free by the next try is claimed."""
    now = hand(RecoveryMethod.RESERVED_HOST, reserved=())
    now.around = replace(AROUND, reserved_hosts=())
    assert orders(now) == []
    assert now.move().status is MoveStatus.PENDING
    now.hear(Ticked(), after=10.0)
    assert now.said.count(Code.NO_RESERVED) == 1
    now.around = replace(AROUND, reserved_hosts=("c6",))
    now.hear(Ticked(), after=10.0)
    decision = now.hear(RoomUnreadable(answers="room", detail="away"))
    assert EnableReserved("c6") in decision.effects
    decision = now.hear(ReservedEnabled(answers="enable-reserved:c6", host="c6"))
    assert [effect.target for effect in decision.effects if isinstance(effect, Evacuate)] == ["c6"]


def test_no_reserved_host_until_the_bound() -> None:
    """Then the instance fails for that reason, without ever having been ordered."""
    now = hand(RecoveryMethod.RESERVED_HOST, reserved=())
    orders(now)
    while now.move().status is MoveStatus.PENDING:
        now.hear(Ticked(), after=10.0)
    assert now.now - NOW == 300.0
    assert now.move().reason is not None
    assert (now.move().reason.code, now.move().attempts) == (Code.NO_RESERVED, 0)  # type: ignore[union-attr]


def test_what_may_go_to_one_host_only_has_no_other_place() -> None:
    """A guest of it may be there already (P2): it waits for room there."""
    drafted = draft(moving(move(), method=RecoveryMethod.RH_PRIORITY, reserved=SPARES))
    no_room(drafted, move(pinned="c2", attempts=1, tried=(ANYWHERE,)), "full")
    assert drafted.state.moves[0].retry_at == NOW + POLICY.move_retry_seconds
