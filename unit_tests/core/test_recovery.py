"""`decide()` as a whole: every fact is heard, every phase has a step, an owner's change is safe, nobody is paged for nothing."""

from __future__ import annotations

import typing
from dataclasses import replace

import pytest

from unit_tests.core.states import (
    AROUND,
    NOW,
    POLICY,
    PRIOR,
    WORD,
    Hand,
    beat,
    instance,
    migration,
    move,
    moving,
    power_is,
    proof,
    recovery,
    silent_witness,
)
from vmha.core import events
from vmha.core.effects import (
    Alert,
    AlertKind,
    Effect,
    Evacuate,
    ForceDown,
    ReadHeartbeats,
    ReadPower,
    ReadProgress,
    SurveyHost,
)
from vmha.core.explain import Code, because
from vmha.core.model import (
    Fence,
    Halt,
    Move,
    MoveStatus,
    Outcome,
    Phase,
    Power,
    Recovery,
    RecoveryMethod,
    Reserved,
    ReservedStatus,
    Rung,
)
from vmha.core.recovery import HEARD, STEPS, decide, open_recovery

KINDS = typing.get_args(events.HostEvent)
AWAY = "Nova is away"


def kinds(effects: tuple[Effect, ...]) -> set[type]:
    """Return what was ordered, by kind."""
    return {type(effect) for effect in effects}


def test_every_fact_is_heard() -> None:
    """There is a handler for each kind of event and for nothing else."""
    assert set(HEARD) == set(KINDS)


def test_every_phase_has_a_step() -> None:
    """There is a step for each phase in which something can go on."""
    assert set(STEPS) == set(Phase) - {Phase.ENDED, Phase.STOPPED}


def test_answers_carry_what_they_answer() -> None:
    """Each answer has the key of its effect, and is taken off the list of what is outstanding."""
    for kind in typing.get_args(events.Answer):
        assert "answers" in kind.__slots__
    hand = Hand(state=recovery(outstanding=frozenset({"heartbeats", "power"})))
    hand.hear(beat("b", "1"))
    assert hand.state.outstanding == {"power"}


def test_a_recovery_opens_awake() -> None:
    """A new recovery looks for a witness and reads power at once, and orders nothing; humans are told that it began."""
    state, opened = open_recovery(uuid="r1", host="c1", host_uuid="u", segment="s", method=RecoveryMethod.AUTO, now=NOW)
    assert (opened.reasons[0].code, state.wake_at) == (Code.OPENED, NOW)
    assert opened.effects == (Alert("c1", state.reason, AlertKind.OPENED),)
    hand = Hand(state=state)
    assert kinds(hand.hear(events.Ticked()).effects) == {ReadHeartbeats, ReadPower}


@pytest.mark.parametrize("phase", [Phase.ENDED, Phase.STOPPED])
@pytest.mark.parametrize("event", [events.Ticked(), events.Confirmed(by="ann", why="go"), power_is(Power.ON)])
def test_what_is_over_hears_nothing(phase: Phase, event: events.Event) -> None:
    """A recovery that has ended, or was stopped, is changed by no fact."""
    state = recovery(phase)
    decision = decide(state, event, NOW, POLICY, AROUND, new_uuid="p")
    assert decision.state == state
    assert (decision.effects, decision.reasons, decision.revoked) == ((), (), ())


def test_a_notification_that_joins_is_named() -> None:
    """A further report of the host stands in the timeline by its name."""
    hand = Hand(state=recovery())
    decision = hand.hear(events.Notified(notification="n7"))
    assert "n7" in decision.reasons[0].sentence


# Another owner


@pytest.mark.parametrize(("before", "code"), [("e1", Code.TAKEN_OVER), ("e2", Code.RESUMED), (None, Code.RESUMED)])
def test_an_owner_introduces_itself(before: str | None, code: Code) -> None:
    """The timeline tells a take-over from an engine that goes on after its own restart."""
    hand = Hand(state=recovery())
    hand.hear(events.TakenOver(engine="e2", before=before))
    assert hand.said[0] is code


def test_an_owner_reads_before_it_orders() -> None:
    """A new owner believes no outstanding answer, no run of readings, and looks up every order without an answer."""
    moves = (move("i1", MoveStatus.ORDERED, attempts=1), move("i2"), move("i3", MoveStatus.ACCEPTED, attempts=1))
    state = moving(*moves, outstanding=frozenset({"evacuate:i1:1", "power"}), verified=True)
    hand = Hand(state=state)
    decision = hand.hear(events.TakenOver(engine="e2", before="e1"))
    assert hand.state.checks == {"power", "progress"}
    assert kinds(decision.effects) == {ReadHeartbeats, ReadPower, ReadProgress}
    assert hand.move("i1").status is MoveStatus.UNANSWERED
    assert not hand.state.verified
    assert hand.state.fence.readings == ()


def test_nothing_leaves_before_both_were_read() -> None:
    """The first order of a new owner leaves when power and the list of the host were read, in whatever sequence."""
    answers = (power_is(Power.OFF), events.ProgressRead(answers="progress", migrations=(), instances=(instance(),)))
    for first, second in (answers, answers[::-1]):
        hand = Hand(state=moving(move()))
        hand.hear(events.TakenOver(engine="e2", before="e1"))
        assert Evacuate not in kinds(hand.hear(first, after=0.1).effects)
        assert Evacuate in kinds(hand.hear(second, after=0.1).effects)


def test_an_enable_that_never_left_is_given_again() -> None:
    """A reserved host whose order was held back is claimed again; one whose order is on its way is waited for."""
    state = moving(
        reserved=(Reserved("c4", ReservedStatus.ENABLING), Reserved("c5", ReservedStatus.ENABLING)),
        outstanding=frozenset({"enable-reserved:c4", "enable-reserved:c5"}),
        moves=(move(status=MoveStatus.ACCEPTED),),
    )
    hand = Hand(state=state)
    hand.hear(events.OrderNotSent(answers="enable-reserved:c4", instance=None, detail="away"))
    assert hand.state.reserved == (Reserved("c5", ReservedStatus.ENABLING),)


# Nova away

FAILURES = (
    (Phase.FORCING_DOWN, events.ForceDownFailed(answers="force-down", detail=AWAY), Code.FORCE_DOWN_FAILED),
    (Phase.PLANNING, events.SurveyFailed(answers="survey", detail=AWAY), Code.SURVEY_FAILED),
    (Phase.MOVING, events.ProgressUnreadable(answers="progress", detail=AWAY), Code.NOVA_AWAY),
    (Phase.HELD, events.ProgressUnreadable(answers="progress", detail=AWAY), Code.NOVA_AWAY),
    (Phase.UNPROVEN, events.ProgressUnreadable(answers="progress", detail=AWAY), Code.NOVA_AWAY),
)


def under_way(phase: Phase) -> Recovery:
    """A recovery that asks Nova for something in this phase."""
    word = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
    one: Move = move(
        status=MoveStatus.HELD, local_disk=True, reason=because(Code.LOCAL_DISK, name="n", instance="i", host="c1")
    )
    if phase is not Phase.HELD:
        one = move(status=MoveStatus.ACCEPTED, attempts=1, ordered_at=NOW)
    has_begun = phase not in (Phase.FORCING_DOWN, Phase.PLANNING)
    return recovery(
        phase,
        witness=silent_witness(heartbeat=None, changed_at=None),
        proof=None if phase is Phase.UNPROVEN else word,
        fence=Fence(proofs=1),
        prior=None if phase is Phase.FORCING_DOWN else PRIOR,
        surveyed=has_begun,
        moves=(one,) if has_begun else (),
        reason=because(Code.PROOF_EXPIRED, host="c1", seconds=31) if phase is Phase.UNPROVEN else because(Code.HELD),
        alert_due=NOW + 9000.0,
        nova_due=NOW,
    )


@pytest.mark.parametrize(("phase", "event", "code"), FAILURES, ids=lambda value: getattr(value, "name", ""))
def test_an_absent_nova_is_named_once(phase: Phase, event: events.Event, code: Code) -> None:
    """While Nova is away the timeline says so once, and it is asked again every few seconds for as long as it takes."""
    hand = Hand(state=under_way(phase))
    asked = 0
    for _ in range(40):
        asked += bool(kinds(hand.hear(events.Ticked()).effects) & {ForceDown, SurveyHost, ReadProgress})
        hand.hear(event, after=0.5)
        hand.now = max(hand.now, hand.state.nova_due)
    assert hand.said.count(code) == 1
    assert asked == 40
    assert hand.state.phase is phase


@pytest.mark.parametrize("phase", [Phase.FORCING_DOWN, Phase.MOVING])
def test_an_absent_nova_pages_after_a_while(phase: Phase) -> None:
    """Outside the waits nobody is paged for a single call that failed, but for a Nova that stays away."""
    event = next(failure for where, failure, _ in FAILURES if where is phase)
    hand = Hand(state=under_way(phase))
    assert Alert not in kinds(hand.hear(event).effects)
    assert Alert not in kinds(hand.hear(event, after=29.0).effects)
    assert Alert in kinds(hand.hear(event, after=1.0).effects)
    assert Alert not in kinds(hand.hear(event, after=299.0).effects)
    assert Alert in kinds(hand.hear(event, after=1.0).effects)


def test_novas_return_is_named_once() -> None:
    """The first answer after an absence says that Nova is back, and the recovery goes on from there."""
    hand = Hand(state=under_way(Phase.MOVING))
    hand.hear(events.ProgressUnreadable(answers="progress", detail=AWAY))
    for _ in range(2):
        hand.hear(events.ProgressRead(answers="progress", migrations=(), instances=None), after=5.0)
    assert hand.said.count(Code.NOVA_BACK) == 1
    assert hand.state.nova_trouble is None
    assert hand.state.reason.code is Code.MOVING


# Sleep


def test_a_wait_alerts_again() -> None:
    """A wait wakes for its next alert, tells the humans the reason, and plans the alert after that."""
    hand = Hand(
        state=recovery(Phase.BRAKED, witness=silent_witness(), alert_due=NOW + 20.0, reason=because(Code.BRAKED))
    )
    hand.hear(events.Ticked())
    assert hand.state.wake_at is not None
    assert hand.state.wake_at <= NOW + 20.0
    assert Alert in kinds(hand.hear(events.Ticked(), after=20.0).effects)
    assert hand.state.alert_due == NOW + 20.0 + POLICY.alert_interval_seconds


def test_nothing_spins() -> None:
    """A decision never wakes at a time that has passed: what waits for an answer is woken by that answer."""
    busy = frozenset({"heartbeats", "power", "survey", "progress"})
    for phase in STEPS:
        halt = Halt(phase=Phase.MOVING, reason=because(Code.OPENED, host="c1")) if phase is Phase.HALTED else None
        dues = {"heartbeat_due": 0.0, "power_due": 0.0, "nova_due": 0.0, "alert_due": 0.0}
        hand = Hand(state=recovery(phase, outstanding=busy, halt=halt, **dues))
        hand.hear(events.Ticked())
        assert hand.state.wake_at is not None
        assert hand.state.wake_at > hand.now, phase


# The end


def survey(
    *found: str, consumers: frozenset[str] | None, elsewhere: frozenset[str] = frozenset()
) -> events.HostSurveyed:
    """A survey that lists these instances."""
    listed = tuple(instance(uuid, vm_state="paused") for uuid in found)
    return events.HostSurveyed(
        answers="survey", instances=listed, migrations=(), consumers=consumers, elsewhere=elsewhere
    )


@pytest.mark.parametrize(
    ("event", "phase", "code"),
    [
        (survey(consumers=frozenset()), Phase.ENDED, Code.NOTHING_TO_MOVE),
        (survey(consumers=frozenset({"i9"})), Phase.HELD, Code.HIDDEN_INSTANCES),
        (survey(consumers=frozenset({"i9"}), elsewhere=frozenset({"i9"})), Phase.ENDED, Code.NOTHING_TO_MOVE),
        (survey(consumers=None), Phase.HELD, Code.NO_PROVIDER),
        (survey("i1", consumers=frozenset({"i1", "i9"})), Phase.HELD, Code.HIDDEN_INSTANCES),
    ],
)
def test_an_empty_list_is_believed_when_placement_agrees(event: events.HostSurveyed, phase: Phase, code: Code) -> None:
    """No instances, or no more of them, is believed only when Placement knows no others."""
    hand = Hand(state=moving(surveyed=False, phase=Phase.PLANNING))
    hand.hear(event)
    assert (hand.state.phase, hand.state.reason.code) == (phase, code)


def test_a_doubt_that_ends_ends_the_recovery() -> None:
    """A list that is not believed is read again until it is, and then the recovery ends by itself."""
    hand = Hand(state=moving(surveyed=False, phase=Phase.PLANNING))
    hand.hear(survey(consumers=frozenset({"i9"})))
    decision = hand.hear(events.Ticked(), after=POLICY.nova_retry_seconds)
    # With the images: what was hidden has a priority too.
    assert [effect for effect in decision.effects if isinstance(effect, SurveyHost)] == [
        SurveyHost("c1", with_images=True)
    ]
    hand.hear(survey(consumers=frozenset()), after=0.2)
    assert hand.state.outcome is Outcome.NOTHING_TO_MOVE


def test_the_last_to_come_keeps_the_light_on() -> None:
    """A host that instances of others were on their way to is kept proven off for a while, and then its recovery ends."""
    hand = Hand(state=moving(surveyed=False, phase=Phase.PLANNING))
    incoming = migration(1, source="c3", destination="c1", status="pre-migrating")
    hand.hear(replace(survey(consumers=frozenset()), migrations=(incoming,)))
    assert Code.AWAITED in hand.said
    assert hand.state.phase is Phase.MOVING
    hand.hear(power_is(Power.OFF), after=10.0)
    hand.hear(power_is(Power.OFF), after=10.0)
    assert hand.state.phase is Phase.MOVING
    hand.hear(events.Ticked(), after=10.0)
    assert hand.state.outcome is Outcome.NOTHING_TO_MOVE


@pytest.mark.parametrize(
    "record",
    [
        migration(1, source="c3", destination="c1", status="done"),
        migration(1, source="c3", destination="c1", kind="resize", status="finished"),
        migration(1, source="c1", destination="c3", status="pre-migrating"),
    ],
)
def test_nobody_is_awaited_for_nothing(record: object) -> None:
    """What arrived, waits for its owner, or leaves, keeps no recovery open."""
    hand = Hand(state=moving(surveyed=False, phase=Phase.PLANNING))
    hand.hear(replace(survey(consumers=frozenset()), migrations=(record,)))  # type: ignore[arg-type]
    assert Code.AWAITED not in hand.said


def test_the_end_needs_no_proof() -> None:
    """When the last move is settled the recovery ends, also if the host is on again by then."""
    landed = move(status=MoveStatus.LANDED, attempts=1, destination="c2", migration=4, ended_at=NOW)
    state = moving(
        landed, proof=None, phase=Phase.UNPROVEN, reason=because(Code.HOST_RETURNED, host="c1", moved=0, left=1)
    )
    hand = Hand(state=state)
    hand.hear(events.ProgressRead(answers="progress", migrations=(migration(4),), instances=()))
    assert hand.state.outcome is Outcome.RECOVERED
    assert "gone before the end" in hand.state.reason.sentence


@pytest.mark.parametrize(
    ("statuses", "outcome", "words"),
    [
        ((MoveStatus.MOVED, MoveStatus.MOVED), Outcome.RECOVERED, "2 of 2 instances moved, 0 left alone or gone"),
        ((MoveStatus.MOVED, MoveStatus.SKIPPED), Outcome.RECOVERED, "1 of 2 instances moved, 1 left alone or gone"),
        ((MoveStatus.GONE, MoveStatus.SKIPPED), Outcome.RECOVERED, "0 of 2 instances moved, 2 left alone or gone"),
        ((MoveStatus.MOVED, MoveStatus.FAILED), Outcome.FAILED, "1 of 2 instances of c1 could not be moved"),
    ],
)
def test_how_it_ended(statuses: tuple[MoveStatus, ...], outcome: Outcome, words: str) -> None:
    """The outcome and its sentence count what was moved, what was left, and what failed."""
    moves = tuple(move(f"i{n}", status) for n, status in enumerate(statuses))
    hand = Hand(state=moving(*moves, verified=True))
    hand.hear(events.Ticked())
    assert hand.state.outcome is outcome
    assert words in hand.state.reason.sentence
    assert hand.state.wake_at is None
