"""What readings amount to: Nova's heartbeat as a witness, a BMC's readings as a proof, and how a proof lives and dies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import (
    BMC,
    NOW,
    POLICY,
    WORD,
    Hand,
    beat,
    draft,
    heard_peers,
    move,
    moving,
    power_is,
    proof,
    recovery,
    silent_witness,
)
from vmha.core import evidence
from vmha.core.events import HeartbeatsRead, HeartbeatsUnreadable, PowerUnreadable, Ticked
from vmha.core.evidence import View
from vmha.core.explain import Code
from vmha.core.model import (
    Fence,
    MoveStatus,
    Peer,
    Phase,
    Power,
    PowerReading,
    PowerTrouble,
    Rung,
    ServiceReading,
    Witness,
)

SILENT = silent_witness()
SPACING = POLICY.power_read_spacing_seconds


@pytest.mark.parametrize(
    ("witness", "seen"),
    [
        (Witness(), View.UNSURE),
        (SILENT, View.SILENT),
        (replace(SILENT, changed_at=NOW - 29.0), View.UNSURE),
        (replace(SILENT, changed_at=NOW - 29.0, says_down=True), View.UNSURE),
        (replace(SILENT, heard_since=NOW - 29.0, says_down=True), View.UNSURE),
        (replace(SILENT, heard_since=NOW - 89.0, was_deaf=True), View.UNSURE),
        (replace(SILENT, heard_since=NOW - 90.0, was_deaf=True), View.SILENT),
        (replace(SILENT, advances=1), View.SILENT),
        (replace(SILENT, advances=1, changed_at=NOW - 29.0), View.ALIVE),
        (replace(SILENT, advances=1, changed_at=NOW - 29.0, says_down=True), View.ALIVE),
        (replace(SILENT, advances=1, changed_at=NOW - 29.0, trouble="away"), View.ALIVE),
        (replace(SILENT, trouble="away"), View.BLIND),
        (replace(SILENT, read_at=NOW - 7.0), View.UNSURE),
        (replace(SILENT, heard_since=NOW - 11.0), View.UNSURE),
        (replace(SILENT, heard_since=NOW - 11.0, says_down=True), View.UNSURE),
        (replace(SILENT, heard_since=None), View.BLIND),
        (replace(SILENT, heard_since=None, watched_since=NOW - 29.0), View.UNSURE),
    ],
)
def test_what_nova_testifies(witness: Witness, seen: View) -> None:
    """Nova hears the host, has not heard it for long enough, is no witness itself, or it is too early to say."""
    assert evidence.view(witness, NOW, POLICY) is seen


@pytest.mark.parametrize("text", ["", "1970-01-01T00:00:00", "2999-12-31T23:59:59", "no date at all"])
def test_a_heartbeat_is_no_clock(text: str) -> None:
    """What the heartbeat says is never compared with a clock: only that it changed counts."""
    assert evidence.view(replace(SILENT, heartbeat=text), NOW, POLICY) is View.SILENT


@pytest.mark.parametrize(
    ("changed", "hears"),
    [((), False), ((1,), True), ((0,), False), ((1, 0), True), ((1, 0, 0), False), ((1, 1, 0), True)],
)
def test_half_of_the_peers_must_beat(changed: tuple[int, ...], hears: bool) -> None:
    """Nova hears others when half of the watched ones changed of late, and at least one is watched."""
    peers = tuple(
        Peer(host=f"c{n}", heartbeat="b", changed_at=NOW if fresh else NOW - 13.0) for n, fresh in enumerate(changed)
    )
    assert evidence.hears_others(replace(SILENT, peers=peers), POLICY) is hears


def test_a_deaf_nova_must_listen_for_a_beat_first() -> None:
    """A Nova that hears others again is believed only after more than one beat of time."""
    witness = replace(SILENT, heard_since=NOW - POLICY.off_silence_seconds + 0.1)
    assert not evidence.is_listening(witness, POLICY)
    assert evidence.is_listening(replace(witness, heard_since=NOW - POLICY.off_silence_seconds), POLICY)


@pytest.mark.parametrize(
    ("witness", "quiet"),
    [
        (replace(SILENT, changed_at=NOW - 12.0), True),
        (replace(SILENT, changed_at=NOW - 11.9), False),
        (replace(SILENT, changed_at=NOW - 1.0, says_down=True), True),
        (replace(SILENT, changed_at=NOW - 29.0, advances=1), False),
        (replace(SILENT, changed_at=NOW - 30.0, advances=1), True),
        (replace(SILENT, changed_at=NOW - 1.0, advances=1, says_down=True), False),
        (replace(SILENT, heard_since=None), False),
        (Witness(), False),
    ],
)
def test_quiet_enough_to_believe_a_bmc(witness: Witness, quiet: bool) -> None:
    """A BMC that says OFF is believed while Nova gives no sign of the host, longer if Nova ever heard it since the report."""
    assert evidence.is_quiet(witness, POLICY) is quiet


def test_neighbours_are_watched_first() -> None:
    """A few other services are watched: those of the segment first, none that is down or forced down, never the host's own."""
    names = ("c1", "c9", "c3", "c2", "dead", "forced", *(f"far{n}" for n in range(20)))
    services = tuple(
        ServiceReading(host=name, heartbeat="b", is_up=name != "dead", forced_down=name == "forced") for name in names
    )
    before = draft()
    evidence.hear(before, HeartbeatsRead(answers="heartbeats", services=services))
    watched = [peer.host for peer in before.state.witness.peers]
    assert watched[:2] == ["c2", "c3"]
    assert len(watched) == evidence.PEERS
    assert not {"c1", "dead", "forced"} & set(watched)


def test_a_service_that_is_not_listed_is_no_witness() -> None:
    """Where Nova lists no service of the host, it says nothing about it."""
    before = draft()
    evidence.hear(before, beat(None, "1"))
    assert before.state.witness.trouble == "Nova has no compute service on c1"
    assert before.state.witness.heard_since is None


def test_a_failed_look_makes_nova_listen_anew() -> None:
    """After a list that could not be read Nova has to listen for a while again."""
    hand = Hand(state=recovery(witness=SILENT))
    hand.hear(HeartbeatsUnreadable(answers="heartbeats", detail="503"))
    assert hand.state.phase is Phase.UNWITNESSED
    hand.hear(beat("b1", "2"), after=2.0)
    assert evidence.view(hand.state.witness, hand.now, POLICY) is View.UNSURE


def test_a_heartbeat_seen_to_change_is_counted() -> None:
    """The first value seen is no sign of anything; each change after it is one."""
    before = draft(recovery())
    for text in ("a", "a", "b", "c"):
        evidence.hear(before, beat(text, text))
    assert before.state.witness.advances == 2
    assert all(peer.changed_at == NOW for peer in before.state.witness.peers)


def test_forced_down_is_nobodys_verdict() -> None:
    """A service that somebody forced down is not taken for one that Nova found to be down."""
    before = draft()
    down = ServiceReading(host="c1", heartbeat="b", is_up=False, forced_down=True)
    evidence.hear(before, HeartbeatsRead(answers="heartbeats", services=(down,)))
    assert not before.state.witness.says_down


@pytest.mark.parametrize(
    ("run", "is_proof"),
    [
        ((), False),
        ((PowerReading(Power.OFF, NOW),), False),
        ((PowerReading(Power.OFF, NOW), PowerReading(Power.OFF, NOW + SPACING - 0.01)), False),
        ((PowerReading(Power.OFF, NOW), PowerReading(Power.OFF, NOW + SPACING)), True),
        ((PowerReading(Power.ON, NOW), PowerReading(Power.ON, NOW + SPACING)), False),
    ],
)
def test_what_proves_a_host_off(run: tuple[PowerReading, ...], is_proof: bool) -> None:
    """Two readings of OFF at least two seconds apart, nothing less."""
    assert evidence.proven_by(Fence(readings=run), POLICY) is is_proof


def test_a_run_keeps_its_ends_and_breaks() -> None:
    """Equal readings are one run, kept by its oldest and youngest; another reading begins anew, and none at all breaks it."""
    before = draft()
    for seconds, power in enumerate((Power.OFF, Power.OFF, Power.OFF, Power.ON, Power.OFF)):
        before.now = NOW + seconds
        evidence.read(before, power, BMC)
        if seconds == 2:
            assert [reading.at for reading in before.state.fence.readings] == [NOW, NOW + 2]
    assert [reading.power for reading in before.state.fence.readings] == [Power.OFF]
    evidence.unreadable(before, PowerTrouble.SILENT, "no answer", BMC)
    assert before.state.fence.readings == ()
    assert before.state.fence.last is None


def test_a_reading_counts_from_when_it_was_asked_for() -> None:
    """A slow BMC may have looked long before its answer came, but not before it was asked."""
    before = draft(recovery(fence=Fence(asked_at=NOW - 6.0)))
    evidence.read(before, Power.OFF, BMC)
    assert before.state.fence.readings == (PowerReading(Power.OFF, NOW - 6.0),)


def test_two_readings_with_a_quiet_nova_prove() -> None:
    """The second OFF, two seconds after the first, is a proof that lives for thirty seconds from when it was asked for."""
    hand = Hand(state=recovery(witness=replace(SILENT, says_down=True), fence=Fence(asked_at=NOW - 2.5)))
    hand.hear(power_is(Power.OFF))
    assert not hand.is_proven()
    hand.hear(Ticked(), after=2.5)
    hand.hear(power_is(Power.OFF), after=0.1)
    found = hand.state.proof
    assert found is not None
    assert found.rung is Rung.IPMI
    assert found.valid_until == found.readings[-1].at + POLICY.proof_valid_seconds
    assert hand.state.phase is Phase.FORCING_DOWN


def test_off_renews_a_proof_by_power() -> None:
    """Each further OFF moves the end of the proof on, and its last reading."""
    hand = Hand(state=moving(move(), fence=Fence(readings=proof().readings, asked_at=NOW, proofs=1)))
    hand.hear(power_is(Power.OFF))
    assert hand.state.proof is not None
    assert hand.state.proof.valid_until == NOW + POLICY.proof_valid_seconds
    assert hand.state.proof.readings == (proof().readings[0], PowerReading(Power.OFF, NOW))


def test_off_does_not_renew_a_word() -> None:
    """A human's word keeps its own end, whatever a BMC says."""
    word = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 100.0)
    hand = Hand(state=moving(move(), proof=word, fence=Fence(asked_at=NOW, proofs=1)))
    hand.hear(power_is(Power.OFF))
    assert hand.state.proof == word


def test_on_revokes_a_proof() -> None:
    """A reading of ON ends a proof by power and a proof by word alike, and nothing more is ordered."""
    for held in (proof(), proof(rung=Rung.HUMAN, word=WORD, readings=())):
        hand = Hand(state=moving(move(), proof=held))
        decision = hand.hear(power_is(Power.ON))
        assert decision.revoked[0][0] == held
        assert not hand.is_proven()
        assert hand.state.phase is Phase.UNPROVEN
        assert hand.state.reason.code is Code.HOST_RETURNED


def test_a_heartbeat_suspends_a_proof() -> None:
    """A heartbeat that changes after the proof suspends it; one that stands still does not."""
    hand = Hand(state=moving(move(status=MoveStatus.ACCEPTED), witness=evidence.forget_heartbeat(SILENT)))
    hand.hear(beat("x", "1"))
    hand.hear(beat("x", "2"), after=1.0)
    assert hand.is_proven()
    hand.hear(beat("y", "3"), after=1.0)
    assert not hand.is_proven()
    assert hand.state.reason.code is Code.SIGN_OF_LIFE


def test_a_second_sign_of_life_blames_the_bmc() -> None:
    """A host that is proven off twice and heard twice has a BMC that is wrong, and a human's word is not believed twice either."""
    hand = Hand(state=moving(move(), fence=Fence(contradictions=1, proofs=2), witness=replace(SILENT, advances=1)))
    hand.hear(Ticked())
    assert hand.state.reason.code is Code.CONTRADICTED
    word = proof(rung=Rung.HUMAN, word=WORD, readings=())
    hand = Hand(state=moving(move(), proof=word, witness=replace(SILENT, advances=1)))
    hand.hear(Ticked())
    assert hand.state.reason.code is Code.WORD_OVERTAKEN


def test_a_proof_grows_old() -> None:
    """At the end of its time a proof is revoked, not a moment later."""
    hand = Hand(state=moving(move(status=MoveStatus.ACCEPTED)))
    hand.hear(Ticked(), after=28.9)
    assert hand.is_proven()
    hand.hear(PowerUnreadable(answers="power", trouble=PowerTrouble.SILENT, detail="no answer", address=BMC), after=0.1)
    assert not hand.is_proven()
    assert Code.PROOF_EXPIRED in hand.said


def test_peers_of_a_silent_nova_are_fresh() -> None:
    """The witness that these tests begin with is one that Nova's peers speak for."""
    assert evidence.fresh_peers(replace(SILENT, peers=heard_peers()), POLICY) == 2
