"""A monitor's word stands in the place of a proof only where the operator chose that, and is called what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import (
    AROUND,
    NOW,
    POLICY,
    WORD,
    Hand,
    beat,
    move,
    moving,
    power_is,
    proof,
    recovery,
    silent_witness,
)
from vmha.core.events import Confirmed, Notified, PowerUnreadable, TakenOver, Ticked
from vmha.core.explain import Code
from vmha.core.invariants import Broken, check
from vmha.core.model import Fence, Phase, Power, PowerTrouble, Recovery, Rung, Surroundings, Witness
from vmha.core.policy import Policy
from vmha.core.stops import DetectorWord

SAID = DetectorWord("notification-1", NOW - 60.0)
NO_DEVICE = Fence(trouble=PowerTrouble.NO_DEVICE, detail="no BMC")
BELIEVING = replace(POLICY, detector_segments=frozenset({"rack-1"}))
RACK = replace(AROUND, segment_name="rack-1")


def reported(**changes: Any) -> Recovery:
    """c1 was reported off, has no fence device, and Nova is silent about it."""
    return replace(recovery(witness=silent_witness(), fence=NO_DEVICE, detector=SAID), **changes)


def after_a_look(state: Recovery, *, policy: Policy = BELIEVING, around: Surroundings = RACK) -> Hand:
    """Let the engine decide once more."""
    hand = Hand(state=state, policy=policy, around=around)
    hand.hear(Ticked())
    return hand


def is_believed(hand: Hand) -> bool:
    """Tell whether the monitor's word stands where a proof should."""
    return hand.state.proof is not None and hand.state.proof.rung is Rung.DETECTOR


def test_it_is_believed_and_named_as_no_proof() -> None:
    """The recovery goes on to force the host down; the sentence says that there is no proof, whose word it is, and by which policy."""
    hand = after_a_look(reported())
    assert is_believed(hand)
    assert hand.state.phase is Phase.FORCING_DOWN
    assert hand.said == [Code.WITNESS_SILENT, Code.DETECTOR_BELIEVED]
    sentence = hand.state.reason.sentence
    assert sentence.startswith("there is no proof that c1 is off")
    assert "notification notification-1, host_status NORMAL" in sentence
    assert "segment rack-1 has policy = detector" in sentence
    assert hand.state.proof is not None
    assert hand.state.proof.valid_until == NOW + 3600.0
    assert hand.state.proof.silent_seconds == 31.0


@pytest.mark.parametrize(
    ("changes", "policy", "around"),
    [
        ({}, POLICY, RACK),
        ({}, BELIEVING, AROUND),
        ({"detector": None}, BELIEVING, RACK),
        ({"fence": replace(NO_DEVICE, trouble=PowerTrouble.SILENT)}, BELIEVING, RACK),
        ({"fence": replace(NO_DEVICE, trouble=PowerTrouble.BAD_CREDENTIALS)}, BELIEVING, RACK),
        ({"fence": Fence()}, BELIEVING, RACK),
        ({"fence": replace(NO_DEVICE, known=Power.ON)}, BELIEVING, RACK),
        ({"fence": replace(NO_DEVICE, proofs=1)}, BELIEVING, RACK),
        ({"checks": frozenset({"power"})}, BELIEVING, RACK),
        ({"witness": silent_witness(advances=1, changed_at=NOW - 5.0)}, BELIEVING, RACK),
        ({"witness": silent_witness(changed_at=NOW - 29.0)}, BELIEVING, RACK),
        ({"witness": silent_witness(heard_since=None)}, BELIEVING, RACK),
        ({"witness": Witness(trouble="away", looked_at=NOW)}, BELIEVING, RACK),
        ({}, BELIEVING, replace(RACK, segment_failures=3)),
    ],
    ids=[
        "not chosen",
        "another segment",
        "host_status UNKNOWN",
        "a BMC that is silent",
        "a BMC that refuses us",
        "power not read yet",
        "a BMC that said ON",
        "once more",
        "power not read by the new owner",
        "Nova hears it",
        "not silent for long enough",
        "a deaf Nova",
        "no Nova",
        "beyond the brake",
    ],
)
def test_it_is_not_believed(changes: dict[str, Any], policy: Policy, around: Surroundings) -> None:
    """Without the operator's choice, the word itself, a silent Nova, or with a fence device or the brake on, nothing goes on."""
    hand = after_a_look(reported(**changes), policy=policy, around=around)
    assert hand.state.proof is None
    assert hand.state.phase is not Phase.FORCING_DOWN


def test_a_later_notification_may_bring_it() -> None:
    """A wait that began because the monitor could not tell ends when it can."""
    hand = after_a_look(reported(detector=None))
    assert hand.state.reason.code is Code.NO_DEVICE
    hand.hear(Notified(notification="n2", says_off=False))
    assert not is_believed(hand)
    hand.hear(Notified(notification="n3", says_off=True))
    assert is_believed(hand)
    assert hand.state.detector == DetectorWord("n3", NOW)


def test_the_first_word_is_kept() -> None:
    """A second notification adds nothing to a word that was given."""
    hand = after_a_look(reported())
    hand.hear(Notified(notification="n2", says_off=True))
    assert hand.state.detector == SAID


def test_a_human_releases_the_brake_and_the_word_does_the_rest() -> None:
    """Beyond the brake a human's yes is needed; then the recovery goes on by the monitor's word, and says so."""
    hand = after_a_look(reported(), around=replace(RACK, segment_failures=3))
    assert hand.state.phase is Phase.BRAKED
    hand.hear(Confirmed(by="ann", why="I looked"))
    assert is_believed(hand)


def believed(**changes: Any) -> Recovery:
    """c1 is being recovered on the word."""
    word = proof(
        rung=Rung.DETECTOR, readings=(), established_at=NOW - 60.0, read_at=NOW - 60.0, valid_until=NOW + 3540.0
    )
    state = moving(move(), proof=word, fence=replace(NO_DEVICE, proofs=1), detector=SAID, witness=silent_witness())
    return replace(state, **changes)


def test_a_heartbeat_ends_it_for_good() -> None:
    """Where Nova hears the host the word counts no more; a human is told to look, and the word is not taken again in the silence after."""
    hand = after_a_look(believed(witness=silent_witness(advances=1, changed_at=NOW)))
    assert (hand.state.proof, hand.state.phase) == (None, Phase.UNPROVEN)
    assert hand.state.reason.code is Code.WORD_OVERTAKEN
    assert "its monitor's word" in hand.state.reason.sentence
    hand.hear(PowerUnreadable(answers="power", trouble=PowerTrouble.NO_DEVICE, detail="no BMC", address=""))
    assert hand.state.reason.code is Code.WORD_OVERTAKEN
    hand.state = replace(hand.state, witness=silent_witness())
    hand.hear(Ticked())
    assert hand.state.proof is None


def test_a_reading_of_on_ends_it() -> None:
    """A BMC that was written into the inventory meanwhile, and reads ON, is believed more."""
    hand = after_a_look(believed())
    hand.hear(power_is(Power.ON))
    assert hand.state.proof is None
    assert hand.state.reason.code is Code.HOST_RETURNED


def test_its_age_ends_it() -> None:
    """After its time it counts no more, and what is left waits for a human."""
    hand = after_a_look(believed(proof=proof(rung=Rung.DETECTOR, readings=(), valid_until=NOW)))
    assert hand.state.proof is None
    assert hand.state.reason.code is Code.WORD_EXPIRED


@pytest.mark.parametrize(("policy", "stands"), [(BELIEVING, True), (POLICY, False)])
def test_a_new_owner_judges_it_by_todays_policy(policy: Policy, stands: bool) -> None:
    """An engine that was restarted without policy = detector does not go on with the word; one that has it does."""
    hand = Hand(state=believed(), policy=policy, around=RACK)
    hand.hear(TakenOver(engine="engine-2", before="engine-1"))
    hand.hear(PowerUnreadable(answers="power", trouble=PowerTrouble.NO_DEVICE, detail="no BMC", address=""))
    hand.hear(beat("b1", "1"))
    assert is_believed(hand) is stands


@pytest.mark.parametrize(
    ("broken", "changes", "policy", "around"),
    [
        ("P1: the monitor's word is taken in a segment without", {}, POLICY, RACK),
        ("P1: the monitor's word is taken although it did not say", {"detector": None}, BELIEVING, RACK),
        ("P1: the monitor's word is taken for a host with a fence device", {"fence": Fence()}, BELIEVING, RACK),
        ("P0: the monitor's word is taken after", {"silent": 29.0}, BELIEVING, RACK),
        ("P0: the monitor's word is taken after", {"witness": Witness(trouble="away")}, BELIEVING, RACK),
        ("P6: the monitor's word is taken beyond the brake", {}, BELIEVING, replace(RACK, segment_failures=3)),
        ("P6: the monitor's word is taken beyond the brake", {"was_braked": True}, BELIEVING, RACK),
    ],
)
def test_the_promises_know_it(broken: str, changes: dict[str, Any], policy: Policy, around: Surroundings) -> None:
    """A decision that takes the word where it may not is stopped, whoever made it."""
    hand = Hand(state=reported(), policy=BELIEVING, around=RACK)
    decision = hand.hear(Ticked())
    assert decision.state.proof is not None
    fields = dict(changes)
    silent_seconds = fields.pop("silent", decision.state.proof.silent_seconds)
    after = replace(decision.state, proof=replace(decision.state.proof, silent_seconds=silent_seconds), **fields)
    with pytest.raises(Broken, match=broken):
        check(reported(), replace(decision, state=after), NOW, policy, around)
    if "beyond" in broken:
        check(reported(), replace(decision, state=replace(after, word=WORD)), NOW, policy, around)


def test_the_promises_take_the_word_once() -> None:
    """After it was overtaken no decision may take it again."""
    decision = Hand(state=reported(), policy=BELIEVING, around=RACK).hear(Ticked())
    before = reported(fence=replace(NO_DEVICE, proofs=1))
    with pytest.raises(Broken, match="P1: the monitor's word is taken once more"):
        check(before, decision, NOW, BELIEVING, RACK)
