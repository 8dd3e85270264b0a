"""Pause, resume, cancel and disarm: nothing is ordered, all is watched, and it goes on where it stood."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import AROUND, NOW, PRIOR, WORD, Hand, beat, move, proof, recovery, silent_witness
from vmha.core.alerting import Severity, severity
from vmha.core.causes import Cause
from vmha.core.diagnosis import diagnosed
from vmha.core.effects import Alert, AlertKind, Evacuate, ExamineInstance
from vmha.core.events import (
    Cancelled,
    Confirmed,
    InstanceExamined,
    OrderNotSent,
    Paused,
    PowerRead,
    Rejected,
    Resumed,
    TakenOver,
    Ticked,
)
from vmha.core.explain import Code, because
from vmha.core.invariants import Broken, check
from vmha.core.model import (
    Disarm,
    Fence,
    Halt,
    Move,
    MoveStatus,
    Outcome,
    Phase,
    Power,
    Recovery,
    RecoveryMethod,
    Surroundings,
)

KNOWN = diagnosed(Cause.TIMEOUT, "Nova took it and did not end it")


def examined(hand: Hand) -> InstanceExamined:
    """Nova's answer that it knows no more, to the one question that is asked."""
    (key,) = (key for key in hand.state.outstanding if key.startswith(ExamineInstance.prefix))
    return InstanceExamined(answers=key, instance="vm1", findings=None, detail="away")


ORDER = Disarm(scope="all hosts", by="ann", why="the network is rebuilt", until=NOW + 600.0, until_text="noon")
DISARMED = replace(AROUND, disarmed=ORDER)


def moving(*statuses: MoveStatus, around: Surroundings = AROUND) -> Hand:
    """A recovery with a proof, and an instance in each of these states."""
    moves = tuple(move(f"vm{number}", status) for number, status in enumerate(statuses))
    state = recovery(
        Phase.MOVING,
        proof=proof(),
        fence=Fence(proofs=1, readings=proof().readings),
        prior=PRIOR,
        surveyed=True,
        moves=moves,
    )
    return Hand(state=state, around=around)


def paused(state: Recovery) -> Hand:
    """What becomes of it when ann pauses."""
    hand = Hand(state=state)
    hand.hear(Paused(by="ann", why="wait"))
    return hand


def orders(hand: Hand, seconds: float = 0.0) -> list[str]:
    """What is ordered when time passes."""
    return [effect.key for effect in hand.hear(Ticked(), after=seconds).effects if effect.is_order]


def test_a_pause_orders_nothing_until_it_is_over() -> None:
    """What waits to be moved is not ordered while it stands, however long, and at once when it is over."""
    hand = moving(MoveStatus.PENDING)
    assert hand.hear(Paused(by="ann", why="wait")).state.phase is Phase.HALTED
    assert [orders(hand, 5.0), orders(hand, 5.0)] == [[], []]
    assert hand.state.reason.sentence.startswith("ann paused the recovery of c1: wait")
    decision = hand.hear(Resumed(by="bob", why="go"))
    assert decision.state.phase is Phase.MOVING
    assert decision.state.halt is None
    assert [effect.key for effect in decision.effects if isinstance(effect, Evacuate)]


def test_a_disarming_ends_by_itself() -> None:
    """Where the surroundings name a disarming nothing is ordered, and once they name none it goes on."""
    hand = moving(MoveStatus.PENDING, around=DISARMED)
    assert orders(hand) == []
    assert hand.state.phase is Phase.HALTED
    assert "ann disarmed all hosts until noon" in hand.state.reason.sentence
    assert hand.state.wake_at is not None
    assert hand.state.wake_at <= hand.now + hand.policy.witness_interval_seconds
    hand.around = AROUND
    assert orders(hand, 2.0)
    assert hand.state.phase is Phase.MOVING


def test_a_longer_disarming_is_named_without_another_line() -> None:
    """Its end is shown as it stands now; the timeline does not repeat it."""
    hand = moving(MoveStatus.PENDING, around=DISARMED)
    hand.hear(Ticked())
    hand.around = replace(AROUND, disarmed=replace(ORDER, until_text="midnight"))
    decision = hand.hear(Ticked(), after=2.0)
    assert "until midnight" in decision.state.reason.sentence
    assert decision.reasons == ()


def test_a_pause_outlives_a_disarming_and_the_reverse() -> None:
    """Each stops by itself: it goes on when neither stands."""
    hand = moving(MoveStatus.PENDING, around=DISARMED)
    hand.hear(Paused(by="bob", why="not before I looked"))
    hand.around = AROUND
    assert orders(hand, 2.0) == []
    hand.around = DISARMED
    hand.hear(Resumed(by="bob", why="looked"))
    assert hand.state.phase is Phase.HALTED
    assert hand.state.reason.code is Code.DISARMED
    hand.around = AROUND
    assert orders(hand, 2.0)


@pytest.mark.parametrize("phase", [Phase.WITNESSING, Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.UNPROVEN])
def test_a_wait_is_the_same_wait_afterwards(phase: Phase) -> None:
    """It goes on in the phase and for the reason that stood before, and looks at once."""
    before = recovery(
        phase, reason=because(Code.BRAKED, failures=3, hosts=4, seconds=1, allowed=2, host="c1"), was_braked=True
    )
    hand = paused(before)
    assert hand.state.halt == Halt(
        phase=phase, reason=before.reason, word=hand.state.halt.word if hand.state.halt else None
    )
    after = hand.hear(Resumed(by="ann", why="go"), after=1.0).state
    assert after.phase in (phase, Phase.WITNESSING)
    assert {"heartbeats", "power"} <= after.outstanding


def test_a_round_of_fencing_begins_anew() -> None:
    """Nova's silence has to be seen again before a power-off, as its time ran on meanwhile; a human's word stands for it."""
    fencing = recovery(Phase.FENCING, fence=Fence(rounds=1, round_started_at=NOW - 40.0), witness=silent_witness())
    hand = paused(fencing)
    hand.hear(Resumed(by="ann", why="go"), after=600.0)
    assert hand.state.phase is Phase.WITNESSING
    hand = paused(replace(fencing, word=WORD))
    hand.hear(Resumed(by="ann", why="go"), after=600.0)
    assert hand.state.phase is Phase.FENCING
    assert hand.state.fence.round_started_at == hand.now


def test_a_host_that_comes_back_meanwhile_is_seen() -> None:
    """A reading of ON ends the proof at once, and what goes on is the wait for a human."""
    hand = moving(MoveStatus.PENDING)
    hand.hear(Paused(by="ann", why="wait"))
    hand.hear(PowerRead(answers="power", power=Power.ON, address="bmc"), after=5.0)
    assert hand.state.proof is None
    assert hand.state.phase is Phase.HALTED
    decision = hand.hear(Resumed(by="ann", why="go"))
    assert decision.state.phase is Phase.UNPROVEN
    assert decision.state.reason.code is Code.HOST_RETURNED
    assert not [effect for effect in decision.effects if effect.is_order]


def test_only_the_first_pause_counts() -> None:
    """A second one changes nothing and is told; so is a resume of what nobody paused, and a confirm of what is halted."""
    hand = paused(recovery())
    assert hand.hear(Paused(by="bob", why="me too")).reasons[0].code is Code.PAUSE_NOT_TAKEN
    assert hand.state.halt is not None
    assert hand.state.halt.word is not None
    assert hand.state.halt.word.by == "ann"
    assert hand.hear(Confirmed(by="bob", why="off")).reasons[0].code is Code.CONFIRM_HALTED
    assert hand.state.word is None
    hand.hear(Resumed(by="bob", why="go"))
    assert hand.hear(Resumed(by="bob", why="go")).reasons[0].code is Code.RESUME_NOT_TAKEN
    disarmed = Hand(state=recovery(), around=DISARMED)
    disarmed.hear(Ticked())
    assert disarmed.hear(Resumed(by="bob", why="go")).reasons[0].code is Code.RESUME_NOT_TAKEN
    assert disarmed.state.phase is Phase.HALTED


def test_a_pause_alerts_and_alerts_again() -> None:
    """Humans are told at once and on schedule, since a pause is forgotten more easily than it is made."""
    hand = paused(recovery())
    assert hand.state.alert_due == NOW + hand.policy.alert_interval_seconds
    told = hand.hear(Ticked(), after=hand.policy.alert_interval_seconds).effects
    assert [effect.key for effect in told].count("alert") == 1


def test_another_engine_keeps_the_pause() -> None:
    """A takeover goes on halting."""
    hand = paused(recovery(Phase.BRAKED, was_braked=True))
    hand.hear(TakenOver(engine="e2", before="e1"))
    assert hand.state.phase is Phase.HALTED
    assert orders(hand, 5.0) == []


def test_a_cancel_follows_what_nova_took() -> None:
    """What nobody works on is left alone at once; it ends when the rest has ended, with both counts."""
    hand = moving(MoveStatus.MOVED, MoveStatus.ACCEPTED, MoveStatus.PENDING, MoveStatus.HELD)
    decision = hand.hear(Cancelled(by="ann", why="restored from backup"))
    assert decision.state.phase is Phase.CANCELLING
    assert decision.state.proof is None
    assert [each.status for each in decision.state.moves[2:]] == [MoveStatus.SKIPPED] * 2
    assert decision.state.moves[1].status is MoveStatus.ACCEPTED
    hand.state = replace(
        hand.state,
        moves=tuple(
            replace(each, status=MoveStatus.MOVED) if each.status.is_in_flight else each for each in hand.state.moves
        ),
    )
    ended = hand.hear(Ticked(), after=5.0).state
    assert (ended.phase, ended.outcome) == (Phase.ENDED, Outcome.REJECTED)
    assert "2 of 4 instances of c1 moved" in ended.reason.sentence


@pytest.mark.parametrize(
    "unclear",
    [
        move("vm1", MoveStatus.STALLED, suspects=("c2",), attempts=1, diagnosis=KNOWN),
        move("vm1", MoveStatus.PENDING, pinned="c2", attempts=1, diagnosis=KNOWN),
        move("vm1", MoveStatus.HELD, pinned="c2"),
    ],
)
def test_a_cancel_says_where_a_guest_may_be(unclear: Move) -> None:
    """Such an instance is no one that was left behind: whoever evacuated it by hand would make a second guest of it."""
    hand = moving(MoveStatus.PENDING)
    hand.state = replace(hand.state, moves=(move("vm0", MoveStatus.PENDING), unclear))
    ended = hand.hear(Cancelled(by="ann", why="no")).state
    ended = hand.hear(Ticked(), after=6.0).state if ended.phase is not Phase.ENDED else ended
    ended = hand.hear(examined(hand), after=1.0).state if ended.phase is not Phase.ENDED else ended
    assert [each.status for each in ended.moves] == [MoveStatus.SKIPPED, MoveStatus.FAILED]
    left = ended.moves[1]
    assert left.suspects == ("c2",)
    assert left.reason is not None
    assert "a guest of it may be on c2" in left.reason.sentence
    assert left.diagnosis is not None
    assert left.diagnosis.cause in (Cause.TIMEOUT, Cause.FENCING_GAP)
    assert ended.reason.code is Code.CANCELLED_IN_DOUBT
    assert "name of vm1 on c2" in ended.reason.sentence


def test_a_cancel_leaves_behind_what_can_be_nowhere_else() -> None:
    """Once the host that was suspected is proven off, nothing of the instance runs."""
    hand = moving(MoveStatus.PENDING, around=replace(AROUND, proven_off=frozenset({"c2"})))
    hand.state = replace(hand.state, moves=(move("vm1", MoveStatus.STALLED, suspects=("c2",)),))
    ended = hand.hear(Cancelled(by="ann", why="no")).state
    assert ended.moves[0].status is MoveStatus.SKIPPED
    assert ended.reason.code is Code.CANCELLED_MIDWAY


@pytest.mark.parametrize(
    ("word", "code"),
    [(Cancelled, Code.CANCELLED_POWERED_OFF), (Rejected, Code.REJECTED_POWERED_OFF)],
)
def test_an_end_after_the_power_off_says_so(word: type[Cancelled | Rejected], code: Code) -> None:
    """The host is likely off, and Nova does not hold it for down: whoever stopped it has to know, and somebody is woken."""
    hand = Hand(state=recovery(Phase.FENCING, fence=Fence(orders=1, rounds=1, round_orders=1)))
    decision = hand.hear(word(by="ann", why="no"))
    assert (decision.state.outcome, decision.state.reason.code) == (Outcome.REJECTED, code)
    assert "likely off" in decision.state.reason.sentence
    assert severity(AlertKind.ENDED, Phase.ENDED, Outcome.REJECTED, code) is Severity.CRITICAL
    assert severity(AlertKind.ENDED, Phase.ENDED, Outcome.REJECTED, Code.REJECTED) is Severity.INFO


def test_a_power_off_that_never_left_is_none() -> None:
    """Nobody may take a host for off because of an order that was held back at the door."""
    fence = Fence(orders=1, rounds=1, round_orders=1, round_started_at=NOW)
    hand = Hand(state=recovery(Phase.FENCING, fence=fence, outstanding=frozenset({"power-off:1"})))
    hand.hear(OrderNotSent(answers="power-off:1", instance=None, detail="the database is away"))
    assert (hand.state.fence.orders, hand.state.fence.sent) == (1, 0)
    assert hand.hear(Rejected(by="ann", why="no")).state.reason.code is Code.REJECTED


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (Paused(by="bob", why="wait"), Code.CONFIRM_HALTED),
        (Ticked(), Code.CONFIRM_HALTED),
        (Cancelled(by="bob", why="no"), Code.CONFIRM_NOT_ASKED),
    ],
    ids=["pause", "disarming", "cancel"],
)
def test_a_confirm_that_waits_for_a_look_is_refused_aloud(stop: Paused | Ticked | Cancelled, code: Code) -> None:
    """Its author has to know that nothing is done by it."""
    stale = silent_witness(read_at=NOW - 60.0, looked_at=NOW - 60.0)
    hand = Hand(state=recovery(Phase.UNPROVEN, witness=stale, heartbeat_due=NOW + 60.0))
    hand.hear(Confirmed(by="ann", why="it is dead", is_off=True))
    assert hand.state.unweighed is not None
    if isinstance(stop, Ticked):
        hand.around = DISARMED
    decision = hand.hear(stop)
    refusals = [effect.reason for effect in decision.effects if isinstance(effect, Alert)]
    assert code in [reason.code for reason in refusals]
    assert (hand.state.unweighed, hand.state.word) == (None, None)


def test_what_waits_for_room_waits_on_after_a_pause() -> None:
    """The time in which nothing could be ordered is none in which it was tried."""
    hand = moving(MoveStatus.PENDING)
    waiting = replace(hand.state.moves[0], no_room_since=NOW - 100.0, retry_at=NOW + 10.0)
    hand.state = replace(hand.state, moves=(waiting,))
    hand.hear(Paused(by="ann", why="wait"))
    hand.hear(Resumed(by="ann", why="done"), after=5000.0)
    assert hand.move("vm0").no_room_since == NOW + 4900.0


def test_a_reject_names_what_nova_works_on() -> None:
    """What was ordered and is not over may end anywhere; what only waited stands on the host alone."""
    hand = moving(MoveStatus.PENDING, MoveStatus.ACCEPTED, MoveStatus.LANDED)
    hand.state = replace(hand.state, moves=tuple(replace(each, destination="c3") for each in hand.state.moves))
    ended = hand.hear(Rejected(by="ann", why="no")).state
    assert ended.reason.code is Code.REJECTED_IN_DOUBT
    assert dict(ended.reason.facts) | {"left": "3", "count": "2"} == dict(ended.reason.facts)
    assert "name of vm1 on c3, name of vm2 on c3" in ended.reason.sentence
    waiting = moving(MoveStatus.PENDING, MoveStatus.HELD)
    assert waiting.hear(Rejected(by="ann", why="no")).state.reason.code is Code.REJECTED_MIDWAY


def test_a_cancel_before_anything_was_done_ends_at_once() -> None:
    """Also out of a pause."""
    hand = paused(recovery(Phase.BRAKED))
    ended = hand.hear(Cancelled(by="ann", why="being replaced")).state
    assert (ended.phase, ended.outcome, ended.halt) == (Phase.ENDED, Outcome.REJECTED, None)
    assert ended.reason.sentence == "ann cancelled: being replaced; nothing more is done for c1"


def test_a_reject_ends_what_is_halted() -> None:
    """Whatever halted it, and whether that is over just then."""
    assert paused(recovery()).hear(Rejected(by="ann", why="well")).state.outcome is Outcome.REJECTED
    disarmed = Hand(state=recovery(), around=DISARMED)
    disarmed.hear(Ticked())
    disarmed.around = AROUND
    ended = disarmed.hear(Rejected(by="ann", why="well")).state
    assert (ended.phase, ended.wake_at) == (Phase.ENDED, None)


def test_what_is_cancelled_is_neither_paused_nor_disarmed() -> None:
    """It orders nothing anyway; a reject ends it at once."""
    hand = moving(MoveStatus.ACCEPTED, around=AROUND)
    hand.hear(Cancelled(by="ann", why="no"))
    hand.around = DISARMED
    assert hand.hear(Paused(by="bob", why="wait")).reasons[0].code is Code.PAUSE_NOT_TAKEN
    assert hand.state.phase is Phase.CANCELLING
    assert hand.hear(Rejected(by="ann", why="now")).state.outcome is Outcome.REJECTED


def test_a_heartbeat_is_heard_while_it_is_halted() -> None:
    """So a host that lives is disputed when it goes on, and not powered off."""
    hand = paused(recovery(witness=silent_witness()))
    hand.hear(beat("b2", "b4"), after=3.0)
    hand.hear(Resumed(by="ann", why="go"), after=1.0)
    assert hand.state.phase is Phase.DISPUTED


@pytest.mark.parametrize(
    "stop", [{"cancel": WORD}, {"halt": Halt(phase=Phase.MOVING, reason=because(Code.OPENED, host="c1"))}, {}]
)
def test_the_promise_is_checked(stop: dict[str, object]) -> None:
    """An order beside a halt, a cancel or a disarming is a broken promise, whoever decided it."""
    hand = moving(MoveStatus.PENDING)
    decision = hand.hear(Ticked())
    assert [effect for effect in decision.effects if effect.is_order]
    around = AROUND if stop else DISARMED
    broken = replace(decision, state=replace(decision.state, **stop))
    with pytest.raises(Broken, match="although a human stopped it"):
        check(hand.state, broken, hand.now, hand.policy, around)


def test_a_reserved_host_is_not_enabled_meanwhile() -> None:
    """Nor is anything else ordered that the method would need."""
    hand = moving(MoveStatus.PENDING)
    hand.state = replace(hand.state, method=RecoveryMethod.RESERVED_HOST)
    hand.around = replace(DISARMED, reserved_hosts=("c4",))
    assert orders(hand) == []
    assert hand.state.reserved == ()
