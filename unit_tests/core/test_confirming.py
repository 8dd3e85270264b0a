"""Which question a human's word answers, and when it is the proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import NOW, Hand, recovery, silent_witness
from vmha.core.events import Confirmed, Ticked
from vmha.core.explain import Code, because
from vmha.core.invariants import Broken, check
from vmha.core.model import Fence, Phase, Power, PowerTrouble
from vmha.core.stops import HumanWord

SILENT = Fence(trouble=PowerTrouble.SILENT, detail="it is silent", rounds=1, round_started_at=NOW - 60.0)
PLAIN = Confirmed(by="ann", why="it is dead")
EARLIER = HumanWord("bob", "it is dead", NOW - 10.0)


def unproven(fence: Fence = SILENT, **changes: object) -> Hand:
    """A recovery that waits for a proof, Nova silent about its host."""
    reason = because(Code.BMC_SILENT, host="c1", detail="it is silent")
    return Hand(state=recovery(Phase.UNPROVEN, witness=silent_witness(), fence=fence, reason=reason, **changes))


@pytest.mark.parametrize(
    ("hand", "word", "is_proof"),
    [
        (unproven(), PLAIN, True),
        (unproven(), replace(PLAIN, asked="unproven"), True),
        (unproven(), replace(PLAIN, asked="unwitnessed"), False),
        (unproven(), replace(PLAIN, asked="fencing"), False),
        (unproven(replace(SILENT, asked_order=True)), replace(PLAIN, asked="unproven"), False),
        (unproven(word=EARLIER), replace(PLAIN, asked="unproven"), False),
        (unproven(replace(SILENT, asked_order=True), word=EARLIER), replace(PLAIN, is_off=True), True),
    ],
    ids=["only", "answers-it", "of-another-wait", "of-none", "asked-before", "second-word", "says-it"],
)
def test_a_word_is_the_proof_where_it_can_mean_nothing_else(hand: Hand, word: Confirmed, is_proof: bool) -> None:
    """A yes to another question is no proof, and is refused with what to say."""
    before = hand.state.word
    hand.hear(word)
    assert (hand.state.proof is not None) is is_proof
    assert (Code.CONFIRM_NOT_OF_POWER in hand.said) is not is_proof
    if not is_proof:
        assert (hand.state.phase, hand.state.word) == (Phase.UNPROVEN, before)


def test_no_word_stands_against_a_reading_of_on() -> None:
    """Whatever it says: a host that reads ON is powered off, and only readings prove it off."""
    fence = Fence(known=Power.ON, trouble=PowerTrouble.SILENT, detail="it is silent", rounds=1, round_started_at=NOW)
    hand = unproven(fence)
    hand.hear(replace(PLAIN, is_off=True))
    assert (hand.state.phase, hand.state.proof) == (Phase.FENCING, None)


def test_that_an_order_was_asked_for_is_remembered() -> None:
    """It stays so for the rest of the recovery, also while a word waits for a fresh look at Nova."""
    stale = silent_witness(read_at=NOW - 60.0, looked_at=NOW - 60.0)
    hand = Hand(state=recovery(Phase.BRAKED, witness=stale, fence=SILENT, was_braked=True, heartbeat_due=NOW + 60.0))
    hand.hear(replace(PLAIN, asked="braked", is_off=True))
    assert hand.state.fence.asked_order
    assert hand.state.unweighed is not None
    assert (hand.state.unweighed.asked, hand.state.unweighed.is_off) == ("braked", True)


@pytest.mark.parametrize("phase", list(Phase))
def test_which_phases_ask_for_an_order(phase: Phase) -> None:
    """Those before the first power-off in which a confirm begins a round, in a dispute once Nova no longer hears the host."""
    asking = (Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.CAPPED, Phase.ASKING)
    assert phase.asks_to_order is (phase in asking)


def test_the_promise_is_checked() -> None:
    """A proof by a word that may answer another question is a broken promise."""
    hand = unproven()
    before = hand.state
    decision = hand.hear(PLAIN)
    mixed = replace(decision.state, fence=replace(decision.state.fence, asked_order=True))
    with pytest.raises(Broken, match="may answer whether to power the host off"):
        check(before, replace(decision, state=mixed), NOW, hand.policy, hand.around)


@pytest.mark.parametrize("phase", [Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.CAPPED, Phase.ASKING])
def test_a_question_that_an_older_version_did_not_write_down_is_remembered(phase: Phase) -> None:
    """Also where the first decision leaves the phase; to forget it is a broken promise."""
    before = recovery(phase, witness=silent_witness())
    assert not before.fence.asked_order
    hand = Hand(state=before)
    decision = hand.hear(Ticked())
    assert decision.state.fence.asked_order
    forgotten = replace(decision.state, fence=replace(decision.state.fence, asked_order=False))
    with pytest.raises(Broken, match="asked for an order"):
        check(before, replace(decision, state=forgotten), NOW, hand.policy, hand.around)
