"""The incident of a host's nova-compute process: `decide()` takes one fact and gives the next state, the orders and the reasons.

    READING -> CHANGING -> READING -> ENDED

READING looks at the compute service and says what is to be done: disable it where the process stopped; enable it where the process runs
again and we were the ones who disabled it. CHANGING waits for the answer to that order, and the next look confirms it. HALTED stands
instead of an order while the host is disarmed, or is being recovered and the service is to be enabled after that, ASKING while a human has
to confirm; then the service is looked at anew. STOPPED is entered by the engine alone, when going on would break a promise.

Rules: the host is never put on maintenance, so that a later failure of it is heard; instances are left alone; a service that somebody
else disabled, or that is forced down, is theirs; while the host itself is being recovered nothing is ordered. An order that got no answer
may still be taken: until that is over the opposite one waits, and the incident does not end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vmha.core import events
from vmha.core.draft import Decision, Thought
from vmha.core.effects import DisableService, EnableService, ReadService
from vmha.core.explain import Code, because
from vmha.core.incidents import ProcessPhase, ProcessRecovery, Unsettled
from vmha.core.model import HumanWord, Outcome
from vmha.core.moving import ANSWER_SECONDS
from vmha.core.workflows import Failure, Workflow, why_only_reported, workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.explain import Reason
    from vmha.core.model import ServiceReading, Surroundings
    from vmha.core.policy import Policy

    Draft = Thought[ProcessRecovery]

NOVA_COMPUTE = "nova-compute"
"""The one process whose end says something about a compute service; the others' are a matter for their own supervisor."""

ATTEMPTS = 3
"""How often Nova may refuse to change the service before a human is asked."""


def open_process(
    *, uuid: str, host: str, host_uuid: str, segment: str, process: str, is_running: bool, now: float
) -> tuple[ProcessRecovery, Decision[ProcessRecovery]]:
    """Open the incident of a process that was reported stopped, or running."""
    reason = because(Code.PROCESS_STARTED if is_running else Code.PROCESS_STOPPED, process=process, host=host)
    state = ProcessRecovery(
        uuid=uuid,
        host=host,
        host_uuid=host_uuid,
        segment=segment,
        process=process,
        is_running=is_running,
        phase=ProcessPhase.READING,
        opened_at=now,
        phase_since=now,
        reason=reason,
        due=now,
        alert_due=now,
        wake_at=now,
    )
    return state, Decision(state=state, effects=(), reasons=(reason,))


def decide(
    state: ProcessRecovery, event: events.ProcessEvent, now: float, policy: Policy, around: Surroundings
) -> Decision[ProcessRecovery]:
    """Take in one fact and go on as far as that leads."""
    if state.phase in (ProcessPhase.ENDED, ProcessPhase.STOPPED):
        return Decision(state=state, effects=(), reasons=())
    draft = Thought(state=state, now=now, policy=policy, around=around)
    if isinstance(event, events.Answer):
        draft.change(outstanding=state.outstanding - {event.answers})
    HEARD[type(event)](draft, event)
    if draft.state.phase is not ProcessPhase.ENDED:
        STEPS[draft.state.phase](draft)
    if draft.state.phase is not ProcessPhase.ENDED:
        _look_around(draft)
    return draft.decision()


def reading(draft: Draft) -> None:
    """Judge the service by a look at it that is fresh."""
    state = draft.state
    if _is_left_to_host(draft) or state.read_at != draft.now:
        return
    if state.service is None:
        draft.end(Outcome.FAILED, because(Code.SERVICE_UNKNOWN, host=state.host))
    elif state.service.disabled is not state.is_running:
        if not _may_still_be_taken(draft):
            _end_as_it_is(draft, state.service)
    elif state.is_running and not _is_ours(draft, state.service):
        code = Code.SERVICE_FORCED_DOWN if state.service.forced_down else Code.DISABLED_BY_OTHERS
        draft.end(Outcome.SKIPPED, _why(draft, code, state.service), is_told=False)
    elif not (_is_opposed(state) and _may_still_be_taken(draft)) and not _halt(draft) and not _is_left(draft):
        _order(draft)


def changing(draft: Draft) -> None:
    """Read once the order was answered; an answer that does not come any more may not hold the incident for ever."""
    state = draft.state
    if not state.outstanding & {f"disable:{state.number}", f"enable:{state.number}"}:
        _read_again(draft)
    elif draft.now - (state.ordered_at or 0.0) >= ANSWER_SECONDS:
        detail = f"none came within {ANSWER_SECONDS:.0f} s"
        _unanswered(draft, events.ServiceUnanswered(answers="", detail=detail))


def halted(draft: Draft) -> None:
    """Order nothing while the host is disarmed or recovered, and look again when that is over; nobody tells when it is."""
    if not _is_left_to_host(draft) and not _halt(draft):
        awaited = draft.state.reason.code is Code.PROCESS_AWAITS
        draft.change(reason=draft.say(Code.PROCESS_AWAITED if awaited else Code.PROCESS_ARMED, host=draft.state.host))
        _read_again(draft)


def asking(draft: Draft) -> None:
    """Look again once a human confirmed, something else was reported, or no human is asked any more."""
    if not _is_left_to_host(draft) and (draft.state.read_at is None or not _asks(draft)):
        _read_again(draft)


STEPS: dict[ProcessPhase, Callable[[Draft], None]] = {
    ProcessPhase.READING: reading,
    ProcessPhase.CHANGING: changing,
    ProcessPhase.ASKING: asking,
    ProcessPhase.HALTED: halted,
}


def _halt(draft: Draft) -> bool:
    """Halt, or stay halted, where the host, its segment or all is disarmed; tell whether it is."""
    order = draft.around.disarmed
    if order is not None:
        reason = because(Code.PROCESS_DISARMED, host=draft.state.host, **order.facts)
        draft.enter(ProcessPhase.HALTED, reason)
    return order is not None


def _asks(draft: Draft) -> bool:
    """Tell whether a human has to confirm first. Who confirmed once confirmed all of the incident."""
    is_new = draft.state.number == 0 and draft.state.word is None
    return is_new and workflow(Failure.PROCESS, draft.around, draft.policy) is Workflow.CONFIRM


def _is_left(draft: Draft) -> bool:
    """Tell of what would be ordered, or ask, where the operator wants that; what has begun is ended all the same."""
    state, around = draft.state, draft.around
    if state.number == 0 and workflow(Failure.PROCESS, around, draft.policy) is Workflow.REPORT:
        draft.end(Outcome.REPORTED, why_only_reported(f"{state.process} on {state.host}", Failure.PROCESS, around))
    elif _asks(draft):
        deed, said = ("enabled", "runs again") if state.is_running else ("disabled", "stopped")
        reason = because(
            Code.PROCESS_CONFIRM_WANTED, host=state.host, deed=deed, state=said, segment=around.segment_name
        )
        draft.enter(ProcessPhase.ASKING, reason)
    else:
        return False
    return True


def _is_left_to_host(draft: Draft) -> bool:
    """Leave the service to the recovery of its host, where there is one. What we disabled and have to enable again waits for its end."""
    state, recovery = draft.state, draft.around.host_recovery
    if recovery is None:
        return False
    facts = {"process": state.process, "host": state.host}
    if not (state.is_running and draft.around.disabled_by_us):
        draft.end(Outcome.ABSORBED, because(Code.PROCESS_ABSORBED, **facts, recovery=recovery), is_told=False)
    elif state.reason != because(Code.PROCESS_AWAITS, **facts, recovery=recovery):
        # Nobody is told, since that recovery alerts.
        reason = draft.say(Code.PROCESS_AWAITS, **facts, recovery=recovery)
        draft.change(phase=ProcessPhase.HALTED, phase_since=draft.now, reason=reason)
    return True


def _end_as_it_is(draft: Draft, service: ServiceReading) -> None:
    """End where the service stands as it should, by our order or anyhow."""
    state = draft.state
    facts = {"process": state.process, "host": state.host}
    is_by_order = state.number > 0 and state.to_enable is state.is_running
    if is_by_order and state.is_running:
        draft.end(Outcome.ENABLED, because(Code.SERVICE_ENABLED, **facts))
    elif is_by_order and service.disabled_reason == draft.policy.process_disable_reason:
        draft.end(Outcome.DISABLED, because(Code.SERVICE_DISABLED, **facts))
    elif state.is_running:
        draft.end(Outcome.SKIPPED, because(Code.ALREADY_ENABLED, **facts), is_told=False)
    else:
        draft.end(Outcome.SKIPPED, _why(draft, Code.ALREADY_DISABLED, service), is_told=False)


def _why(draft: Draft, code: Code, service: ServiceReading) -> Reason:
    why = "it is forced down" if service.forced_down else service.disabled_reason or "no reason is given"
    return because(code, process=draft.state.process, host=draft.state.host, why=why)


def _is_ours(draft: Draft, service: ServiceReading) -> bool:
    """Tell whether it was we who disabled the service: it has our reason, and to disable it was our last order about it."""
    has_our_reason = service.disabled_reason == draft.policy.process_disable_reason and not service.forced_down
    return has_our_reason and draft.around.disabled_by_us


def _is_opposed(state: ProcessRecovery) -> bool:
    """Tell whether the order that may still be taken would undo what is to be done now."""
    return state.unsettled is not None and state.unsettled.to_enable is not state.is_running


def _may_still_be_taken(draft: Draft) -> bool:
    """Tell whether an order of ours without an answer may yet reach Nova; look again when that is over."""
    unsettled = draft.state.unsettled
    if unsettled is None or draft.now >= unsettled.until:
        return False
    draft.change(due=unsettled.until)
    return True


def _order(draft: Draft) -> None:
    state = draft.state
    if state.attempts >= ATTEMPTS:
        code = Code.NOT_ENABLED if state.is_running else Code.NOT_DISABLED
        draft.end(Outcome.FAILED, because(code, host=state.host, detail=state.detail))
        return
    kind, code = (EnableService, Code.ENABLE_ORDERED) if state.is_running else (DisableService, Code.DISABLE_ORDERED)
    draft.change(
        number=state.number + 1,
        attempts=state.attempts + 1,
        to_enable=state.is_running,
        ordered_at=draft.now,
    )
    draft.enter(ProcessPhase.CHANGING, draft.say(code, host=state.host, process=state.process))
    draft.ask(kind(state.host, draft.policy.process_disable_reason, draft.state.number))


def _read_again(draft: Draft, *, in_seconds: float = 0.0) -> None:
    """Go back to reading: what was read is older than the order."""
    due = draft.now + in_seconds
    draft.change(phase=ProcessPhase.READING, phase_since=draft.now, read_at=None, due=due)


def _look_around(draft: Draft) -> None:
    """Ask for the reading that is due, alert while Nova is away, and say when to wake."""
    state = draft.state
    if state.phase is ProcessPhase.READING and state.due <= draft.now and not draft.waits_for(ReadService.key):
        draft.ask(ReadService(state.host))
    is_halted = state.phase in (ProcessPhase.ASKING, ProcessPhase.HALTED)
    awaits = state.phase is ProcessPhase.HALTED and state.reason.code is Code.PROCESS_AWAITS
    hindered_by = None if awaits else state.reason if is_halted else state.nova_trouble
    if hindered_by is not None and state.alert_due <= draft.now:
        draft.alert(hindered_by)
    elif hindered_by is None:
        draft.change(told=None)
    due = [draft.state.due] + ([draft.state.alert_due] if hindered_by is not None else [])
    due += [draft.now + draft.policy.witness_interval_seconds] if is_halted else []
    later = [at for at in due if at > draft.now]
    draft.change(wake_at=min(later, default=draft.now + draft.policy.unproven_read_seconds))


def _ticked(_draft: Draft, _event: events.Ticked) -> None:
    """Take in that time passed: the phases look at the clock."""


def _reported(draft: Draft, event: events.ProcessReported) -> None:
    """Take the newest report for what is true; with another one the attempts begin anew."""
    state = draft.state
    code = Code.PROCESS_STARTED if event.is_running else Code.PROCESS_STOPPED
    draft.say(code, process=state.process, host=state.host)
    attempts = state.attempts if event.is_running is state.is_running else 0
    draft.change(is_running=event.is_running, attempts=attempts, read_at=None, due=draft.now)


def _taken_over(draft: Draft, event: events.TakenOver) -> None:
    """Forget what was asked, take an order for unanswered, and read before anything is ordered (P5)."""
    if event.before and event.before != event.engine:
        draft.say(Code.INCIDENT_TAKEN_OVER, engine=event.engine, before=event.before)
    else:
        draft.say(Code.INCIDENT_RESUMED, engine=event.engine)
    state = draft.state
    # Times to come stand in the state where the clock was set back.
    draft.change(outstanding=frozenset(), opened_at=min(state.opened_at, draft.now), alert_due=draft.now)
    if state.unsettled is not None:
        draft.change(unsettled=replace(state.unsettled, until=min(state.unsettled.until, _settled_at(draft))))
    if state.phase is ProcessPhase.CHANGING:
        _leave_unsettled(draft)
    if state.phase in (ProcessPhase.ASKING, ProcessPhase.HALTED):
        draft.change(phase_since=min(state.phase_since, draft.now))
    else:
        _read_again(draft)


def _confirmed(draft: Draft, event: events.Confirmed) -> None:
    if draft.state.phase is ProcessPhase.ASKING:
        draft.say(Code.CONFIRMED, by=event.by, why=event.why)
        draft.change(word=HumanWord(event.by, event.why, draft.now))
    else:
        draft.refuse(Code.CONFIRM_NOT_ASKED, by=event.by)


def _rejected(draft: Draft, event: events.Rejected) -> None:
    reason = because(Code.REJECTED, by=event.by, why=event.why, host=f"{draft.state.process} on {draft.state.host}")
    draft.end(Outcome.REJECTED, reason)


def _read(draft: Draft, event: events.ServiceRead) -> None:
    if draft.state.nova_trouble is not None:
        draft.say(Code.NOVA_BACK, host=draft.state.host)
    draft.change(service=event.service, read_at=draft.now, nova_trouble=None, due=_later(draft))
    unsettled = draft.state.unsettled
    is_last = unsettled is not None and unsettled.number == draft.state.number
    if is_last and event.service is not None and event.service.disabled is not draft.state.to_enable:
        # It stands as the order without an answer wanted, and no other was given since: that one was taken.
        draft.change(unsettled=None)


def _settled_at(draft: Draft) -> float:
    return draft.now + draft.policy.answer_settle_seconds


def _leave_unsettled(draft: Draft) -> None:
    state = draft.state
    unsettled = Unsettled(number=state.number, to_enable=state.to_enable, until=_settled_at(draft))
    draft.change(unsettled=unsettled)


def _later(draft: Draft) -> float:
    return draft.now + draft.policy.nova_retry_seconds


def _unreadable(draft: Draft, event: events.ServiceUnreadable) -> None:
    """Ask again later, say it once, and alert where it lasts."""
    seconds = draft.policy.nova_retry_seconds
    reason = because(Code.SERVICE_UNREADABLE, host=draft.state.host, detail=event.detail, seconds=seconds)
    if draft.state.nova_trouble is None:
        draft.reasons.append(reason)
        draft.alert_later()
    draft.change(nova_trouble=reason, reason=reason, read_at=None, due=_later(draft))


def _changed(draft: Draft, event: events.ServiceChanged) -> None:
    draft.say(Code.SERVICE_CHANGED, host=draft.state.host)
    draft.change(prior=draft.state.prior or event.prior)


def _refused(draft: Draft, event: events.ServiceRefused) -> None:
    draft.say(Code.SERVICE_NOT_CHANGED, host=draft.state.host, detail=event.detail)
    _read_again(draft, in_seconds=draft.policy.nova_retry_seconds)
    draft.change(detail=event.detail)


def _unanswered(draft: Draft, event: events.ServiceUnanswered) -> None:
    draft.say(Code.SERVICE_UNANSWERED, host=draft.state.host, detail=event.detail)
    _leave_unsettled(draft)
    _read_again(draft)
    draft.change(detail=event.detail)


def _not_sent(draft: Draft, event: events.OrderNotSent) -> None:
    """Count an order that never left as not given."""
    draft.say(Code.SERVICE_NOT_SENT, host=draft.state.host, detail=event.detail)
    _read_again(draft, in_seconds=draft.policy.witness_interval_seconds)
    draft.change(attempts=max(draft.state.attempts - 1, 0))


HEARD: dict[type, Callable[[Draft, Any], None]] = {
    events.Ticked: _ticked,
    events.ProcessReported: _reported,
    events.TakenOver: _taken_over,
    events.Confirmed: _confirmed,
    events.Rejected: _rejected,
    events.ServiceRead: _read,
    events.ServiceUnreadable: _unreadable,
    events.ServiceChanged: _changed,
    events.ServiceRefused: _refused,
    events.ServiceUnanswered: _unanswered,
    events.OrderNotSent: _not_sent,
}
"""What each kind of fact does to the state; a test sees that none is missing."""
