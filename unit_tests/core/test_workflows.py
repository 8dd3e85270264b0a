"""What the operator chose for a failure: which choice counts, and what it does to a recovery that has begun."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, draft, move, recovery, silent_witness
from unit_tests.core.test_fencing import ON, YES, ordered
from vmha.core.events import Ticked
from vmha.core.explain import Code, because
from vmha.core.model import Fence, MoveStatus, Outcome, Phase
from vmha.core.targets import rule
from vmha.core.workflows import Choice, Failure, Workflow, Workflows, confirm_wanted, is_only_reported

HOST, CONFIRM, REPORT, OFF = Failure.HOST, Workflow.CONFIRM, Workflow.REPORT, Workflow.POWER_OFF
SILENT = silent_witness()


def choosing(workflow: Workflow) -> Workflows:
    """Choose a workflow for all hosts."""
    return Workflows((Choice(None, HOST, workflow),))


def test_the_segments_choice_comes_first() -> None:
    """A segment's own line counts before the one for all, each kind of failure has its own, and what nobody chose is recovered."""
    both = Workflows((Choice("rack-1", HOST, CONFIRM), Choice(None, HOST, REPORT)))
    for choices in (both, Workflows(both.choices[::-1])):
        assert choices.of(HOST, "rack-1") is CONFIRM
        assert choices.of(HOST, "rack-2") is REPORT
        assert choices.of(Failure.INSTANCE, "rack-1") is Workflow.RECOVER
    assert Workflows().of(HOST, "") is Workflow.RECOVER


@pytest.mark.parametrize("begun", [{"fence": Fence(orders=1)}, {"fence": Fence(proofs=1)}, {"word": WORD}])
def test_what_has_begun_is_not_asked_for(begun: dict[str, object]) -> None:
    """A human is asked before the first order or proof, once."""
    policy = replace(POLICY, workflows=choosing(CONFIRM))
    assert confirm_wanted(recovery(Phase.WITNESSING), AROUND, policy) is not None
    assert confirm_wanted(recovery(Phase.FENCING, **begun), AROUND, policy) is None


def test_what_has_begun_is_not_ended_by_report() -> None:
    """A host that was powered off is recovered to its end, though an engine of now would only report it."""
    policy = replace(POLICY, workflows=choosing(REPORT))
    assert is_only_reported(recovery(Phase.WITNESSING), AROUND, policy)
    assert not is_only_reported(recovery(Phase.FENCING, fence=Fence(orders=1)), AROUND, policy)
    hand = Hand(state=recovery(Phase.WITNESSING), policy=policy)
    hand.hear(Ticked())
    assert (hand.state.outcome, hand.state.reason.code) == (Outcome.REPORTED, Code.ONLY_REPORTED)


def test_a_confirm_lets_it_go_on() -> None:
    """Without a word nothing is ordered; after it the power-off leaves, and no guard holds it."""
    policy = replace(POLICY, workflows=choosing(CONFIRM))
    hand = Hand(state=recovery(Phase.WITNESSING, witness=SILENT, fence=replace(ON, rounds=0)), policy=policy)
    assert not ordered(hand)
    assert (hand.state.phase, hand.state.reason.code) == (Phase.ASKING, Code.CONFIRM_WANTED)
    hand.hear(YES)
    assert hand.state.phase is Phase.FENCING
    assert hand.state.fence.orders == 1


def test_who_is_not_asked_any_more_goes_on() -> None:
    """An engine with another recovery.yaml lets what waits look at the witness anew; a quarantine stays."""
    asked = because(Code.CONFIRM_WANTED, host="c1", segment="rack-1")
    hand = Hand(state=recovery(Phase.ASKING, witness=SILENT, fence=ON, reason=asked))
    assert ordered(hand)


def test_power_off_leaves_what_was_planned_before() -> None:
    """Moves that wait are left where they are, one that Nova has is followed to its end first."""
    moves = (move("i1"), move("i2", status=MoveStatus.HELD), move("i3", status=MoveStatus.ACCEPTED, ordered_at=NOW))
    state = recovery(Phase.MOVING, moves=moves, surveyed=True)
    hand = Hand(state=state, policy=replace(POLICY, workflows=choosing(OFF)))
    hand.hear(Ticked())
    assert [each.status for each in hand.state.moves] == [MoveStatus.SKIPPED, MoveStatus.SKIPPED, MoveStatus.ACCEPTED]
    assert hand.state.phase is Phase.MOVING
    hand.state = replace(hand.state, moves=(*hand.state.moves[:2], replace(moves[2], status=MoveStatus.MOVED)))
    hand.hear(Ticked())
    assert (hand.state.outcome, hand.state.reason.code) == (Outcome.FENCED, Code.ONLY_FENCED)
    assert dict(hand.state.reason.facts)["left"] == "2"


def test_power_off_never_tells_of_a_guest_elsewhere_that_it_was_left() -> None:
    """Neither of one that hangs on its way, nor of one that somebody else's migration may have left there before."""
    stalled = move("i1", status=MoveStatus.STALLED, suspects=("c2",))
    state = recovery(Phase.MOVING, moves=(stalled, move("i2", status=MoveStatus.HELD)), surveyed=True)
    hand = Hand(state=state, policy=replace(POLICY, workflows=choosing(OFF)))
    hand.hear(Ticked())
    assert [each.status for each in hand.state.moves] == [MoveStatus.FAILED, MoveStatus.SKIPPED]
    assert (hand.state.outcome, hand.state.reason.code) == (Outcome.FENCED, Code.ONLY_FENCED_IN_DOUBT)
    assert dict(hand.state.reason.facts)["left"] == "1"
    plan = draft(recovery(Phase.MOVING, surveyed=True), policy=hand.policy)
    assert rule(plan, move("i3"), ("c2",)).status is MoveStatus.STALLED
    assert rule(plan, move("i3"), ()).status is MoveStatus.SKIPPED
