"""The incident of a process: what is done about the compute service of its host, and what is left alone."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unit_tests.core.states import NOW, POLICY
from vmha.core import effects, events
from vmha.core.draft import Decision
from vmha.core.effects import Alert, AlertKind, DisableService, EnableService, ReadService
from vmha.core.explain import Code
from vmha.core.incidents import ProcessPhase, ProcessRecovery
from vmha.core.invariants import Broken, check_process
from vmha.core.kinds import rejected, stopped
from vmha.core.model import Disarm, Outcome, ServicePrior, ServiceReading, Surroundings
from vmha.core.policy import Policy
from vmha.core.process_recovery import ATTEMPTS, HEARD, STEPS, decide, open_process
from vmha.core.workflows import Choice, Failure, Workflow, Workflows

OURS = POLICY.process_disable_reason
PRIOR = ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
ALONE = Surroundings()
ORDER = Disarm(scope="host c1", by="ann", why="the network is rebuilt", until=NOW + 600.0, until_text="noon")
DISARMED = Surroundings(disarmed=ORDER)
SETTLED = POLICY.answer_settle_seconds


def service(*, disabled: bool = False, reason: str | None = None, forced_down: bool = False) -> ServiceReading:
    """The compute service of c1."""
    return ServiceReading(
        host="c1", heartbeat="b", is_up=True, disabled=disabled, disabled_reason=reason, forced_down=forced_down
    )


ENABLED, DISABLED = service(), service(disabled=True, reason=OURS)


@dataclass(slots=True, kw_only=True)
class Hand:
    """Feeds facts to `decide()` by hand, and checks the promises after each."""

    is_running: bool = False
    now: float = NOW
    policy: Policy = POLICY
    around: Surroundings = ALONE
    said: list[Code] = field(default_factory=list)
    state: ProcessRecovery = field(init=False)

    def __post_init__(self) -> None:
        """Open the incident, and let the first look be asked for."""
        place = {"host": "c1", "host_uuid": "u", "segment": "s"}
        self.state, _ = open_process(
            uuid="r1", process="nova-compute", is_running=self.is_running, now=self.now, **place
        )
        assert self.kinds(self.hear(events.Ticked())) == [ReadService]

    def hear(self, event: events.ProcessEvent, *, after: float = 0.0) -> Decision[ProcessRecovery]:
        """Let time pass and take in one fact."""
        self.now += after
        before = self.state
        decision = decide(before, event, self.now, self.policy, self.around)
        check_process(before, decision, self.now, self.policy, self.around)
        self.state = decision.state
        self.said += [reason.code for reason in decision.reasons]
        return decision

    def look(self, found: ServiceReading | None, *, after: float = 0.0) -> Decision[ProcessRecovery]:
        """Answer the look at the service."""
        if ReadService.key not in self.state.outstanding:
            self.hear(events.Ticked(), after=max(self.state.due - self.now, 0.0))
        return self.hear(events.ServiceRead(answers=ReadService.key, service=found), after=after)

    def order(self) -> str:
        """Return the key of the order that is out."""
        (key,) = self.state.outstanding - {ReadService.key}
        return key

    @staticmethod
    def kinds(decision: Decision[ProcessRecovery]) -> list[type]:
        """Return what was ordered, by kind."""
        return [type(effect) for effect in decision.effects]

    def ending(self) -> tuple[Outcome | None, Code]:
        """Return how it ended and why."""
        return self.state.outcome, self.state.reason.code


def test_every_fact_is_heard_and_every_phase_has_a_step() -> None:
    """There is a handler for each kind of event, a step for each phase in which something can go on, and nothing else."""
    assert set(HEARD) == set(typing.get_args(events.ProcessEvent))
    assert set(STEPS) == set(ProcessPhase) - {ProcessPhase.ENDED, ProcessPhase.STOPPED}


def test_a_stopped_process_disables_and_the_next_look_confirms_it() -> None:
    """The service is disabled with our reason, and the incident ends once Nova shows it; how it stood before is kept."""
    hand = Hand()
    (order,) = hand.look(ENABLED).effects
    assert order == DisableService("c1", OURS, 1)
    decision = hand.hear(events.ServiceChanged(answers=order.key, prior=PRIOR))
    assert hand.kinds(decision) == [ReadService]
    assert hand.state.prior == PRIOR
    assert hand.kinds(hand.look(DISABLED)) == [Alert]
    assert hand.ending() == (Outcome.DISABLED, Code.SERVICE_DISABLED)


def test_a_process_that_is_back_enables_what_we_disabled() -> None:
    """The service is enabled, if it still stands disabled by our last order."""
    hand = Hand(is_running=True, around=Surroundings(disabled_by_us=True))
    (order,) = hand.look(DISABLED).effects
    assert order == EnableService("c1", OURS, 1)
    hand.hear(events.ServiceChanged(answers=order.key, prior=replace(PRIOR, disabled=True, disabled_reason=OURS)))
    hand.look(ENABLED)
    assert hand.ending() == (Outcome.ENABLED, Code.SERVICE_ENABLED)


@pytest.mark.parametrize(
    ("found", "by_us"),
    [
        (service(disabled=True, reason="maintenance"), True),
        (service(disabled=True, reason=None), True),
        (service(disabled=True, reason=OURS, forced_down=True), True),
        (DISABLED, False),
    ],
    ids=["other-reason", "no-reason", "forced-down", "not-by-us"],
)
def test_what_others_disabled_is_theirs(found: ServiceReading, by_us: bool) -> None:
    """A service with another reason, one that is forced down, and one that our last order did not disable stay as they are."""
    hand = Hand(is_running=True, around=Surroundings(disabled_by_us=by_us))
    assert hand.kinds(hand.look(found)) == []
    code = Code.SERVICE_FORCED_DOWN if found.forced_down else Code.DISABLED_BY_OTHERS
    assert hand.ending() == (Outcome.SKIPPED, code)


@pytest.mark.parametrize(
    ("is_running", "found", "code"),
    [
        (False, service(disabled=True, reason="maintenance"), Code.ALREADY_DISABLED),
        (True, ENABLED, Code.ALREADY_ENABLED),
    ],
)
def test_what_stands_right_is_left_alone(is_running: bool, found: ServiceReading, code: Code) -> None:
    """Nothing is ordered, and nobody is told, where the service stands as it should."""
    hand = Hand(is_running=is_running)
    assert hand.kinds(hand.look(found)) == []
    assert hand.ending() == (Outcome.SKIPPED, code)


def test_a_host_without_a_service_is_named() -> None:
    """Where Nova knows no such service a human learns it."""
    hand = Hand()
    assert hand.kinds(hand.look(None)) == [Alert]
    assert hand.ending() == (Outcome.FAILED, Code.SERVICE_UNKNOWN)


def test_the_recovery_of_the_host_absorbs_it() -> None:
    """While the host itself is being recovered, nothing is ordered, and the incident ends, naming that recovery."""
    for is_running in (False, True):
        hand = Hand(is_running=is_running)
        hand.around = Surroundings(host_recovery="r-of-c1", disabled_by_us=not is_running)
        assert hand.kinds(hand.look(DISABLED)) == []
        assert hand.ending() == (Outcome.ABSORBED, Code.PROCESS_ABSORBED)
        assert "r-of-c1" in hand.state.reason.sentence


def waiting_for_host(**changes: Any) -> Hand:
    """The process runs again, we disabled its service, and its host is being recovered."""
    hand = Hand(is_running=True)
    hand.around = Surroundings(host_recovery="r-of-c1", disabled_by_us=True, **changes)
    assert hand.kinds(hand.look(DISABLED)) == []
    assert (hand.state.phase, hand.state.reason.code) == (ProcessPhase.HALTED, Code.PROCESS_AWAITS)
    return hand


def test_what_we_disabled_is_enabled_once_the_recovery_of_the_host_is_over() -> None:
    """It waits for that end without an alert, wakes often, and looks anew: a false alarm leaves the service as we disabled it."""
    hand = waiting_for_host()
    for _ in range(200):
        decision = hand.hear(events.Ticked(), after=2.0)
        assert (decision.effects, decision.reasons) == ((), ())
        assert hand.state.wake_at is not None
        assert hand.state.wake_at <= hand.now + POLICY.witness_interval_seconds
    hand.around = Surroundings(disabled_by_us=True)
    decision = hand.hear(events.Ticked(), after=2.0)
    assert [reason.code for reason in decision.reasons] == [Code.PROCESS_AWAITED]
    assert hand.kinds(decision) == [ReadService]
    assert hand.kinds(hand.look(DISABLED)) == [EnableService]


def test_what_the_recovery_of_the_host_keeps_is_left_to_the_way_back() -> None:
    """A service that it forced down stays so, and the message says how the host is let back; who disabled it meanwhile is named."""
    for found, code in (
        (service(disabled=True, reason=OURS, forced_down=True), Code.SERVICE_FORCED_DOWN),
        (service(disabled=True, reason="disk is going"), Code.DISABLED_BY_OTHERS),
        (ENABLED, Code.ALREADY_ENABLED),
    ):
        hand = waiting_for_host()
        hand.around = Surroundings(disabled_by_us=True)
        hand.hear(events.Ticked(), after=2.0)
        assert hand.kinds(hand.look(found)) == []
        assert hand.ending() == (Outcome.SKIPPED, code)


def test_a_process_that_stops_again_waits_for_no_host() -> None:
    """Then nothing is to be enabled, and the recovery of the host absorbs it."""
    hand = waiting_for_host()
    hand.hear(events.ProcessReported(notification="n2", is_running=False))
    assert hand.ending() == (Outcome.ABSORBED, Code.PROCESS_ABSORBED)


def test_a_disarming_outlives_the_recovery_of_the_host() -> None:
    """What waited for the one waits for the other then, with its alert."""
    hand = waiting_for_host(disarmed=ORDER)
    hand.around = Surroundings(disabled_by_us=True, disarmed=ORDER)
    assert hand.kinds(hand.hear(events.Ticked(), after=2.0)) == [Alert]
    assert hand.state.reason.code is Code.PROCESS_DISARMED
    hand.around = Surroundings(disabled_by_us=True)
    hand.hear(events.Ticked(), after=2.0)
    assert hand.state.reason.code is Code.PROCESS_ARMED


def test_the_newest_report_counts() -> None:
    """A report that the process runs again turns an order to disable, in hand, into one to enable after it."""
    hand = Hand()
    hand.look(ENABLED)
    disable = hand.order()
    assert hand.kinds(hand.hear(events.ProcessReported(notification="n2", is_running=True))) == []
    hand.hear(events.ServiceChanged(answers=disable, prior=PRIOR))
    hand.around = Surroundings(disabled_by_us=True)
    assert hand.kinds(hand.look(DISABLED)) == [EnableService]


def test_an_order_without_an_answer_is_looked_up_and_given_again() -> None:
    """The same order is given again after a look, and the incident ends only when the first one cannot come any more."""
    hand = Hand()
    hand.look(ENABLED)
    first = hand.order()
    hand.hear(events.ServiceUnanswered(answers=first, detail="time out"))
    began = hand.now
    hand.look(ENABLED)
    assert hand.order() != first
    hand.hear(events.ServiceChanged(answers=hand.order(), prior=PRIOR))
    hand.look(DISABLED)
    assert hand.state.outcome is None
    hand.look(DISABLED)
    assert (hand.state.outcome, hand.now) == (Outcome.DISABLED, began + SETTLED)


def test_an_order_whose_answer_was_lost_is_found() -> None:
    """Where the next look shows what the order wanted, it was taken, and nothing more may come."""
    hand = Hand()
    hand.look(ENABLED)
    hand.hear(events.ServiceUnanswered(answers=hand.order(), detail="time out"))
    hand.look(DISABLED)
    assert hand.state.outcome is Outcome.DISABLED


def test_the_opposite_order_waits_for_a_late_one() -> None:
    """Nothing is enabled while an order to disable may yet be taken."""
    hand = Hand()
    hand.look(ENABLED)
    hand.hear(events.ServiceUnanswered(answers=hand.order(), detail="time out"))
    began = hand.now
    hand.look(ENABLED)
    hand.hear(events.ServiceChanged(answers=hand.order(), prior=PRIOR))
    hand.around = Surroundings(disabled_by_us=True)
    hand.hear(events.ProcessReported(notification="n2", is_running=True))
    assert hand.kinds(hand.look(DISABLED)) == []
    assert hand.kinds(hand.look(DISABLED)) == [EnableService]
    assert hand.now == began + SETTLED


def test_a_lost_answer_holds_nothing_for_ever() -> None:
    """An order whose answer never comes, not even that there was none, is looked up after a while."""
    hand = Hand()
    hand.look(ENABLED)
    assert hand.kinds(hand.hear(events.Ticked(), after=119.0)) == []
    assert hand.kinds(hand.hear(events.Ticked(), after=2.0)) == [ReadService]


@pytest.mark.parametrize("is_running", [False, True])
def test_nova_that_refuses_is_asked_a_few_times(is_running: bool) -> None:
    """After so many refusals the incident ends as failed, with what Nova said."""
    hand = Hand(is_running=is_running, around=Surroundings(disabled_by_us=True))
    found = DISABLED if is_running else ENABLED
    for _ in range(ATTEMPTS):
        hand.look(found)
        hand.hear(events.ServiceRefused(answers=hand.order(), status=409, detail="no way"))
    hand.look(found)
    assert hand.ending() == (Outcome.FAILED, Code.NOT_ENABLED if is_running else Code.NOT_DISABLED)
    assert "no way" in hand.state.reason.sentence


def test_an_order_that_never_left_does_not_count() -> None:
    """What the door held back is given again, as often as it takes."""
    hand = Hand()
    for _ in range(3 * ATTEMPTS):
        hand.look(ENABLED)
        hand.hear(events.OrderNotSent(answers=hand.order(), instance=None, detail="the door was shut"))
    hand.look(ENABLED)
    assert hand.order()


def test_nova_away_is_said_once_and_alerts_later() -> None:
    """While Nova does not answer it is asked again and again, said once, and told to humans after a while."""
    hand = Hand()
    alerts = 0
    for _ in range(60):
        decision = hand.hear(events.ServiceUnreadable(answers=ReadService.key, detail="away"))
        decision = hand.hear(events.Ticked(), after=POLICY.nova_retry_seconds)
        alerts += hand.kinds(decision).count(Alert)
    assert hand.said.count(Code.SERVICE_UNREADABLE) == 1
    assert alerts == 1
    hand.look(ENABLED)
    assert Code.NOVA_BACK in hand.said


def test_another_owner_reads_before_it_orders() -> None:
    """A new owner takes an order that was in hand for one without an answer."""
    hand = Hand()
    hand.look(ENABLED)
    decision = hand.hear(events.TakenOver(engine="e2", before="e1"))
    assert (hand.kinds(decision), hand.said[-1]) == ([ReadService], Code.INCIDENT_TAKEN_OVER)
    assert hand.state.unsettled is not None
    hand.look(DISABLED)
    assert hand.state.outcome is Outcome.DISABLED


def test_a_clock_that_was_set_back_delays_nothing_for_long() -> None:
    """After a take-over no time to come stands in the state that is further away than an answer may take."""
    hand = Hand()
    hand.look(ENABLED)
    hand.hear(events.ServiceUnanswered(answers=hand.order(), detail="time out"))
    hand.hear(events.TakenOver(engine="e1", before="e1"), after=-1800.0)
    assert hand.said[-1] is Code.INCIDENT_RESUMED
    assert hand.state.unsettled is not None
    assert hand.state.unsettled.until == hand.now + SETTLED
    assert hand.state.opened_at <= hand.now


def test_a_human_ends_it() -> None:
    """A reject ends it in any phase; a confirm is no answer to anything."""
    hand = Hand()
    hand.look(ENABLED)
    refused = hand.hear(events.Confirmed(by="ann", why="go"))
    assert hand.said[-1] is Code.CONFIRM_NOT_ASKED
    assert [effect.kind for effect in refused.effects if isinstance(effect, Alert)] == [AlertKind.REFUSED]
    hand.hear(events.Rejected(by="ann", why="no"))
    assert hand.ending() == (Outcome.REJECTED, Code.REJECTED)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_is_over_hears_nothing(is_stopped: bool) -> None:
    """An incident that has ended, or was stopped, is changed by no fact."""
    state = Hand().state
    over = stopped(state, state.reason, NOW) if is_stopped else rejected(state, state.reason, NOW)
    assert isinstance(over, ProcessRecovery)
    decision = decide(over, events.ServiceRead(answers="service", service=ENABLED), NOW, POLICY, Surroundings())
    assert (decision.state, decision.effects) == (over, ())


# The promises


def broken(effect: effects.Effect, *, around: Surroundings = ALONE, **state: Any) -> str:
    """Return what a decision with this order breaks."""
    before = replace(Hand().state, service=ENABLED, read_at=NOW)
    decision = Decision(state=replace(before, **state), effects=(effect,), reasons=())
    try:
        check_process(before, decision, NOW, POLICY, around)
    except Broken as error:
        return str(error)
    return ""


DISABLE, ENABLE = DisableService("c1", OURS, 1), EnableService("c1", OURS, 1)
BY_US = Surroundings(disabled_by_us=True)


def test_an_order_about_a_service_is_bound_to_what_was_just_read() -> None:
    """Neither order is possible by an old look, of another host, or in the middle of the host's recovery."""
    assert broken(DISABLE) == ""
    assert broken(ENABLE, around=BY_US, is_running=True, service=DISABLED) == ""
    assert "without a look" in broken(DISABLE, read_at=NOW - 1.0)
    assert "is about c2" in broken(DisableService("c2", OURS, 1))
    assert "is being recovered" in broken(DISABLE, around=Surroundings(host_recovery="r"))
    assert "process runs" in broken(DISABLE, is_running=True)
    assert "is disabled" in broken(DISABLE, service=DISABLED)


@pytest.mark.parametrize(
    ("around", "state"),
    [
        (Surroundings(), {"is_running": True, "service": DISABLED}),
        (BY_US, {"is_running": False, "service": DISABLED}),
        (BY_US, {"is_running": True, "service": service(disabled=True, reason="maintenance")}),
        (BY_US, {"is_running": True, "service": service(disabled=True, reason=OURS, forced_down=True)}),
    ],
)
def test_nothing_of_others_is_enabled(around: Surroundings, state: dict[str, Any]) -> None:
    """Enabling breaks a promise unless we disabled, for this reason, and the process runs."""
    assert "P7" in broken(ENABLE, around=around, **state)


def test_an_incident_ends_with_a_reason_or_wakes() -> None:
    """Neither an end without an outcome nor a sleep without an end is stored."""
    before = Hand().state
    asleep = Decision(state=replace(before, wake_at=None), effects=(), reasons=())
    with pytest.raises(Broken, match="sleeps for ever"):
        check_process(before, asleep, NOW, POLICY, Surroundings())
    ended = replace(before, phase=ProcessPhase.ENDED)
    with pytest.raises(Broken, match="without an outcome"):
        check_process(before, Decision(state=ended, effects=(), reasons=()), NOW, POLICY, Surroundings())
    over = replace(ended, outcome=Outcome.SKIPPED, ended_at=NOW)
    with pytest.raises(Broken, match="ended incident acts"):
        check_process(over, Decision(state=over, effects=(DISABLE,), reasons=()), NOW, POLICY, Surroundings())


def test_nothing_is_ordered_beside_a_disarming_by_promise() -> None:
    """Neither an order while something is disarmed, nor a halt while nothing is (P6)."""
    assert "although ann disarmed host c1" in broken(DISABLE, around=DISARMED)
    assert "although ann disarmed host c1" in broken(
        ENABLE, around=replace(BY_US, disarmed=ORDER), is_running=True, service=DISABLED
    )
    before = Hand().state
    halted = Decision(state=replace(before, phase=ProcessPhase.HALTED), effects=(), reasons=())
    with pytest.raises(Broken, match="nothing is disarmed"):
        check_process(before, halted, NOW, POLICY, ALONE)


# Disarmed


@pytest.mark.parametrize("is_running", [False, True])
def test_a_disarming_halts_in_place_of_an_order(is_running: bool) -> None:
    """The message says who and until when, a human is told once, and it wakes soon, since nobody tells when it is over; then it looks anew."""
    around, found = Surroundings(disabled_by_us=True), DISABLED if is_running else ENABLED
    hand = Hand(is_running=is_running, around=replace(around, disarmed=ORDER))
    assert hand.kinds(hand.look(found)) == [Alert]
    assert hand.state.phase is ProcessPhase.HALTED
    assert "ann disarmed host c1 until noon: the network is rebuilt" in hand.state.reason.sentence
    for _ in range(20):
        decision = hand.hear(events.Ticked(), after=2.0)
        assert (decision.effects, decision.reasons) == ((), ())
        assert hand.state.wake_at is not None
        assert hand.state.wake_at <= hand.now + POLICY.witness_interval_seconds
    hand.around = around
    decision = hand.hear(events.Ticked(), after=2.0)
    assert [reason.code for reason in decision.reasons] == [Code.PROCESS_ARMED] == [hand.state.reason.code]
    assert hand.kinds(decision) == [ReadService]
    assert hand.kinds(hand.look(found)) == [EnableService if is_running else DisableService]
    assert hand.said.count(Code.PROCESS_DISARMED) == 1


def test_a_long_disarming_is_told_of_again() -> None:
    """After the alert interval, by how it stands then."""
    hand = Hand(around=DISARMED)
    hand.look(ENABLED)
    hand.around = Surroundings(disarmed=replace(ORDER, until_text="midnight"))
    decision = hand.hear(events.Ticked(), after=POLICY.alert_interval_seconds)
    assert (hand.kinds(decision), decision.reasons) == ([Alert], ())
    assert "until midnight" in hand.state.reason.sentence


def test_what_stands_right_ends_while_it_is_disarmed() -> None:
    """Only what would be ordered waits; so does what was reported meanwhile."""
    hand = Hand(around=DISARMED)
    hand.look(service(disabled=True, reason="maintenance"))
    assert hand.ending() == (Outcome.SKIPPED, Code.ALREADY_DISABLED)
    hand = Hand(around=DISARMED)
    hand.look(ENABLED)
    hand.hear(events.ProcessReported(notification="n", is_running=True))
    hand.around = ALONE
    hand.hear(events.Ticked(), after=2.0)
    hand.look(ENABLED)
    assert hand.ending() == (Outcome.SKIPPED, Code.ALREADY_ENABLED)


def test_an_order_that_the_door_held_back_halts_once() -> None:
    """A disarming that came after the decision is found at the door: one line says so, one that it is disarmed, and then it is quiet."""
    hand = Hand()
    hand.look(ENABLED)
    hand.around = DISARMED
    hand.hear(events.OrderNotSent(answers=hand.order(), instance=None, detail="a human stopped it"))
    for _ in range(20):
        if ReadService.key in hand.state.outstanding:
            hand.look(ENABLED)
        hand.hear(events.Ticked(), after=2.0)
    assert hand.said[-2:] == [Code.SERVICE_NOT_SENT, Code.PROCESS_DISARMED]
    assert hand.state.attempts == 0


def test_a_halted_one_stays_so_with_another_owner_and_ends_with_its_hosts_recovery() -> None:
    """A take-over says nothing of the disarming; the recovery of the host absorbs it all the same."""
    hand = Hand(around=DISARMED)
    hand.look(ENABLED)
    decision = hand.hear(events.TakenOver(engine="e2", before="e1"), after=2.0)
    assert [reason.code for reason in decision.reasons] == [Code.INCIDENT_TAKEN_OVER]
    assert hand.state.phase is ProcessPhase.HALTED
    hand.around = replace(DISARMED, host_recovery="r")
    hand.hear(events.Ticked(), after=2.0)
    assert hand.ending() == (Outcome.ABSORBED, Code.PROCESS_ABSORBED)


# Whatever happens


# What the operator chose

YES = events.Confirmed(by="ann", why="it will not come back")


def choosing(workflow: Workflow) -> Policy:
    """Choose a workflow for all processes."""
    return replace(POLICY, workflows=Workflows((Choice(None, Failure.PROCESS, workflow),)))


def test_a_human_is_asked_before_the_first_order() -> None:
    """The service is disabled after the word only, by a look that is fresh."""
    hand = Hand(policy=choosing(Workflow.CONFIRM))
    decision = hand.look(ENABLED)
    assert (hand.state.phase, hand.state.reason.code) == (ProcessPhase.ASKING, Code.PROCESS_CONFIRM_WANTED)
    assert hand.kinds(decision) == [Alert]
    assert hand.kinds(hand.hear(YES)) == [ReadService]
    assert hand.kinds(hand.look(ENABLED)) == [DisableService]


def test_a_process_that_is_back_asks_for_nothing() -> None:
    """What was to be confirmed is over when the process runs again and its service is enabled."""
    hand = Hand(policy=choosing(Workflow.CONFIRM))
    hand.look(ENABLED)
    hand.hear(events.ProcessReported(notification="n2", is_running=True))
    hand.look(ENABLED)
    assert hand.ending() == (Outcome.SKIPPED, Code.ALREADY_ENABLED)


def test_what_waits_for_a_word_survives_its_engine() -> None:
    """The next engine goes on asking; one that was told otherwise goes on by itself."""
    hand = Hand(policy=choosing(Workflow.CONFIRM))
    hand.look(ENABLED)
    hand.hear(events.TakenOver(engine="e2", before="e1"))
    assert hand.state.phase is ProcessPhase.ASKING
    hand.policy = POLICY
    hand.hear(events.TakenOver(engine="e3", before="e2"))
    assert hand.kinds(hand.look(ENABLED)) == [DisableService]


def test_what_would_be_changed_is_told() -> None:
    """With report nothing is ordered, and it ends so; what stands right is skipped, untold."""
    hand = Hand(policy=choosing(Workflow.REPORT))
    assert hand.kinds(hand.look(ENABLED)) == [Alert]
    assert hand.ending() == (Outcome.REPORTED, Code.ONLY_REPORTED)
    hand = Hand(policy=choosing(Workflow.REPORT))
    assert hand.kinds(hand.look(DISABLED)) == []
    assert hand.ending() == (Outcome.SKIPPED, Code.ALREADY_DISABLED)


class Life:
    """One incident, fed with whatever the tape says."""

    def __init__(self, tape: bytes) -> None:
        self._tape = Random(tape)
        chosen = self._tape.choice((Workflow.RECOVER,) * 4 + (Workflow.CONFIRM, Workflow.REPORT))
        self.hand = Hand(is_running=self._tape.random() < 0.5, policy=choosing(chosen))
        self.pending: list[effects.Effect] = [ReadService("c1")]
        self.seen: set[object] = set()

    def live(self) -> None:
        """Hear up to sixty facts."""
        pick = self._tape.choice
        for _ in range(60):
            self.hand.around = Surroundings(
                disabled_by_us=pick((True, False)),
                host_recovery=pick((None,) * 19 + ("r",)),
                disarmed=pick((None,) * 7 + (ORDER,)),
            )
            decision = self.hand.hear(self._fact(), after=pick((0.1, 1.0, 5.0, 25.0, 130.0)))
            self.seen |= {self.hand.state.phase, self.hand.state.outcome}
            if self.hand.state.phase is ProcessPhase.ENDED:
                return
            assert self.hand.state.wake_at is not None
            assert self.hand.now < self.hand.state.wake_at <= self.hand.now + POLICY.alert_interval_seconds
            self.pending += [effect for effect in decision.effects if not isinstance(effect, Alert)]

    def _fact(self) -> events.ProcessEvent:
        pick = self._tape.choice
        if not self.pending or pick((True,) + (False,) * 4):
            return pick(
                (
                    events.Ticked(),
                    events.ProcessReported(notification="n", is_running=pick((True, False))),
                    events.TakenOver(engine="e2", before="e1"),
                    events.Confirmed(by="ann", why="go"),
                    pick((events.Rejected(by="ann", why="no"), events.Ticked(), events.Ticked())),
                )
            )
        effect = self.pending.pop()
        key = effect.key
        if isinstance(effect, ReadService):
            found = pick((ENABLED, DISABLED, DISABLED, service(disabled=True, reason="maintenance"), None))
            away = events.ServiceUnreadable(answers=key, detail="away")
            return pick((events.ServiceRead(answers=key, service=found),) * 4 + (away,))
        return pick(
            (
                events.ServiceChanged(answers=key, prior=PRIOR),
                events.ServiceRefused(answers=key, status=409, detail="no"),
                events.ServiceUnanswered(answers=key, detail="away"),
                events.OrderNotSent(answers=key, instance=None, detail="shut"),
            )
        )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=8))
def test_no_sequence_of_facts_breaks_a_promise(tape: bytes) -> None:
    """Any facts in any sequence keep every promise and leave a time to wake that comes and is not now."""
    Life(tape).live()


def test_lives_go_far() -> None:
    """The tapes lead incidents through every phase and to every outcome of theirs."""
    seen: set[object] = set()
    for seed in range(300):
        life = Life(seed.to_bytes(2, "big"))
        life.live()
        seen |= life.seen
    outcomes = {Outcome.DISABLED, Outcome.ENABLED, Outcome.SKIPPED, Outcome.ABSORBED, Outcome.FAILED, Outcome.REJECTED}
    assert seen >= set(ProcessPhase) - {ProcessPhase.STOPPED} | outcomes
