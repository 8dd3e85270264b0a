"""How answers and records of Nova move the instances on, in orders that scenarios meet too rarely."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, instance, migration, move, moving, proof
from vmha.core.draft import Decision
from vmha.core.effects import Evacuate, ReadProgress
from vmha.core.events import (
    EvacuationAccepted,
    EvacuationRefused,
    EvacuationUnanswered,
    HostSurveyed,
    OrderNotSent,
    ProgressRead,
    Ticked,
)
from vmha.core.explain import Code
from vmha.core.following import VAIN_ORDERS
from vmha.core.model import Instance, Migration, Move, MoveStatus, Outcome, Phase, Rung

ORDERED = move(status=MoveStatus.ORDERED, attempts=1, ordered_at=NOW)
ACCEPTED = move(status=MoveStatus.ACCEPTED, attempts=1, ordered_at=NOW)
KEY = "evacuate:i1:1"
REFUSED = EvacuationRefused(answers=KEY, instance="i1", status=400, detail="Compute service of c1 is still in use.")


def hand(*moves: Move, **changes: Any) -> Hand:
    """A recovery in mid-evacuation."""
    return Hand(state=moving(*moves, outstanding=frozenset({KEY}), **changes))


def progress(
    *records: Migration, listed: tuple[Instance, ...] | None = None, located: tuple[tuple[str, str | None], ...] = ()
) -> ProgressRead:
    """Nova's records, its list of the host, and what it said of instances that the last list lacked."""
    return ProgressRead(answers="progress", migrations=records, instances=listed, located=located)


def test_a_refused_order_is_given_again_within_bounds() -> None:
    """Nova refuses: the order is given again after 10, then 20 s, and after the third refusal a human gets it."""
    word = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
    now = hand(ORDERED, proof=word)
    for attempt, pause in ((1, 10.0), (2, 20.0)):
        now.hear(replace(REFUSED, answers=f"evacuate:i1:{attempt}"))
        now.hear(Ticked(), after=pause - 0.1)
        assert now.move().status is MoveStatus.PENDING
        now.hear(Ticked(), after=0.1)
        assert now.move().status is MoveStatus.ORDERED
    now.hear(replace(REFUSED, answers="evacuate:i1:3"))
    reason = now.move().reason
    assert now.move().status is MoveStatus.FAILED
    assert reason is not None
    assert reason.code is Code.EVACUATION_REFUSED
    assert "still in use" in reason.sentence


def test_an_unknown_instance_is_gone() -> None:
    """Nova knows no such instance: nothing is left to do for it."""
    now = hand(ORDERED)
    now.hear(replace(REFUSED, status=404))
    assert now.move().status is MoveStatus.GONE


def test_an_unknown_target_is_not_the_end_of_an_instance() -> None:
    """A 404 to an order that named its destination may mean either: nothing is ordered until Nova's list has told."""
    now = hand(replace(ORDERED, target="c4"))
    decision = now.hear(replace(REFUSED, status=404, detail="Compute host c4 not found."))
    assert now.move().status is MoveStatus.PENDING
    assert "progress" in now.state.checks
    assert any(getattr(effect, "with_instances", False) for effect in decision.effects)
    now.hear(progress(listed=(instance(),)), after=11.0)
    assert now.move().status is MoveStatus.ORDERED


@pytest.mark.parametrize(
    "event",
    [
        EvacuationAccepted(answers=KEY, instance="i1"),
        REFUSED,
        EvacuationUnanswered(answers=KEY, instance="i1", detail="timed out"),
        OrderNotSent(answers=KEY, instance="i1", detail="late"),
    ],
)
def test_an_answer_after_the_record_changes_nothing(
    event: EvacuationAccepted | EvacuationRefused | EvacuationUnanswered | OrderNotSent,
) -> None:
    """Where the record was seen before the answer, or the instance is not known, the answer says nothing new."""
    for known in (replace(ACCEPTED, migration=5), move("i2")):
        now = hand(known)
        now.hear(event)
        assert now.state.moves[0].status in (known.status, MoveStatus.ORDERED)
        assert now.state.moves[0].migration == known.migration


def test_an_order_that_never_left_is_given_anew() -> None:
    """An order that was held back counts as not given, and power is read before it is given again."""
    now = hand(ORDERED)
    now.hear(OrderNotSent(answers=KEY, instance="i1", detail="the door was shut"))
    assert now.move().status is MoveStatus.PENDING
    assert "power" in now.state.outstanding
    decision = now.hear(Ticked(), after=2.0)
    assert [effect.key for effect in decision.effects if isinstance(effect, Evacuate)] == ["evacuate:i1:2"]


def test_the_newest_record_counts() -> None:
    """Of several records of one instance the newest is the answer to our order, in whatever sequence they are listed."""
    for records in ((5, 6), (6, 5)):
        now = hand(ACCEPTED)
        now.hear(progress(*(migration(n, status="done" if n == 6 else "failed") for n in records)))
        assert now.move().status is MoveStatus.LANDED
        assert now.move().migration == 6


def test_a_record_from_before_the_order_is_no_answer() -> None:
    """A record that was there before the order says nothing about it."""
    now = hand(replace(ACCEPTED, after_migration=5))
    now.hear(progress(migration(5, status="failed")))
    assert now.move() == replace(ACCEPTED, after_migration=5)


def test_moved_is_believed_when_both_agree() -> None:
    """An instance has moved when its record is done and Nova no longer lists it here; the end comes with one more look."""
    now = hand(ACCEPTED)
    now.hear(progress(migration(5)))
    assert now.move().status is MoveStatus.LANDED
    now.hear(progress(migration(5), listed=(instance(),)), after=1.0)
    assert now.move().status is MoveStatus.LANDED
    now.hear(progress(migration(5), listed=()), after=1.0)
    assert now.move().status is MoveStatus.MOVED
    assert now.state.outcome is Outcome.RECOVERED


def test_a_cleaned_up_record_is_no_landing() -> None:
    """What a returning nova-compute marks as completed is looked for in the list; still there past its time, it is stalled for good."""
    now = hand(ACCEPTED, proof=None, phase=Phase.UNPROVEN)
    cleaned = progress(migration(5, status="completed"), listed=(instance(),))
    now.hear(cleaned)
    assert Code.LANDED not in now.said
    now.hear(cleaned, after=POLICY.move_seconds)
    assert (now.move().status, now.move().suspects) == (MoveStatus.STALLED, ("c2",))
    now.hear(cleaned, after=POLICY.move_seconds)
    assert now.move().status is MoveStatus.STALLED
    now.hear(progress(migration(5, status="done"), listed=()), after=1.0)
    assert now.move().status is MoveStatus.MOVED


def unanswered(**changes: Any) -> Hand:
    """An order without an answer, old enough to be looked up."""
    lost = move(status=MoveStatus.UNANSWERED, attempts=1, ordered_at=NOW - POLICY.answer_settle_seconds)
    return hand(replace(lost, **changes))


def test_no_record_and_no_task_means_not_taken() -> None:
    """After a while, with no record and no task of Nova's, an unanswered order was not taken, and is given again."""
    now = unanswered()
    decision = now.hear(progress(listed=(instance(),)))
    assert Code.EVACUATION_NOT_TAKEN in now.said
    assert any(isinstance(effect, Evacuate) for effect in decision.effects)


def test_orders_that_nova_never_took_are_no_failed_attempts() -> None:
    """A Nova that is away for minutes costs no instance its attempts; they are spaced."""
    now = unanswered(attempts=3, in_vain=2)
    decision = now.hear(progress(listed=(instance(),)))
    assert (now.move().status, now.move().in_vain, now.move().failed_attempts) == (MoveStatus.PENDING, 3, 0)
    assert now.move().retry_at == NOW + 2 * POLICY.move_retry_seconds
    assert not any(isinstance(effect, Evacuate) for effect in decision.effects)


def test_too_early_to_say() -> None:
    """Before that while is over an unanswered order is left alone."""
    now = unanswered(ordered_at=NOW - POLICY.answer_settle_seconds + 0.5)
    now.hear(progress(listed=(instance(),)))
    assert now.move().status is MoveStatus.UNANSWERED


def test_a_task_of_novas_speaks_for_the_order() -> None:
    """No record but a task that was not there before: Nova may be at it, so nothing is ordered until the task is over."""
    now = unanswered()
    now.hear(progress(listed=(instance(task_state="rebuilding"),)))
    assert (now.move().status, now.move().suspects) == (MoveStatus.STALLED, ())
    now.hear(progress(listed=(instance(task_state="rebuilding"),)), after=1.0)
    assert now.move().status is MoveStatus.STALLED
    now.hear(progress(listed=(instance(),)), after=1.0)
    assert now.move().status is MoveStatus.ORDERED


def test_a_task_from_before_the_order_says_nothing() -> None:
    """A task that the instance had when it was planned is not the order's."""
    now = unanswered(task_state="powering-off")
    now.hear(progress(listed=(instance(task_state="powering-off"),)))
    assert now.move().status is MoveStatus.ORDERED


def test_orders_that_nova_never_takes_are_given_up() -> None:
    """A Nova that takes no order for so long needs a human."""
    now = unanswered(attempts=VAIN_ORDERS, in_vain=VAIN_ORDERS - 1)
    now.hear(progress(listed=(instance(),)))
    assert now.move().status is MoveStatus.FAILED


@pytest.mark.parametrize(
    "status", [MoveStatus.PENDING, MoveStatus.HELD, MoveStatus.STALLED, MoveStatus.UNANSWERED], ids=lambda s: s.value
)
def test_what_is_no_longer_listed_is_gone(status: MoveStatus) -> None:
    """An instance that its owner deleted or moved away needs nothing more, wherever it stood; but Nova must say so."""
    for place in (None, "c3"):
        now = Hand(state=moving(move(status=status, ordered_at=NOW, local_disk=True, retry_at=NOW + 9.0)))
        decision = now.hear(progress(listed=()))
        assert now.move().unlisted_since is not None
        assert now.move().status is not MoveStatus.GONE
        assert ReadProgress("c1", True, ("i1",)) in decision.effects
        now.hear(progress(listed=(), located=(("i1", place),)))
        assert now.move().status is MoveStatus.GONE
        assert now.state.phase is Phase.ENDED


@pytest.mark.parametrize("located", [(), (("i1", "c1"),)], ids=["nobody knows", "still here"])
def test_a_list_alone_takes_no_instance_away(located: tuple[tuple[str, str | None], ...]) -> None:
    """A cell that is down hides its instances: they wait, nothing is ordered for them, and the recovery does not end."""
    word = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
    now = Hand(state=moving(move(status=MoveStatus.PENDING, retry_at=NOW + 9.0), proof=word))
    now.hear(progress(listed=()))
    for _ in range(3):
        decision = now.hear(progress(listed=(), located=located), after=POLICY.verify_seconds)
        assert not any(isinstance(effect, Evacuate) for effect in decision.effects)
        assert (now.state.phase, now.move().unlisted_since) == (Phase.HELD, NOW)
    assert "lacks name of i1" in now.state.reason.sentence
    now.hear(progress(listed=(instance(),)), after=POLICY.verify_seconds)
    assert (now.move().unlisted_since, now.move().status) == (None, MoveStatus.ORDERED)


def test_a_guest_on_a_host_that_died_since_is_that_hosts() -> None:
    """An instance that Nova moved to a destination that is proven off by now belongs to that host's recovery."""
    dead = replace(AROUND, proven_off=frozenset({"c2"}))
    landed = replace(ACCEPTED, migration=5, destination="c2")
    now = Hand(state=moving(landed, proof=None, phase=Phase.UNPROVEN), around=dead)
    now.hear(progress(migration(5, status="pre-migrating"), listed=()))
    assert now.move().unlisted_since is not None
    now.hear(progress(migration(5, status="pre-migrating"), listed=(), located=(("i1", "c2"),)))
    assert now.move().status is MoveStatus.GONE


def test_a_destination_that_is_proven_off_frees_its_instances() -> None:
    """What was on its way to a host that is proven off may be ordered anywhere, in whatever state of its way."""
    dead = replace(AROUND, proven_off=frozenset({"c2"}))
    for stuck in (
        replace(ACCEPTED, migration=5, destination="c2"),
        move(status=MoveStatus.STALLED, attempts=1, suspects=("c2",)),
        move(attempts=1, pinned="c2"),
    ):
        now = Hand(state=moving(stuck), around=dead)
        decision = now.hear(Ticked())
        (order,) = (effect for effect in decision.effects if isinstance(effect, Evacuate))
        assert order.target is None
    half = move(status=MoveStatus.STALLED, attempts=1, suspects=("c2", "c3"))
    now = Hand(state=moving(half), around=dead)
    now.hear(Ticked())
    assert now.move().status is MoveStatus.STALLED


def test_an_instance_that_appears_late_is_surveyed() -> None:
    """An instance that shows up on the host after the survey is ruled on like the others, by all of its records, and once."""
    now = hand(ACCEPTED)
    late = (instance("i2"), instance("i3", vm_state="paused"))
    decision = now.hear(progress(migration(5), listed=late))
    assert "survey" in {effect.key for effect in decision.effects}
    again = now.hear(progress(migration(5), listed=late))
    assert "survey" not in {effect.key for effect in again.effects}
    now.hear(
        HostSurveyed(answers="survey", instances=(*late, late[0]), migrations=(), consumers=frozenset()), after=1.0
    )
    assert [each.instance for each in now.state.moves] == ["i1", "i2", "i3"]
    assert now.move("i2").status is MoveStatus.ORDERED
    assert now.move("i3").status is MoveStatus.FAILED


def test_a_record_that_ended_since_frees_an_instance() -> None:
    """An instance that somebody else's migration stood in the way of is ruled on again at each survey."""
    now = Hand(state=moving(move(status=MoveStatus.STALLED, suspects=("c2",)), survey_due=NOW))
    decision = now.hear(Ticked())
    assert "survey" in {effect.key for effect in decision.effects}
    survey = HostSurveyed(
        answers="survey",
        instances=(instance(),),
        migrations=(migration(1, kind="live-migration", status="running"),),
        consumers=frozenset({"i1"}),
    )
    now.hear(survey, after=1.0)
    assert now.move().status is MoveStatus.STALLED
    now.hear(replace(survey, migrations=()), after=1.0)
    assert now.move().status is MoveStatus.ORDERED


def test_a_move_past_its_time_is_stalled() -> None:
    """An accepted move that Nova says nothing of names its suspect when its time is over."""
    now = hand(replace(ACCEPTED, migration=5, destination="c2"))
    under_way = progress(migration(5, status="pre-migrating"))
    now.hear(under_way, after=POLICY.move_seconds - 270.1)
    assert now.move().status is MoveStatus.ACCEPTED
    now.hear(under_way, after=270.1)
    assert (now.move().status, now.move().suspects) == (MoveStatus.STALLED, ("c2",))


def test_only_so_many_are_in_flight() -> None:
    """No more moves are under way at a time than the policy allows."""
    moves = tuple(move(f"i{number}") for number in range(9))
    now = Hand(state=moving(*moves), policy=replace(POLICY, orders_at_once=9, moves_in_flight=4))
    decision = now.hear(Ticked())
    assert sum(isinstance(effect, Evacuate) for effect in decision.effects) == 4
    decision = now.hear(EvacuationRefused(answers="evacuate:i0:1", instance="i0", status=404, detail="gone"))
    assert [effect.key for effect in decision.effects if isinstance(effect, Evacuate)] == ["evacuate:i4:1"]


def test_only_so_many_are_asked_for_at_once() -> None:
    """The next order is given when Nova has answered one, whatever the answer; what it took is in its own hands."""
    moves = tuple(move(f"i{number}") for number in range(9))
    now = Hand(state=moving(*moves), policy=replace(POLICY, orders_at_once=2))
    assert ordered(now.hear(Ticked())) == ["evacuate:i0:1", "evacuate:i1:1"]
    assert ordered(now.hear(Ticked())) == []
    assert ordered(now.hear(EvacuationAccepted(answers="evacuate:i1:1", instance="i1"))) == ["evacuate:i2:1"]
    lost = EvacuationUnanswered(answers="evacuate:i0:1", instance="i0", detail="timed out")
    assert ordered(now.hear(lost)) == ["evacuate:i3:1"]


def ordered(decision: Decision) -> list[str]:
    """The evacuations that a decision orders."""
    return [effect.key for effect in decision.effects if isinstance(effect, Evacuate)]


def test_a_freed_instance_is_still_held_by_its_disk() -> None:
    """A proof of the suspects frees an instance to be moved, not to lose its local disk."""
    dead = replace(AROUND, proven_off=frozenset({"c2"}))
    for stuck in (
        move(status=MoveStatus.STALLED, suspects=("c2",), local_disk=True),
        move(local_disk=True, attempts=1),
    ):
        now = Hand(state=moving(stuck), around=dead)
        decision = now.hear(Ticked())
        assert now.move().status is MoveStatus.HELD
        assert not any(isinstance(effect, Evacuate) for effect in decision.effects)


@pytest.mark.parametrize(
    ("suspected", "destination", "status", "left"),
    [
        (("c2",), "c2", MoveStatus.PENDING, ()),
        (("c3",), "c2", MoveStatus.STALLED, ("c2", "c3")),
        (("c3",), None, MoveStatus.STALLED, ("c3",)),
        (("off",), "c2", MoveStatus.PENDING, ()),
        ((), "c2", MoveStatus.PENDING, ()),
    ],
)
def test_a_failure_adds_to_the_suspects(
    suspected: tuple[str, ...], destination: str | None, status: MoveStatus, left: tuple[str, ...]
) -> None:
    """A move that fails after all goes where it failed, unless somebody else's record names another host beside it."""
    around = replace(AROUND, proven_off=frozenset({"off"}))
    stalled = move(status=MoveStatus.STALLED, attempts=1, suspects=suspected, ordered_at=NOW)
    now = Hand(state=moving(stalled, proof=None, phase=Phase.UNPROVEN), around=around)
    now.hear(progress(migration(5, status="failed", destination=destination)))
    assert (now.move().status, now.move().suspects) == (status, left)
    assert now.move().pinned == (destination if status is MoveStatus.PENDING else None)


def test_moves_are_followed_while_the_host_is_fenced_again() -> None:
    """What Nova has taken is followed also while a host that came back is being powered off a second time."""
    state = moving(replace(ACCEPTED, migration=5), proof=None, phase=Phase.FENCING, nova_due=NOW)
    now = Hand(state=state)
    assert any(isinstance(effect, ReadProgress) for effect in now.hear(Ticked()).effects)
