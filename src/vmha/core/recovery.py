"""The recovery of one failed host: `decide()` takes one fact and gives the next state, the orders and the reasons.

    WITNESSING -> FENCING -> FORCING_DOWN -> PLANNING -> MOVING -> ENDED

and beside the path the waits UNWITNESSED, DISPUTED, BRAKED, CAPPED, UNPROVEN and HELD, each left by a fact or by a human's word, and ASKING,
left by a human's word or when Nova hears the host; HALTED, while a human lets nothing be ordered, and CANCELLING, once nothing is to be
ordered any more; STOPPED, which only the engine enters, when going on would break a promise, and only a human's reject leaves. A proof that
dies in FORCING_DOWN, PLANNING, MOVING or HELD leads back to UNPROVEN; what Nova has already taken is followed there too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmha.core import (
    capping,
    confirming,
    diagnosing,
    effects,
    events,
    evidence,
    fencing,
    following,
    halting,
    leaving,
    moving,
    shortage,
    spares,
    stepback,
)
from vmha.core.copying import replace
from vmha.core.draft import Decision, Draft
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus, Outcome, Phase, Recovery, RecoveryMethod, Rung
from vmha.core.stops import DetectorWord, HumanWord
from vmha.core.workflows import Failure, is_only_reported, why_only_reported

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.model import Surroundings
    from vmha.core.policy import Policy

NOVA_WORKS = (events.ForcedDown, events.HostSurveyed, events.ProgressRead)
"""Answers that end a trouble with Nova."""


def _unproven(draft: Draft) -> None:
    """Wait for a proof, unless nothing is left that would need one."""
    if not moving.end_if_settled(draft):
        fencing.unproven(draft)


STEPS: dict[Phase, Callable[[Draft], None]] = {
    Phase.WITNESSING: fencing.witnessing,
    Phase.UNWITNESSED: fencing.unwitnessed,
    Phase.DISPUTED: fencing.disputed,
    Phase.BRAKED: fencing.braked,
    Phase.CAPPED: capping.capped,
    Phase.ASKING: capping.asking,
    Phase.FENCING: fencing.fencing,
    Phase.UNPROVEN: _unproven,
    Phase.FORCING_DOWN: moving.forcing_down,
    Phase.PLANNING: moving.planning,
    Phase.MOVING: leaving.moving_or_leaving,
    Phase.HELD: leaving.moving_or_leaving,
    Phase.HALTED: halting.halted,
    Phase.CANCELLING: halting.cancelling,
}


def open_recovery(
    *,
    uuid: str,
    host: str,
    host_uuid: str,
    segment: str,
    method: RecoveryMethod,
    now: float,
    detector: DetectorWord | None = None,
) -> tuple[Recovery, Decision[Recovery]]:
    """Open the recovery of a host that was reported stopped, and off where there is a word of the detector; tell so."""
    reason = because(Code.OPENED, host=host)
    state = Recovery(
        uuid=uuid,
        host=host,
        host_uuid=host_uuid,
        segment=segment,
        method=method,
        phase=Phase.WITNESSING,
        opened_at=now,
        phase_since=now,
        reason=reason,
        detector=detector,
        heartbeat_due=now,
        power_due=now,
        nova_due=now,
        alert_due=now,
        wake_at=now,
    )
    told = effects.Alert(host, reason, effects.AlertKind.OPENED)
    return state, Decision(state=state, effects=(told,), reasons=(reason,), revoked=())


def decide(
    state: Recovery, event: events.HostEvent, now: float, policy: Policy, around: Surroundings, *, new_uuid: str
) -> Decision[Recovery]:
    """Take in one fact and follow the phases as far as they go. `new_uuid` names a proof, should one be written."""
    if state.phase in (Phase.ENDED, Phase.STOPPED):
        return Decision(state=state, effects=(), reasons=(), revoked=())
    draft = Draft(state=state, now=now, policy=policy, around=around, new_uuid=new_uuid)
    confirming.note_question(draft)  # an older version may not have, and this decision may leave the question behind
    _absorb(draft, event)
    if draft.state.unweighed is not None and isinstance(event, events.HeartbeatsRead | events.HeartbeatsUnreadable):
        confirming.confirmed(draft, draft.state.unweighed)
    _leave_to_humans(draft)
    halting.look(draft)
    evidence.guard_proof(draft)
    diagnosing.look(draft)
    _advance(draft)
    if diagnosing.look(draft):
        _advance(draft)
    confirming.note_question(draft)
    if draft.state.phase is not Phase.ENDED:
        _look_around(draft)
        draft.change(wake_at=_next_wake(draft.state, now, policy))
    return draft.decision()


def _leave_to_humans(draft: Draft) -> None:
    """End what the operator wants to be told of and nothing else."""
    state, around = draft.state, draft.around
    if state.phase not in (Phase.CANCELLING, Phase.ENDED) and is_only_reported(state, around, draft.policy):
        draft.end(Outcome.REPORTED, why_only_reported(state.host, Failure.HOST, around))


def _advance(draft: Draft) -> None:
    """Step through the phases until one stays."""
    for _ in Phase:
        before = draft.state.phase
        if before in (Phase.ENDED, Phase.STOPPED):
            return
        STEPS[before](draft)
        if draft.state.phase is before:
            return


def _look_around(draft: Draft) -> None:
    """Ask for the readings that are due, follow moves under way in any phase, alert again where a wait stands."""
    evidence.watch(draft)
    state = draft.state
    if state.phase in (Phase.UNPROVEN, Phase.FENCING) and state.surveyed:
        moving.follow(draft)
    if _needs_human(state) and draft.state.alert_due <= draft.now:
        draft.alert(draft.state.reason)
    if not _needs_human(state):
        draft.change(told=None)


def _needs_human(state: Recovery) -> bool:
    """Tell whether the recovery does not go on: it waits, Nova is away, or instances find no room."""
    lacks_room = state.phase is Phase.MOVING and state.shortage is not None
    return state.phase.is_wait or state.nova_trouble is not None or lacks_room


def _absorb(draft: Draft, event: events.Event) -> None:
    """Take the fact into the state."""
    if isinstance(event, events.Answer):
        draft.change(outstanding=draft.state.outstanding - {event.answers})
    if draft.state.nova_trouble is not None and isinstance(event, NOVA_WORKS):
        draft.say(Code.NOVA_BACK, host=draft.state.host)
        draft.change(nova_trouble=None)
    HEARD[type(event)](draft, event)


def _ticked(_draft: Draft, _event: events.Ticked) -> None:
    """Take in that time passed: the phases look at the clock."""


def _notified(draft: Draft, event: events.Notified) -> None:
    draft.say(Code.REPORTED_AGAIN, host=draft.state.host, notification=event.notification)
    fencing.reported_again(draft)
    if event.says_off and draft.state.detector is None:
        draft.change(detector=DetectorWord(event.notification, draft.now))


def _taken_over(draft: Draft, event: events.TakenOver) -> None:
    """Forget what was asked; read power and records before the first order (P5)."""
    state, now = draft.state, draft.now
    if event.before and event.before != event.engine:
        draft.say(Code.TAKEN_OVER, engine=event.engine, before=event.before)
    else:
        draft.say(Code.RESUMED, engine=event.engine)
    stepback.forget_times_to_come(draft)
    state = draft.state
    moves = tuple(
        replace(move, status=MoveStatus.UNANSWERED, ordered_at=now) if move.status is MoveStatus.ORDERED else move
        for move in state.moves
    )
    checks = {"power"} | ({"progress"} if state.surveyed and moves else set())
    draft.change(
        outstanding=frozenset(),
        checks=frozenset(checks),
        moves=moves,
        reserved=spares.in_doubt(state.reserved, now),
        verified=state.verified and not moves,
        fence=replace(
            state.fence, readings=(), round_orders=min(state.fence.round_orders, draft.policy.fence_attempts)
        ),
        heartbeat_due=now,
        power_due=now,
        nova_due=now,
        survey_due=now,
    )
    evidence.judge_anew(draft)
    fencing.taken_over(draft)


def _confirmed(draft: Draft, said: events.Confirmed) -> None:
    confirming.confirmed(draft, HumanWord(said.by, said.why, draft.now, asked=said.asked, is_off=said.is_off))


def _nova_failed(draft: Draft, code: Code, detail: str) -> None:
    """Nova did not answer: the same is asked again later, and said once until Nova answers again."""
    retry = draft.policy.nova_retry_seconds
    reason = because(code, host=draft.state.host, detail=detail, seconds=retry)
    is_new = draft.state.nova_trouble is None or draft.state.nova_trouble.code is not code
    draft.change(nova_due=draft.now + retry, survey_due=draft.now + retry, nova_trouble=reason)
    if is_new:
        draft.reasons.append(reason)
    if not draft.state.phase.is_wait:
        draft.change(reason=reason)
        if is_new:
            draft.alert_later()


def _power_off_answered(draft: Draft, event: events.PowerOffAnswered) -> None:
    draft.say(Code.POWER_OFF_TAKEN, host=draft.state.host, address=event.address)
    draft.change(power_due=draft.now)


def _power_off_failed(draft: Draft, event: events.PowerOffFailed) -> None:
    draft.say(Code.POWER_OFF_REFUSED, host=draft.state.host, address=event.address, detail=event.detail)
    evidence.unreadable(draft, event.trouble, event.detail, event.address)
    draft.change(power_due=draft.now)


def _forced_down(draft: Draft, event: events.ForcedDown) -> None:
    """Go on, and begin to watch the heartbeat anew: the order itself has changed it."""
    draft.say(Code.FORCED_DOWN, host=draft.state.host)
    fresh = evidence.forget_heartbeat(draft.state.witness)
    draft.change(prior=event.prior, nova_due=draft.now, heartbeat_due=draft.now, witness=fresh)


def _not_sent(draft: Draft, event: events.OrderNotSent) -> None:
    following.not_sent(draft, event)
    spares.not_sent(draft)
    if event.answers.startswith("power-off:"):
        _take_back_power_off(draft)
    draft.change(nova_due=max(draft.state.nova_due, draft.now + draft.policy.witness_interval_seconds))


def _take_back_power_off(draft: Draft) -> None:
    """Count an order that never left as not given, and give it again in a moment."""
    fence, policy = draft.state.fence, draft.policy
    soon = draft.now - policy.fence_retry_seconds + policy.witness_interval_seconds
    taken_back = replace(fence, unsent=fence.unsent + 1, round_orders=max(fence.round_orders - 1, 0), ordered_at=soon)
    draft.change(fence=taken_back, power_due=draft.now)


def _room_read(draft: Draft, event: events.RoomRead) -> None:
    draft.room = event
    shortage.heard(draft, event)


def _room_unreadable(draft: Draft, event: events.RoomUnreadable) -> None:
    draft.room = event
    shortage.unreadable(draft, event)


def _next_wake(state: Recovery, now: float, policy: Policy) -> float:
    """Return when something becomes due although no answer comes.

    What is due by now and was not done waits for an answer or for a proof, and these wake the recovery by themselves: to wake at once
    for it again would be to spin.
    """
    due = [state.heartbeat_due, state.power_due, state.alert_due if _needs_human(state) else state.heartbeat_due]
    if state.proof is not None:
        due.append(state.proof.valid_until if state.proof.rung is Rung.IPMI else state.power_due)
    if state.phase in (Phase.FORCING_DOWN, Phase.PLANNING, Phase.MOVING, Phase.HELD) or state.moves:
        due.append(state.nova_due)
    if state.surveyed:
        due.append(state.survey_due)
    if state.awaited_until is not None:
        due.append(state.awaited_until)
    if state.phase is Phase.FENCING and state.fence.ordered_at is not None:
        due.append(state.fence.ordered_at + policy.fence_retry_seconds)
    if state.phase is Phase.HALTED:
        due.append(now + policy.witness_interval_seconds)  # nobody tells when it is armed again
    due += [move.retry_at for move in state.moves if move.status is MoveStatus.PENDING and move.retry_at is not None]
    due += [*diagnosing.next_due(state), *spares.next_due(state, policy)]
    return min((at for at in due if at > now), default=now + policy.unproven_read_seconds)


HEARD: dict[type, Callable[[Draft, Any], None]] = {
    events.Ticked: _ticked,
    events.Notified: _notified,
    events.TakenOver: _taken_over,
    events.Confirmed: _confirmed,
    events.Rejected: halting.rejected,
    events.Paused: halting.paused,
    events.Resumed: halting.resumed,
    events.Cancelled: halting.cancelled,
    events.HeartbeatsRead: evidence.hear,
    events.HeartbeatsUnreadable: lambda draft, event: evidence.lost(draft, event.detail),
    events.PowerRead: lambda draft, event: evidence.read(draft, event.power, event.address),
    events.PowerUnreadable: lambda draft, e: evidence.unreadable(draft, e.trouble, e.detail, e.address),
    events.PowerOffAnswered: _power_off_answered,
    events.PowerOffFailed: _power_off_failed,
    events.ForcedDown: _forced_down,
    events.ForceDownFailed: lambda draft, event: _nova_failed(draft, Code.FORCE_DOWN_FAILED, event.detail),
    events.HostSurveyed: moving.surveyed,
    events.RoomRead: _room_read,
    events.RoomUnreadable: _room_unreadable,
    events.ReservedReturned: spares.returned,
    events.ReservedKept: spares.kept,
    events.SurveyFailed: lambda draft, event: _nova_failed(draft, Code.SURVEY_FAILED, event.detail),
    events.EvacuationAccepted: lambda draft, event: following.accepted(draft, event.instance),
    events.EvacuationRefused: following.refused,
    events.EvacuationUnanswered: following.unanswered,
    events.OrderNotSent: _not_sent,
    events.ProgressRead: following.progress,
    events.ProgressUnreadable: lambda draft, event: _nova_failed(draft, Code.NOVA_AWAY, event.detail),
    events.ReservedEnabled: spares.ready,
    events.ReservedFailed: spares.failed,
    events.InstanceExamined: diagnosing.examined,
}
"""What each kind of fact does to the state; a test sees that none is missing."""
