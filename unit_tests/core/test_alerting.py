"""What humans are told of a recovery, as which kind, how urgent it is, and when an alert that failed is sent again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import NOW, WORD, Hand, beat, move, power_is, recovery, silent_witness
from vmha.core import events
from vmha.core.alerting import (
    GivenUp,
    RetryTerms,
    Severity,
    TryAgain,
    after_failure,
    alerts_of,
    needs_human,
    severity,
)
from vmha.core.draft import Decision
from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code, because
from vmha.core.incidents import AnyPhase
from vmha.core.model import Fence, MoveStatus, Outcome, Phase, Power, PowerTrouble, Recovery

TERMS = RetryTerms(retry_seconds=5.0, longest_retry_seconds=60.0, give_up_seconds=3600.0)
AWAY = "no answer in 60 s"


def told(before: Recovery, decision: Decision) -> list[tuple[AlertKind, Code]]:
    """Return what one step tells, as it is stored."""
    return [(alert.kind, alert.reason.code) for alert in alerts_of(before, decision.state, decision.effects)]


def step(hand: Hand, event: events.Event, *, after: float = 0.0) -> list[tuple[AlertKind, Code]]:
    """Take in a fact; return what is told."""
    before = hand.state
    return told(before, hand.hear(event, after=after))


def unreadable() -> events.PowerUnreadable:
    """A BMC that refuses our password."""
    trouble = PowerTrouble.BAD_CREDENTIALS
    return events.PowerUnreadable(
        answers="power", trouble=trouble, detail="it refuses the password", address="10.0.0.1:623"
    )


def fencing() -> Recovery:
    """A recovery that has its witness, and fences."""
    fence = Fence(rounds=1, round_started_at=NOW)
    return recovery(Phase.FENCING, witness=silent_witness(), fence=fence, reason=because(Code.WITNESS_SILENT))


def test_a_wait_is_told_once_and_then_reminded_of() -> None:
    """The first alert of a wait says so, those after it are reminders, and the same reason is no new wait."""
    hand = Hand(state=fencing())
    assert step(hand, unreadable()) == [(AlertKind.WAITS, Code.BMC_BAD_CREDENTIALS)]
    assert step(hand, events.Ticked(), after=299.0) == []
    assert step(hand, events.Ticked(), after=1.0) == [(AlertKind.REMINDER, Code.BMC_BAD_CREDENTIALS)]
    assert step(hand, events.Ticked(), after=300.0) == [(AlertKind.REMINDER, Code.BMC_BAD_CREDENTIALS)]


def test_another_reason_is_told_as_a_wait_of_its_own() -> None:
    """Who was told of a password learns at once that the BMC is silent now."""
    hand = Hand(state=fencing())
    step(hand, unreadable())
    silent = replace(unreadable(), trouble=PowerTrouble.SILENT)
    assert step(hand, silent, after=10.0) == [(AlertKind.WAITS, Code.BMC_SILENT)]


def test_who_was_told_of_a_wait_is_told_of_its_end() -> None:
    """When the BMC answers again and fencing goes on, that is told once, with the reason; nothing is told twice."""
    hand = Hand(state=fencing())
    step(hand, unreadable())
    hand.state = replace(hand.state, witness=silent_witness(looked_at=NOW, read_at=NOW))
    assert step(hand, power_is(Power.ON), after=1.0) == [(AlertKind.RESUMED, Code.BMC_BACK)]
    assert hand.state.phase is Phase.FENCING
    assert hand.state.told is None
    assert AlertKind.RESUMED not in [kind for kind, _ in step(hand, events.Ticked(), after=1.0)]


def test_a_wait_that_mends_itself_is_never_told() -> None:
    """Nova that misses one call makes a wait; it answers again before anybody is told, so there is no end to tell of either."""
    hand = Hand(state=recovery(witness=silent_witness(heard_since=NOW, changed_at=NOW)))
    assert step(hand, events.HeartbeatsUnreadable(answers="heartbeats", detail=AWAY)) == []
    assert hand.state.phase is Phase.UNWITNESSED
    assert step(hand, beat("b1", "later"), after=2.0) == []
    assert hand.state.phase is Phase.WITNESSING


def test_an_absent_nova_hinders_and_then_goes_on() -> None:
    """Outside the waits a Nova that stays away is told as a hindrance, reminded of, and its return ends that."""
    state = recovery(Phase.FORCING_DOWN, reason=because(Code.FENCED), fence=Fence(proofs=1))
    hand = Hand(state=replace(state, nova_trouble=because(Code.FORCE_DOWN_FAILED, host="c1", detail=AWAY, seconds=5.0)))
    hand.state = replace(hand.state, reason=hand.state.nova_trouble or state.reason, alert_due=NOW)
    assert step(hand, events.Ticked()) == [(AlertKind.HINDERED, Code.FORCE_DOWN_FAILED)]
    assert step(hand, events.Ticked(), after=300.0) == [(AlertKind.REMINDER, Code.FORCE_DOWN_FAILED)]
    surveyed = events.ProgressRead(answers="progress", migrations=(), instances=None)
    assert AlertKind.RESUMED in [kind for kind, _ in step(hand, surveyed, after=1.0)]


def test_a_word_that_is_not_followed_is_told() -> None:
    """A confirm of a host that Nova hears, one that nobody asked for, and one of what is held are refusals; the wait stands as it was."""
    alive = silent_witness(advances=1, changed_at=NOW - 2.0, looked_at=NOW)
    waiting = recovery(Phase.UNPROVEN, witness=alive, reason=because(Code.NO_DEVICE, host="c1"), told=Code.NO_DEVICE)
    hand = Hand(state=waiting)
    confirm = events.Confirmed(by="ann", why="I pulled the plug")
    assert (AlertKind.REFUSED, Code.CONFIRM_REFUSED_ALIVE) in step(hand, confirm)
    assert (AlertKind.REFUSED, Code.CONFIRM_NOT_ASKED) in step(Hand(state=recovery()), confirm)
    held = recovery(Phase.HELD, witness=alive, reason=because(Code.HELD), told=Code.HELD)
    assert (AlertKind.REFUSED, Code.CONFIRM_HELD) in step(Hand(state=held), confirm)


def test_the_end_is_told_instead_of_going_on() -> None:
    """A wait that a human ends by a reject ends the incident: one alert says so."""
    hand = Hand(state=recovery(Phase.UNPROVEN, reason=because(Code.NO_DEVICE, host="c1"), told=Code.NO_DEVICE))
    assert step(hand, events.Rejected(by="ann", why="it is well")) == [(AlertKind.ENDED, Code.REJECTED)]
    assert hand.state.told is None


def test_what_came_and_went_in_one_step_is_told_as_both() -> None:
    """Where facts that came together make a wait and end it, nobody is left with the wait."""
    before = recovery()
    waits = Alert("c1", because(Code.DISPUTED, host="c1"))
    after = replace(before, phase=Phase.FENCING, reason=because(Code.WITNESS_SILENT))
    assert [alert.kind for alert in alerts_of(before, after, [waits])] == [AlertKind.WAITS, AlertKind.RESUMED]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        (events.Paused(by="ann", why="wait"), Code.PAUSE_NOT_TAKEN),
        (events.Resumed(by="ann", why="go"), Code.RESUME_NOT_TAKEN),
    ],
)
def test_a_stop_that_changes_nothing_is_a_refusal_too(word: events.Event, code: Code) -> None:
    """Whoever said it, and all who are told of this recovery, learn that it has no effect."""
    stopped = recovery(Phase.CANCELLING, cancel=WORD, surveyed=True, moves=(move("i1", MoveStatus.ACCEPTED),))
    assert (AlertKind.REFUSED, code) in step(Hand(state=stopped), word)


@pytest.mark.parametrize(
    ("kind", "phase", "outcome", "urgent", "human"),
    [
        (AlertKind.OPENED, Phase.WITNESSING, None, Severity.WARNING, False),
        (AlertKind.WAITS, Phase.UNPROVEN, None, Severity.CRITICAL, True),
        (AlertKind.REMINDER, Phase.UNPROVEN, None, Severity.CRITICAL, True),
        (AlertKind.HINDERED, Phase.MOVING, None, Severity.WARNING, False),
        (AlertKind.REMINDER, Phase.MOVING, None, Severity.WARNING, False),
        (AlertKind.RESUMED, Phase.FENCING, None, Severity.INFO, False),
        (AlertKind.REFUSED, Phase.UNPROVEN, None, Severity.WARNING, False),
        (AlertKind.STOPPED, Phase.STOPPED, None, Severity.CRITICAL, True),
        (AlertKind.ENDED, Phase.ENDED, Outcome.RECOVERED, Severity.INFO, False),
        (AlertKind.ENDED, Phase.ENDED, Outcome.FAILED, Severity.CRITICAL, False),
        (AlertKind.TEST, Phase.ENDED, None, Severity.INFO, False),
    ],
)
def test_how_urgent_it_is(
    kind: AlertKind, phase: AnyPhase, outcome: Outcome | None, urgent: Severity, human: bool
) -> None:
    """A wait and a promise that would break wake somebody, an end where instances were left behind, and nothing else."""
    assert (severity(kind, phase, outcome, Code.OPENED), needs_human(kind, phase)) == (urgent, human)


def test_pauses_grow_up_to_the_longest() -> None:
    """Each failure doubles the pause until it is the longest, however often it failed."""
    attempts = (1, 2, 3, 4, 5, 6, 5000)
    verdicts = [after_failure("no", attempt=attempt, age_seconds=0.0, terms=TERMS) for attempt in attempts]
    pauses = [verdict.pause_seconds for verdict in verdicts if isinstance(verdict, TryAgain)]
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_an_alert_that_would_be_too_old_is_given_up() -> None:
    """It is sent again as long as it will not be too old by then; after that it is given up, with the reason."""
    assert after_failure("no", attempt=9, age_seconds=3540.0, terms=TERMS) == TryAgain(why="no", pause_seconds=60.0)
    assert after_failure("no", attempt=9, age_seconds=3541.0, terms=TERMS) == GivenUp(why="no")
