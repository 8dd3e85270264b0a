"""The waits between report and proof: when a power-off may leave, and what a human's yes and no do in each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import (
    AROUND,
    BMC,
    NOW,
    POLICY,
    PRIOR,
    WORD,
    Hand,
    beat,
    move,
    off_twice,
    power_is,
    recovery,
    silent_witness,
)
from vmha.core.effects import Alert, PowerOff, ReadHeartbeats
from vmha.core.events import Confirmed, PowerOffFailed, PowerUnreadable, Rejected, TakenOver, Ticked
from vmha.core.explain import Code, because
from vmha.core.model import (
    Fence,
    MoveStatus,
    Outcome,
    Phase,
    Power,
    PowerReading,
    PowerTrouble,
    Rung,
    Surroundings,
    Witness,
)

ON = Fence(readings=(PowerReading(Power.ON, NOW),), rounds=1, round_started_at=NOW, address=BMC)
YES = Confirmed(by="ann", why="I pulled the plug")
NO = Rejected(by="ann", why="it is well")
SILENT = silent_witness()
ALIVE = silent_witness(advances=1, changed_at=NOW - 3.0)
BLIND = silent_witness(trouble="Nova is away")
BRAKED = replace(AROUND, segment_failures=3)
WAITS = (Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.UNPROVEN)


def ordered(hand: Hand) -> bool:
    """Tell whether a power-off leaves at the next tick."""
    return any(isinstance(effect, PowerOff) for effect in hand.hear(Ticked()).effects)


@pytest.mark.parametrize(
    ("witness", "fence", "around", "leaves"),
    [
        (SILENT, ON, AROUND, True),
        (ALIVE, ON, AROUND, False),
        (BLIND, ON, AROUND, False),
        (Witness(), ON, AROUND, False),
        (SILENT, ON, BRAKED, False),
        (SILENT, ON, replace(AROUND, segment_braked=True), False),
        (SILENT, replace(ON, readings=()), AROUND, False),
        (SILENT, replace(ON, readings=(PowerReading(Power.OFF, NOW),)), AROUND, False),
        (SILENT, replace(ON, readings=(), trouble=PowerTrouble.SILENT), AROUND, False),
        (SILENT, replace(ON, readings=(), trouble=PowerTrouble.ERROR), AROUND, True),
        (SILENT, replace(ON, round_orders=1, orders=1, ordered_at=NOW - 9.9), AROUND, False),
        (SILENT, replace(ON, round_orders=1, orders=1, ordered_at=NOW - 10.0), AROUND, True),
        (SILENT, replace(ON, round_orders=3, orders=3, ordered_at=NOW - 10.0), AROUND, False),
    ],
)
def test_when_a_power_off_leaves(witness: Witness, fence: Fence, around: Surroundings, leaves: bool) -> None:
    """Two witnesses, a BMC that says ON or at least answers, no brake, no order of late, and not too many of them."""
    assert ordered(Hand(state=recovery(Phase.FENCING, witness=witness, fence=fence), around=around)) is leaves


@pytest.mark.parametrize("key", ["power", "power-off:1"])
def test_no_order_beside_another_call(key: str) -> None:
    """While a reading or an order is on its way to the BMC, no other order leaves."""
    state = recovery(Phase.FENCING, witness=SILENT, fence=ON, outstanding=frozenset({key}))
    assert not ordered(Hand(state=state))


def test_a_new_owner_reads_power_first() -> None:
    """An engine that took over orders nothing before it has read power itself."""
    state = recovery(Phase.FENCING, witness=SILENT, fence=ON, checks=frozenset({"power"}))
    hand = Hand(state=state)
    assert not ordered(hand)
    assert any(isinstance(effect, PowerOff) for effect in hand.hear(power_is(Power.ON), after=0.5).effects)


@pytest.mark.parametrize("trouble", [PowerTrouble.NO_DEVICE, PowerTrouble.BAD_CREDENTIALS, PowerTrouble.WRONG_IDENTITY])
def test_what_no_second_try_mends_waits_at_once(trouble: PowerTrouble) -> None:
    """Without a device, with a wrong password or the wrong machine behind it, a human is told at once."""
    state = recovery(Phase.FENCING, witness=SILENT, fence=replace(ON, readings=()))
    hand = Hand(state=state)
    decision = hand.hear(PowerUnreadable(answers="power", trouble=trouble, detail="as the BMC said", address=BMC))
    assert hand.state.phase is Phase.UNPROVEN
    assert any(isinstance(effect, Alert) for effect in decision.effects)


def test_a_refused_order_breaks_the_run_of_readings() -> None:
    """Readings from before an order that the BMC refused do not count after it."""
    hand = Hand(
        state=recovery(Phase.FENCING, witness=SILENT, fence=replace(ON, orders=1, round_orders=1, ordered_at=NOW))
    )
    hand.hear(PowerOffFailed(answers="power-off:1", trouble=PowerTrouble.ERROR, detail="busy", address=BMC))
    assert hand.state.fence.readings == ()
    assert Code.POWER_OFF_REFUSED in hand.said


@pytest.mark.parametrize(
    ("fence", "witness", "code"),
    [
        (replace(ON, orders=3), SILENT, Code.STAYS_ON),
        (replace(ON, rounds=3), SILENT, Code.FENCE_TIMEOUT),
        (replace(ON, readings=off_twice()), replace(SILENT, heard_since=None), Code.OFF_UNWITNESSED),
        (replace(ON, readings=(), trouble=PowerTrouble.SILENT), SILENT, Code.BMC_SILENT),
    ],
)
def test_why_a_round_of_fencing_ended(fence: Fence, witness: Witness, code: Code) -> None:
    """When a round of fencing is over, the reason names what stands in the way of the proof."""
    late = replace(fence, round_started_at=NOW - POLICY.fence_seconds, ordered_at=NOW, round_orders=3)
    hand = Hand(state=recovery(Phase.FENCING, witness=witness, fence=late))
    hand.hear(Ticked())
    assert (hand.state.phase, hand.state.reason.code) == (Phase.UNPROVEN, code)


def test_a_first_off_changes_no_reason() -> None:
    """While a first OFF waits for the second, the reason of the wait stands and nobody is told anything new."""
    silent = because(Code.BMC_SILENT, host="c1", detail="no answer")
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=SILENT, fence=replace(ON, readings=()), reason=silent))
    decision = hand.hear(power_is(Power.OFF))
    assert hand.state.reason == silent
    assert not decision.reasons
    assert not any(isinstance(effect, Alert) for effect in decision.effects)


def test_a_liar_is_named() -> None:
    """A BMC that says OFF twice of a host that Nova hears is named as wrong, whatever the reason was before."""
    before = because(Code.BMC_SILENT, host="c1", detail="no answer")
    fence = replace(ON, readings=(PowerReading(Power.OFF, NOW - 3.0),), asked_at=NOW)
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=ALIVE, fence=fence, reason=before))
    hand.hear(power_is(Power.OFF))
    assert hand.state.reason.code is Code.CONTRADICTED


def test_a_host_that_nova_hears_again_is_disputed() -> None:
    """A host that could never be proven off and is heard again leaves the wait, since the report was wrong or is over."""
    for fence in (replace(ON, readings=(), trouble=PowerTrouble.NO_DEVICE), ON):
        hand = Hand(
            state=recovery(Phase.UNPROVEN, witness=ALIVE, fence=fence, reason=because(Code.NO_DEVICE, host="c1"))
        )
        hand.hear(Ticked())
        assert hand.state.phase is Phase.DISPUTED
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=ALIVE, fence=replace(ON, proofs=1)))
    hand.hear(Ticked())
    assert (hand.state.phase, hand.state.reason.code) == (Phase.UNPROVEN, Code.HOST_RETURNED)


def test_a_host_that_came_back_is_no_false_alarm() -> None:
    """A host that was proven off, came back and is heard while it is being fenced again waits for a human, with its moves."""
    state = recovery(Phase.FENCING, witness=ALIVE, fence=replace(ON, proofs=1), word=WORD, prior=PRIOR, surveyed=True)
    hand = Hand(state=replace(state, moves=(move(status=MoveStatus.PENDING),)))
    hand.hear(Ticked())
    assert (hand.state.phase, hand.state.reason.code, hand.state.word) == (Phase.UNPROVEN, Code.HOST_RETURNED, None)


@pytest.mark.parametrize(
    ("fence", "witness", "around", "phase"),
    [
        (ON, SILENT, AROUND, Phase.FENCING),
        (replace(ON, rounds=3), SILENT, AROUND, Phase.UNPROVEN),
        (ON, BLIND, AROUND, Phase.UNPROVEN),
        (ON, SILENT, BRAKED, Phase.BRAKED),
    ],
)
def test_a_bmc_that_comes_back(fence: Fence, witness: Witness, around: Surroundings, phase: Phase) -> None:
    """A BMC that answers ON begins another round: three at most, with a second witness, and not past the brake."""
    silent = because(Code.BMC_SILENT, host="c1", detail="no answer")
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=witness, fence=fence, reason=silent), around=around)
    hand.hear(Ticked())
    assert hand.state.phase is phase


def test_the_brake_stops_a_round_that_has_ordered_nothing() -> None:
    """The brake goes on while a host is being fenced: before its first order it waits with the others, after it it goes on."""
    hand = Hand(state=recovery(Phase.FENCING, witness=SILENT, fence=replace(ON, readings=())), around=BRAKED)
    hand.hear(Ticked())
    assert hand.state.phase is Phase.BRAKED
    begun = replace(ON, readings=(), orders=1, round_orders=1, ordered_at=NOW)
    hand = Hand(state=recovery(Phase.FENCING, witness=SILENT, fence=begun), around=BRAKED)
    hand.hear(Ticked())
    assert hand.state.phase is Phase.FENCING


# A human's word


@pytest.mark.parametrize("phase", WAITS)
def test_a_confirm_is_refused_while_nova_hears_the_host(phase: Phase) -> None:
    """In no wait does a human's yes power off a host that Nova hears."""
    hand = Hand(state=recovery(phase, witness=ALIVE, fence=ON))
    decision = hand.hear(YES)
    assert decision.reasons[0].code is Code.CONFIRM_REFUSED_ALIVE
    assert hand.state.word is None
    assert hand.state.proof is None


@pytest.mark.parametrize("phase", [Phase.UNWITNESSED, Phase.BRAKED, Phase.UNPROVEN])
def test_a_confirm_stands_in_for_the_witness_and_the_brake(phase: Phase) -> None:
    """A yes in a wait of a host that reads ON orders the power-off, past the brake and without Nova."""
    hand = Hand(state=recovery(phase, witness=BLIND, fence=ON), around=BRAKED)
    decision = hand.hear(YES)
    assert any(isinstance(effect, PowerOff) for effect in decision.effects)
    assert hand.state.word is not None
    assert hand.state.word.by == "ann"


def test_a_confirm_is_the_proof_where_no_bmc_speaks() -> None:
    """Where the host cannot be proven off by power, the human's word is the proof, with name and reason, for an hour."""
    hand = Hand(
        state=recovery(Phase.UNPROVEN, witness=SILENT, fence=replace(ON, readings=(), trouble=PowerTrouble.SILENT))
    )
    hand.hear(YES)
    found = hand.state.proof
    assert found is not None
    assert (found.rung, found.valid_until) == (Rung.HUMAN, NOW + 3600.0)
    assert found.word is not None
    assert (found.word.by, found.word.why) == ("ann", "I pulled the plug")


def test_a_confirm_waits_for_a_fresh_look() -> None:
    """A yes is weighed against Nova's word of this moment: it waits for one look at it, however that turns out."""
    stale = replace(SILENT, read_at=NOW - 60.0, looked_at=NOW - 60.0)
    for answer, is_taken in ((beat("b1", "new"), True), (beat("b2", "new"), False)):
        hand = Hand(state=recovery(Phase.BRAKED, witness=stale, fence=ON, heartbeat_due=NOW + 60.0))
        decision = hand.hear(YES)
        assert any(isinstance(effect, ReadHeartbeats) for effect in decision.effects)
        assert hand.state.word is None
        hand.hear(answer, after=0.2)
        assert (hand.state.word is not None) is is_taken


GOING_ON = [Phase.WITNESSING, Phase.FENCING, Phase.FORCING_DOWN, Phase.PLANNING, Phase.MOVING]


@pytest.mark.parametrize("phase", GOING_ON)
def test_a_reject_is_taken_at_any_time(phase: Phase) -> None:
    """Nobody has to wait for a wait to stop a recovery, which may never come while Nova refuses for ever."""
    hand = Hand(state=recovery(phase, witness=Witness(looked_at=NOW)))
    hand.hear(NO)
    assert (hand.state.phase, hand.state.outcome) == (Phase.ENDED, Outcome.REJECTED)


@pytest.mark.parametrize("phase", GOING_ON)
def test_a_confirm_that_nobody_asked_for_changes_nothing(phase: Phase) -> None:
    """Outside the waits a yes does nothing, and the timeline says so."""
    hand = Hand(state=recovery(phase, witness=Witness(looked_at=NOW)))
    before = hand.state
    decision = hand.hear(YES)
    assert decision.reasons[0].code is Code.CONFIRM_NOT_ASKED
    assert (hand.state.word, hand.state.phase) == (before.word, phase)


@pytest.mark.parametrize("phase", WAITS)
def test_a_no_ends_every_wait(phase: Phase) -> None:
    """A human's no ends the recovery in every wait, and nothing more is done."""
    hand = Hand(state=recovery(phase, witness=SILENT, fence=ON))
    decision = hand.hear(NO)
    assert (hand.state.phase, hand.state.outcome) == (Phase.ENDED, Outcome.REJECTED)
    assert hand.state.reason.code is Code.REJECTED
    assert not any(isinstance(effect, PowerOff) for effect in decision.effects)


def test_a_no_in_mid_recovery_says_what_is_left() -> None:
    """A no after the host was forced down names what was not moved, and that Nova still holds the host for down."""
    for status, code, left in (
        (MoveStatus.PENDING, Code.REJECTED_MIDWAY, "2 were not moved"),
        (MoveStatus.ACCEPTED, Code.REJECTED_IN_DOUBT, "2 were not settled"),
    ):
        moves = (move("i1", MoveStatus.MOVED), move("i2", status), move("i3"))
        state = recovery(Phase.UNPROVEN, witness=SILENT, fence=ON, prior=PRIOR, surveyed=True, moves=moves)
        hand = Hand(state=replace(state, fence=replace(ON, proofs=1)))
        hand.hear(NO)
        assert hand.state.reason.code is code
        assert f"of whose 3 instances {left}" in hand.state.reason.sentence


def test_a_word_that_was_wrong_counts_no_more() -> None:
    """A human said that the host is dead and Nova hears it: the word is void, also when Nova falls silent later."""
    hand = Hand(state=recovery(Phase.FENCING, witness=ALIVE, fence=ON, word=WORD), around=BRAKED)
    hand.hear(Ticked())
    assert (hand.state.phase, hand.state.word) == (Phase.DISPUTED, None)


@pytest.mark.parametrize("phase", [Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.FENCING, Phase.UNPROVEN])
def test_two_readings_of_off_end_every_wait(phase: Phase) -> None:
    """A host that reads OFF twice and that Nova does not hear is proven off in whatever phase before the proof."""
    fence = replace(ON, readings=off_twice())
    hand = Hand(state=recovery(phase, witness=SILENT, fence=fence), around=BRAKED)
    hand.hear(Ticked())
    assert hand.state.phase is Phase.FORCING_DOWN
    assert hand.state.proof is not None


def test_a_new_owner_begins_anew_with_the_witness() -> None:
    """Where the engine before was fencing, nobody has listened since; with a human's word its round begins anew instead."""
    fence = replace(ON, rounds=1, round_orders=1, orders=1, round_started_at=NOW - 40.0)
    for witness, phase in ((SILENT, Phase.FENCING), (Witness(), Phase.WITNESSING)):
        hand = Hand(state=recovery(Phase.FENCING, witness=witness, fence=fence))
        hand.hear(TakenOver(engine="engine-2", before="engine-1"))
        assert hand.state.phase is phase
        assert phase is Phase.WITNESSING or (hand.state.fence.rounds, hand.state.fence.round_orders) == (2, 0)
    hand = Hand(state=recovery(Phase.FENCING, witness=SILENT, fence=fence, word=WORD))
    hand.hear(TakenOver(engine="engine-2", before="engine-1"))
    assert (hand.state.phase, hand.state.fence.round_started_at) == (Phase.FENCING, NOW)


def test_a_word_is_no_proof_where_the_last_reading_was_on() -> None:
    """The BMC said ON and then nothing: the first yes begins another round, and only after that one does a yes prove anything."""
    silent = replace(ON, readings=(), trouble=PowerTrouble.SILENT, detail="it is silent", known=Power.ON)
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=SILENT, fence=silent, reason=because(Code.SILENT_SINCE_ON)))
    hand.hear(YES)
    assert (hand.state.phase, hand.state.proof, hand.state.fence.asked_again) == (Phase.FENCING, None, True)
    again = replace(silent, asked_again=True)
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=SILENT, fence=again, reason=because(Code.SILENT_STILL)))
    hand.hear(YES)
    assert hand.state.proof is not None
    assert hand.state.proof.rung is Rung.HUMAN
