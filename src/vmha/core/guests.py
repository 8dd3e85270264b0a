"""What is asked of an instance before its guest is stopped or started. Each rule of `RULES` ends the incident, lets it wait, or passes.

All of them judge a close look that is fresh: the instance, all its migration records, and the compute service of its host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.draft import Thought
from vmha.core.explain import Code, because
from vmha.core.incidents import InstancePhase, InstanceRecovery
from vmha.core.metadata import is_tagged
from vmha.core.model import Outcome
from vmha.core.targets import SUCCEEDED, TERMINAL, UNNAMED, suspects
from vmha.core.workflows import Failure, Workflow, why_only_reported, workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.explain import Reason
    from vmha.core.model import Instance, Migration

Draft = Thought[InstanceRecovery]

IGNORED = ("paused", "rescued")
"""States that somebody chose; upstream leaves them alone too."""

RESTARTABLE = ("active", "stopped", "error")
"""States from which Nova stops or starts."""

GOING = ("deleted", "soft-delete")
"""States of what is on its way out."""


def labelled(state: InstanceRecovery) -> dict[str, str]:
    """Return the facts that name the instance in a sentence."""
    return {"name": state.name or "instance", "instance": state.instance}


def runs_again(draft: Draft, seen: Instance) -> None:
    """End with the guest running by our order."""
    seconds = draft.now - draft.state.opened_at
    reason = because(Code.RESTARTED, **labelled(draft.state), host=seen.host, seconds=seconds)
    draft.end(Outcome.RESTARTED, reason)


def _leave(draft: Draft, reason: Reason) -> bool:
    """Leave the instance alone, and tell nobody: that is what its owner or Nova wants."""
    draft.end(Outcome.LEFT_ALONE, reason, is_told=False)
    return True


def _fail(draft: Draft, reason: Reason) -> bool:
    draft.end(Outcome.FAILED, reason)
    return True


def _wait(draft: Draft, wait: Reason, over: Reason) -> bool:
    """Look again for a while, then give it to a human."""
    if draft.now - draft.state.phase_since >= draft.policy.instance_settle_seconds:
        return _fail(draft, over)
    draft.enter(InstancePhase.READING, wait)
    return True


def _is_going(draft: Draft, seen: Instance) -> bool:
    if seen.vm_state not in GOING and seen.task_state != "deleting":
        return False
    return _leave(draft, because(Code.INSTANCE_LEFT, **labelled(draft.state), state=seen.task_state or seen.vm_state))


def _is_unwanted(draft: Draft, seen: Instance) -> bool:
    """By default only instances whose owner asked for it are restarted, as upstream has it; what we stopped is started all the same."""
    policy, key = draft.policy, draft.policy.instance_ha_key
    if draft.state.has_stopped or policy.process_all_instances or is_tagged(seen, key):
        return False
    reason = because(Code.INSTANCE_NOT_TAGGED, **labelled(draft.state), key=key)
    draft.end(Outcome.SKIPPED, reason, is_told=False)
    return True


def _is_in_another_state(draft: Draft, seen: Instance) -> bool:
    if seen.vm_state in IGNORED:
        return _leave(draft, because(Code.INSTANCE_LEFT, **labelled(draft.state), state=seen.vm_state))
    if seen.vm_state in RESTARTABLE:
        return False
    return _fail(draft, because(Code.INSTANCE_CANNOT, **labelled(draft.state), state=seen.vm_state))


def _is_elsewhere(draft: Draft, seen: Instance) -> bool:
    """What moved meanwhile is well, unless it is we who stopped it, or it moved because its host was being recovered."""
    state = draft.state
    may_go_on = state.awaited is not None or (state.has_stopped and seen.vm_state == "stopped")
    if seen.host == state.host or may_go_on:
        return False
    return _leave(draft, because(Code.INSTANCE_ELSEWHERE, **labelled(state), now=seen.host, host=state.host))


def _is_moving(draft: Draft, seen: Instance) -> bool:
    """A move that is not over is somebody's, and waited for if we stopped the guest; a failed one may have left a guest elsewhere (P2)."""
    state, records = draft.state, draft.state.records or ()
    settled = max((record.id for record in records if record.status in SUCCEEDED), default=0)
    under_way = [record for record in records if record.id > settled and record.status not in TERMINAL]
    if under_way and state.has_stopped:
        return _wait_for(draft, f"migration {under_way[-1].id}")
    if under_way:
        return _leave(draft, _why_moving(state, under_way[-1]))
    doubts = suspects(state.instance, seen.host, records, draft.around.proven_off)
    if not doubts:
        return False
    return _fail(draft, because(Code.INSTANCE_SUSPECT, **labelled(state), suspects=", ".join(doubts)))


def _why_moving(state: InstanceRecovery, record: Migration) -> Reason:
    destination = record.destination or UNNAMED
    named = labelled(state)
    return because(Code.INSTANCE_MOVING, **named, migration=record.id, source=record.source, destination=destination)


def _is_busy(draft: Draft, seen: Instance) -> bool:
    return False if seen.task_state is None else _wait_for(draft, seen.task_state)


def _wait_for(draft: Draft, task: str) -> bool:
    named, seconds = labelled(draft.state), draft.policy.instance_settle_seconds
    wait = because(Code.INSTANCE_BUSY, **named, task=task, seconds=seconds)
    return _wait(draft, wait, because(Code.INSTANCE_STAYS_BUSY, **named, task=task, seconds=seconds))


def _runs(draft: Draft, seen: Instance) -> bool:
    """End where the guest runs by our start, or by the recovery of its host."""
    state = draft.state
    if seen.vm_state != "active" or not (state.starts or state.awaited):
        return False
    if state.starts:
        runs_again(draft, seen)
        return True
    named, recovery = labelled(state), state.awaited
    reason = because(Code.INSTANCE_ABSORBED, **named, now=seen.host, recovery=recovery, host=state.host)
    draft.end(Outcome.ABSORBED, reason, is_told=False)
    return True


def _is_of_long_ago(draft: Draft, seen: Instance) -> bool:
    """What upstream's engine was told up to an hour ago may be mended since: what runs is not stopped for it."""
    state = draft.state
    if not state.is_leftover or state.has_stopped or seen.vm_state == "stopped":
        return False
    return _leave(draft, because(Code.INSTANCE_LEFTOVER, **labelled(state), state=seen.vm_state))


def _host_is_down(draft: Draft, seen: Instance) -> bool:
    """An order to a host that is not up would lie in its queue, and be carried out when it comes back."""
    service = draft.state.service
    if service is not None and service.is_up and not service.forced_down:
        return False
    named, seconds = labelled(draft.state), draft.policy.instance_settle_seconds
    wait = because(Code.INSTANCE_HOST_DOWN, **named, host=seen.host, seconds=seconds)
    return _wait(draft, wait, because(Code.INSTANCE_HOST_STAYS_DOWN, **named, host=seen.host, seconds=seconds))


def _is_limited(draft: Draft, _seen: Instance) -> bool:
    """An instance that fails again and again is left as it is; what we stopped is started."""
    state, limit = draft.state, draft.policy.instance_restarts_per_hour
    if state.has_stopped or state.starts or draft.around.restarts < limit:
        return False
    return _fail(draft, because(Code.RESTART_LIMIT, **labelled(state), count=draft.around.restarts, limit=limit))


def _is_unsettled(draft: Draft, _seen: Instance) -> bool:
    """Order nothing while an order that got no answer may yet be taken: after a start it would stop the guest again."""
    until = draft.state.unsettled_until
    if until is None or draft.now >= until:
        return False
    draft.change(due=until)
    return True


def halt(draft: Draft) -> bool:
    """Halt, or stay halted, where the host, its segment or all is disarmed; tell whether it is."""
    order = draft.around.disarmed
    if order is not None:
        reason = because(Code.INSTANCE_DISARMED, **labelled(draft.state), **order.facts)
        draft.enter(InstancePhase.HALTED, reason)
    return order is not None


def asks(draft: Draft) -> bool:
    """Tell whether a human has to confirm first. Who confirmed once confirmed all of the incident."""
    is_new = draft.state.number == 0 and draft.state.word is None
    return is_new and workflow(Failure.INSTANCE, draft.around, draft.policy) is Workflow.CONFIRM


def _is_left_to_humans(draft: Draft, seen: Instance) -> bool:
    """Tell of what would be ordered, or ask, where the operator wants that; what has begun is ended all the same."""
    state, around = draft.state, draft.around
    if state.number == 0 and workflow(Failure.INSTANCE, around, draft.policy) is Workflow.REPORT:
        what = f"{state.name or 'instance'} ({state.instance}) on {seen.host}"
        draft.end(Outcome.REPORTED, why_only_reported(what, Failure.INSTANCE, around))
    elif asks(draft):
        named = labelled(state)
        reason = because(Code.INSTANCE_CONFIRM_WANTED, **named, host=seen.host, segment=around.segment_name)
        draft.enter(InstancePhase.ASKING, reason)
    else:
        return False
    return True


def _is_disarmed(draft: Draft, _seen: Instance) -> bool:
    """Asked last, so that only what would be ordered waits for it."""
    return halt(draft)


RULES: tuple[Callable[[Draft, Instance], bool], ...] = (
    _is_going,
    _is_unwanted,
    _is_in_another_state,
    _is_elsewhere,
    _is_moving,
    _is_busy,
    _runs,
    _is_of_long_ago,
    _host_is_down,
    _is_limited,
    _is_unsettled,
    _is_disarmed,
    _is_left_to_humans,
)
