"""An answer that never comes holds no recovery for ever."""

from __future__ import annotations

from dataclasses import replace

from unit_tests.core.states import NOW, POLICY, draft, move, moving, proof
from vmha.core.effects import ReadProgress
from vmha.core.events import EvacuationAccepted, Ticked
from vmha.core.explain import Code
from vmha.core.model import MoveStatus, Recovery
from vmha.core.moving import ANSWER_SECONDS
from vmha.core.recovery import decide

KEY = "evacuate:i1:1"


def ordered(ago: float) -> Recovery:
    """A recovery whose only order was given so long ago and was never answered."""
    waits = move("i1", MoveStatus.ORDERED, attempts=1, ordered_at=NOW - ago, started_at=NOW - ago)
    return replace(moving(waits), proof=proof(), outstanding=frozenset({KEY}), nova_due=NOW - 1.0)


def tick(state: Recovery) -> Recovery:
    """Let time pass."""
    return decide(state, Ticked(), NOW, POLICY, draft().around, new_uuid="p2").state


def test_it_is_unanswered_in_the_end() -> None:
    """Long after any deadline the order counts as unanswered, and Nova's records are read as after a lost answer."""
    state = ordered(ANSWER_SECONDS)
    decision = decide(state, Ticked(), NOW, POLICY, draft().around, new_uuid="p2")
    assert decision.state.moves[0].status is MoveStatus.UNANSWERED
    assert KEY not in decision.state.outstanding
    assert decision.reasons[0].code is Code.EVACUATION_UNANSWERED
    assert [effect for effect in decision.effects if isinstance(effect, ReadProgress)]


def test_not_before() -> None:
    """An order that may still be in a queue or under way is waited for."""
    after = tick(ordered(ANSWER_SECONDS - 1.0))
    assert after.moves[0].status is MoveStatus.ORDERED
    assert KEY in after.outstanding


def test_the_bound_is_beyond_every_deadline() -> None:
    """It is more than an order may wait and be under way, whatever `[engine] order_seconds` says."""
    longest = 60.0
    assert 2 * longest <= ANSWER_SECONDS


def test_an_answer_after_all_changes_nothing() -> None:
    """An answer that comes after that is left to Nova's records."""
    after = tick(ordered(ANSWER_SECONDS))
    late = EvacuationAccepted(answers=KEY, instance="i1")
    assert (
        decide(after, late, NOW, POLICY, draft().around, new_uuid="p2").state.moves[0].status is MoveStatus.UNANSWERED
    )
