"""The incident of an instance whose guest failed: `decide()` takes one fact and gives the next state, the orders and the reasons.

    READING -> STOPPING -> READING -> STARTING -> ENDED

READING looks at the instance closely and judges by `RULES`, top to bottom: most of them leave it alone, or let it wait. What passes all
of them is stopped, or started where it is stopped. STOPPING and STARTING follow the order, by one look after the other. AWAITING stands
while the host itself is being recovered, from any of these, HALTED instead of an order while the host is disarmed, ASKING while a human
has to confirm; after that the instance is looked at anew. STOPPED is entered by the engine alone, when going on would break a promise.

Rules: an order leaves only by what Nova said just now: the guest's state, its host, that this host is up, and that no move of it is open
or may have left a guest elsewhere (P2). An order without an answer is looked up, and may still be taken: no other one is given before
that is over. An instance is started so often in an hour and no more (P6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmha.core import events, guests
from vmha.core.draft import Decision, Thought
from vmha.core.effects import ReadInstance, StartInstance, StopInstance
from vmha.core.explain import Code, because
from vmha.core.guests import RULES, labelled
from vmha.core.incidents import InstancePhase, InstanceRecovery
from vmha.core.model import HumanWord, Outcome
from vmha.core.moving import ANSWER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.guests import Draft
    from vmha.core.model import Instance, Surroundings
    from vmha.core.policy import Policy

ORDERS = 3
"""Stops, and starts, that one incident may give: a second one only where Nova did not take the first."""


def open_instance(
    *,
    uuid: str,
    host: str,
    host_uuid: str,
    segment: str,
    instance: str,
    event: str,
    now: float,
    is_leftover: bool = False,
) -> tuple[InstanceRecovery, Decision[InstanceRecovery]]:
    """Open the incident of an instance that was reported failed."""
    reason = because(Code.INSTANCE_FAILED, instance=instance, host=host, event=event)
    state = InstanceRecovery(
        uuid=uuid,
        host=host,
        host_uuid=host_uuid,
        segment=segment,
        instance=instance,
        event=event,
        phase=InstancePhase.READING,
        opened_at=now,
        phase_since=now,
        reason=reason,
        is_leftover=is_leftover,
        due=now,
        alert_due=now,
        wake_at=now,
    )
    return state, Decision(state=state, effects=(), reasons=(reason,))


def decide(
    state: InstanceRecovery, event: events.InstanceEvent, now: float, policy: Policy, around: Surroundings
) -> Decision[InstanceRecovery]:
    """Take in one fact and follow the phases as far as they go."""
    if state.phase in (InstancePhase.ENDED, InstancePhase.STOPPED):
        return Decision(state=state, effects=(), reasons=())
    draft = Thought(state=state, now=now, policy=policy, around=around)
    if isinstance(event, events.Answer):
        draft.change(outstanding=state.outstanding - {event.answers})
    HEARD[type(event)](draft, event)
    _advance(draft)
    if draft.state.phase is not InstancePhase.ENDED:
        _look_around(draft)
    return draft.decision()


def _advance(draft: Draft) -> None:
    """Step through the phases until one stays."""
    for _ in InstancePhase:
        before = draft.state.phase
        if before is InstancePhase.ENDED:
            return
        STEPS[before](draft)
        if draft.state.phase is before:
            return


def reading(draft: Draft) -> None:
    """Judge the instance by a close look that is fresh, and give the order that is due."""
    state, seen = draft.state, draft.state.seen
    if _order_is_out(draft) or _awaits_host(draft) or state.read_at != draft.now:
        return
    if seen is None:
        draft.end(Outcome.LEFT_ALONE, because(Code.INSTANCE_GONE, instance=state.instance), is_told=False)
    elif state.records is not None and not any(rule(draft, seen) for rule in RULES):
        _start(draft, seen) if seen.vm_state == "stopped" else _stop(draft, seen)


def stopping(draft: Draft) -> None:
    """Follow the stop until the guest is stopped."""
    seen = _fresh_look(draft)
    if seen is not None and seen.vm_state == "stopped" and seen.task_state is None:
        draft.say(Code.GUEST_STOPPED, **labelled(draft.state))
        _read_closely(draft)
    elif seen is not None and not _was_not_taken(draft, seen):
        _end_if_late(draft, seen, draft.policy.wait_period_after_power_off, Code.NOT_STOPPED)


def starting(draft: Draft) -> None:
    """Follow the start until the guest runs."""
    seen = _fresh_look(draft)
    if seen is not None and seen.task_state is None and seen.vm_state == "active":
        guests.runs_again(draft, seen)
    elif seen is not None and seen.vm_state == "error":
        detail = "Nova holds it in state error"
        draft.end(Outcome.FAILED, because(Code.NOT_STARTED, **labelled(draft.state), detail=detail))
    elif seen is not None and seen.vm_state == "stopped" and seen.task_state is None and draft.state.has_failed_again:
        _read_closely(draft)
    elif seen is not None and not _was_not_taken(draft, seen):
        _end_if_late(draft, seen, draft.policy.wait_period_after_power_on, Code.NOT_STARTED)


def awaiting(draft: Draft) -> None:
    """Look again once the recovery of the host has ended; there may be another one by then."""
    if not _awaits_host(draft):
        draft.say(Code.INSTANCE_AWAITED, recovery=draft.state.awaited, **labelled(draft.state))
        _read_closely(draft)


def halted(draft: Draft) -> None:
    """Order nothing while the host is disarmed, and look again when that is over; nobody tells when it is."""
    if not _awaits_host(draft) and not guests.halt(draft):
        draft.change(reason=draft.say(Code.INSTANCE_ARMED, **labelled(draft.state)))
        _read_closely(draft)


def asking(draft: Draft) -> None:
    """Look again once a human confirmed, or is not asked any more."""
    if not _awaits_host(draft) and not guests.asks(draft):
        _read_closely(draft)


STEPS: dict[InstancePhase, Callable[[Draft], None]] = {
    InstancePhase.READING: reading,
    InstancePhase.STOPPING: stopping,
    InstancePhase.STARTING: starting,
    InstancePhase.AWAITING: awaiting,
    InstancePhase.ASKING: asking,
    InstancePhase.HALTED: halted,
}


def _awaits_host(draft: Draft) -> bool:
    """Let the instance wait while its host is being recovered; nobody is told, since that recovery alerts."""
    state, recovery = draft.state, draft.around.host_recovery
    if recovery is None:
        return False
    if state.phase is not InstancePhase.AWAITING or state.awaited != recovery:
        host = state.host if state.seen is None else state.seen.host
        reason = draft.say(Code.INSTANCE_AWAITS, **labelled(state), recovery=recovery, host=host)
        draft.change(phase=InstancePhase.AWAITING, phase_since=draft.now, reason=reason, awaited=recovery)
    return True


def _fresh_look(draft: Draft) -> Instance | None:
    """Return what was just read of the instance; None before the order is answered, and where something else than it has changed."""
    state, seen = draft.state, draft.state.seen
    if _order_is_out(draft) or _awaits_host(draft) or state.read_at != draft.now:
        return None
    if seen is None or seen.host != state.ordered_on:
        _read_closely(draft)
        return None
    return seen


def _order_is_out(draft: Draft) -> bool:
    """Tell whether the answer to the order is still to come; one that does not come may not hold the incident for ever."""
    state = draft.state
    if not draft.waits_for(state.order_key):
        return False
    if draft.now - (state.ordered_at or 0.0) < ANSWER_SECONDS:
        return True
    draft.change(outstanding=state.outstanding - {state.order_key})
    detail = f"none came within {ANSWER_SECONDS:.0f} s"
    _unanswered(draft, events.GuestOrderUnanswered(answers=state.order_key, detail=detail))
    return False


def _was_not_taken(draft: Draft, seen: Instance) -> bool:
    """Look closely again where an order got no answer, and Nova shows no trace of it when it could not come any more."""
    until = draft.state.unsettled_until
    if until is None or draft.now < until or seen.task_state is not None:
        return False
    draft.say(Code.GUEST_ORDER_NOT_TAKEN, **labelled(draft.state))
    _read_closely(draft)
    return True


def _end_if_late(draft: Draft, seen: Instance, seconds: float, code: Code) -> None:
    if draft.now - (draft.state.ordered_at or draft.now) >= seconds:
        detail = (
            f"it is in state {seen.vm_state} {f'({seen.task_state}) ' if seen.task_state else ''}after {seconds:.0f} s"
        )
        draft.end(Outcome.FAILED, because(code, **labelled(draft.state), detail=detail))


def _stop(draft: Draft, seen: Instance) -> None:
    state = draft.state
    if state.stops >= ORDERS:
        draft.end(Outcome.FAILED, because(Code.NOT_STOPPED, **labelled(state), detail=state.detail))
        return
    reason = draft.say(Code.STOP_ORDERED, **labelled(state), host=seen.host)
    draft.change(stops=state.stops + 1)
    _give(draft, StopInstance(state.instance, seen.host, state.number + 1))
    draft.enter(InstancePhase.STOPPING, reason)


def _start(draft: Draft, seen: Instance) -> None:
    state = draft.state
    if state.starts >= ORDERS:
        draft.end(Outcome.FAILED, because(Code.NOT_STARTED, **labelled(state), detail=state.detail))
        return
    reason = draft.say(Code.START_ORDERED, **labelled(state), host=seen.host)
    draft.change(starts=state.starts + 1)
    _give(draft, StartInstance(state.instance, seen.host, state.number + 1))
    draft.enter(InstancePhase.STARTING, reason)


def _give(draft: Draft, order: StopInstance | StartInstance) -> None:
    draft.change(number=order.number, order_key=order.key, unsettled_until=None, has_failed_again=False)
    draft.change(ordered_at=draft.now, ordered_on=order.host)
    draft.ask(order)


def _read_closely(draft: Draft, *, in_seconds: float = 0.0) -> None:
    """Go back to judging: what was read is too old, or not close enough."""
    draft.change(phase=InstancePhase.READING, phase_since=draft.now, read_at=None, due=draft.now + in_seconds)


def _look_around(draft: Draft) -> None:
    """Ask for the look that is due, alert while Nova is away, and say when to wake."""
    state = draft.state
    closely = state.phase is InstancePhase.READING
    follows = state.phase in (InstancePhase.STOPPING, InstancePhase.STARTING) and not _order_is_out(draft)
    if (closely or follows) and state.due <= draft.now and not draft.waits_for(ReadInstance.key):
        draft.ask(ReadInstance(state.instance, closely=closely))
    is_halted = state.phase in (InstancePhase.ASKING, InstancePhase.HALTED)
    hindered_by = state.reason if is_halted else state.nova_trouble
    if hindered_by is not None and state.alert_due <= draft.now:
        draft.alert(hindered_by)
    elif hindered_by is None:
        draft.change(told=None)
    state = draft.state
    due = [state.due, state.alert_due if hindered_by is not None else state.due]
    due += [at for at in (state.unsettled_until, (state.ordered_at or 0.0) + ANSWER_SECONDS) if at is not None]
    later = [at for at in due if at > draft.now]
    policy = draft.policy
    longest = draft.now + (policy.witness_interval_seconds if is_halted else policy.unproven_read_seconds)
    draft.change(wake_at=min(*later, longest) if later else longest)


def _notified(draft: Draft, event: events.Notified) -> None:
    """Judge by no look that was asked for before: the guest may have failed again since."""
    draft.say(Code.INSTANCE_REPORTED_AGAIN, notification=event.notification)
    draft.change(is_look_old=draft.waits_for(ReadInstance.key), has_failed_again=True)


def _taken_over(draft: Draft, event: events.TakenOver) -> None:
    """Forget what was asked, take an order that was out for unanswered, and look closely before anything is ordered (P5)."""
    if event.before and event.before != event.engine:
        draft.say(Code.INCIDENT_TAKEN_OVER, engine=event.engine, before=event.before)
    else:
        draft.say(Code.INCIDENT_RESUMED, engine=event.engine)
    state, now = draft.state, draft.now
    was_out = draft.waits_for(state.order_key)
    draft.change(outstanding=frozenset(), is_look_old=False, opened_at=min(state.opened_at, now), alert_due=now)
    # Times to come stand in the state where the clock was set back.
    if state.unsettled_until is not None:
        draft.change(unsettled_until=min(state.unsettled_until, _settled_at(draft)))
    if was_out:
        _leave_unsettled(draft)
    if state.phase.is_aside:
        draft.change(phase_since=min(state.phase_since, now), due=now)
    else:
        _read_closely(draft)


def _confirmed(draft: Draft, event: events.Confirmed) -> None:
    if draft.state.phase is InstancePhase.ASKING:
        draft.say(Code.CONFIRMED, by=event.by, why=event.why)
        draft.change(word=HumanWord(event.by, event.why, draft.now))
    else:
        draft.refuse(Code.CONFIRM_NOT_ASKED, by=event.by)


def _rejected(draft: Draft, event: events.Rejected) -> None:
    who = f"{draft.state.name or 'instance'} ({draft.state.instance})"
    draft.end(Outcome.REJECTED, because(Code.REJECTED, by=event.by, why=event.why, host=who))


def _read(draft: Draft, event: events.InstanceRead) -> None:
    if draft.state.nova_trouble is not None:
        draft.say(Code.NOVA_BACK, host=draft.state.host)
    is_old, follows = draft.state.is_look_old, draft.state.phase in (InstancePhase.STOPPING, InstancePhase.STARTING)
    pause = draft.policy.verify_interval if follows else draft.policy.nova_retry_seconds
    draft.change(
        seen=event.instance,
        name=event.instance.name if event.instance is not None else draft.state.name,
        records=event.migrations,
        service=event.service,
        read_at=None if is_old else draft.now,
        is_look_old=False,
        nova_trouble=None,
        due=draft.now + (0.0 if is_old else pause),
    )


def _unreadable(draft: Draft, event: events.InstanceUnreadable) -> None:
    """Ask again later, say it once, and alert where it lasts."""
    seconds = draft.policy.nova_retry_seconds
    reason = because(Code.INSTANCE_UNREADABLE, **labelled(draft.state), detail=event.detail, seconds=seconds)
    if draft.state.nova_trouble is None:
        draft.reasons.append(reason)
        draft.alert_later()
    draft.change(nova_trouble=reason, read_at=None, is_look_old=False, due=draft.now + seconds)
    if draft.state.phase is InstancePhase.READING:
        draft.change(reason=reason)


def _taken(draft: Draft, event: events.GuestOrderTaken) -> None:
    is_stop = _is_stop(event.answers)
    draft.say(Code.STOP_TAKEN if is_stop else Code.START_TAKEN, **labelled(draft.state))
    draft.change(has_stopped=draft.state.has_stopped or is_stop, due=draft.now)


def _refused(draft: Draft, event: events.GuestOrderRefused) -> None:
    """Look up why: somebody else may have stopped or started it, or moved or deleted it."""
    draft.say(Code.GUEST_ORDER_REFUSED, **labelled(draft.state), detail=event.detail)
    draft.change(detail=event.detail)
    if not draft.state.phase.is_aside:
        _read_closely(draft)


def _unanswered(draft: Draft, event: events.GuestOrderUnanswered) -> None:
    draft.say(Code.GUEST_ORDER_UNANSWERED, **labelled(draft.state), detail=event.detail)
    draft.change(detail=event.detail, due=draft.now)
    _leave_unsettled(draft)


def _not_sent(draft: Draft, event: events.OrderNotSent) -> None:
    """Count an order that never left as not given."""
    draft.say(Code.GUEST_ORDER_NOT_SENT, **labelled(draft.state), detail=event.detail)
    state = draft.state
    if _is_stop(event.answers):
        draft.change(stops=max(state.stops - 1, 0))
    else:
        draft.change(starts=max(state.starts - 1, 0))
    if not state.phase.is_aside:
        _read_closely(draft, in_seconds=draft.policy.witness_interval_seconds)


def _settled_at(draft: Draft) -> float:
    return draft.now + draft.policy.answer_settle_seconds


def _leave_unsettled(draft: Draft) -> None:
    has_stopped = draft.state.has_stopped or _is_stop(draft.state.order_key)
    draft.change(unsettled_until=_settled_at(draft), has_stopped=has_stopped)


def _is_stop(key: str) -> bool:
    return key.startswith("stop:")


HEARD: dict[type, Callable[[Draft, Any], None]] = {
    events.Ticked: lambda _draft, _event: None,  # the phases look at the clock
    events.Notified: _notified,
    events.TakenOver: _taken_over,
    events.Confirmed: _confirmed,
    events.Rejected: _rejected,
    events.InstanceRead: _read,
    events.InstanceUnreadable: _unreadable,
    events.GuestOrderTaken: _taken,
    events.GuestOrderRefused: _refused,
    events.GuestOrderUnanswered: _unanswered,
    events.OrderNotSent: _not_sent,
}
"""What each kind of fact does to the state; a test sees that none is missing."""
