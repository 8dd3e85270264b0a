"""The kinds of incidents side by side: what the loop and the stores need to treat them alike.

A kind's name stands in `recoveries.kind`. An engine that does not know a kind, or cannot read its state, leaves it to one that can.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from vmha.core import events, halting, instance_recovery, invariants, process_recovery, recovery
from vmha.core.effects import DisableService, EnableService, StartInstance, StopInstance
from vmha.core.explain import Code, because
from vmha.core.incidents import InstancePhase, InstanceRecovery, ProcessPhase, ProcessRecovery
from vmha.core.model import Outcome, Phase, Recovery

if TYPE_CHECKING:
    from vmha.core.draft import Decision
    from vmha.core.explain import Reason
    from vmha.core.incidents import AnyPhase, Incident
    from vmha.core.model import Surroundings
    from vmha.core.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: its name, its state, and the phases in which that may stand."""

    name: str
    state: type[Incident]
    phases: tuple[AnyPhase, ...]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="host", state=Recovery, phases=tuple(Phase)),
        Kind(name="instance", state=InstanceRecovery, phases=tuple(InstancePhase)),
        Kind(name="process", state=ProcessRecovery, phases=tuple(ProcessPhase)),
    )
}


PHASES: tuple[AnyPhase, ...] = tuple(phase for kind in KINDS.values() for phase in kind.phases)
"""All phases of all kinds; those of two kinds may have one word."""


ENDED = tuple(phase for phase in PHASES if phase.value == "ended")
STOPPED = tuple(phase for phase in PHASES if phase.value == "stopped")

ORDERED_IN = {
    StopInstance: InstancePhase.STOPPING,
    StartInstance: InstancePhase.STARTING,
    DisableService: ProcessPhase.CHANGING,
    EnableService: ProcessPhase.CHANGING,
}
"""Orders that do not leave while their host itself is being recovered, and the phase in which their incident stands by them."""


def kind_of(state: Incident) -> Kind:
    """Return the kind of an incident."""
    return next(kind for kind in KINDS.values() if type(state) is kind.state)


def subject_of(state: Incident) -> str | None:
    """Name what failed, where that is not the host as a whole."""
    match state:
        case InstanceRecovery():
            return state.instance
        case ProcessRecovery():
            return state.process
        case _:
            return None


def decide(
    state: Incident, event: events.Event, now: float, policy: Policy, around: Surroundings, *, new_uuid: str
) -> Decision[Any]:
    """Let the decider of its kind take in one fact, and check the promises. Raises `invariants.Broken`."""
    if isinstance(state, InstanceRecovery):
        of_instance = instance_recovery.decide(state, cast("events.InstanceEvent", event), now, policy, around)
        invariants.check_instance(state, of_instance, now, policy, around)
        return of_instance
    if isinstance(state, ProcessRecovery):
        of_process = process_recovery.decide(state, cast("events.ProcessEvent", event), now, policy, around)
        invariants.check_process(state, of_process, now, policy, around)
        return of_process
    of_host = recovery.decide(state, cast("events.HostEvent", event), now, policy, around, new_uuid=new_uuid)
    invariants.check(state, of_host, now, policy, around)
    return of_host


def has_ended(state: Incident) -> bool:
    """Tell whether nothing more is done about it."""
    return state.phase in ENDED


def turn(event: events.Event) -> int:
    """Return the turn at which an event is heard among those in hand.

    First that what is known is another engine's and has to be read anew, then what joined notifications say, so that no answer ends an
    incident before they are heard.
    """
    if isinstance(event, events.TakenOver):
        return 0
    return 1 if isinstance(event, events.Notified | events.ProcessReported) else 2


def is_stopped(state: Incident) -> bool:
    """Tell whether the engine stopped it, since going on would break a promise."""
    return state.phase in STOPPED


def stopped(state: Incident, reason: Reason, now: float) -> Incident:
    """Stop it: only a human's reject leads on from here."""
    return _put(state, "STOPPED", phase_since=now, reason=reason)


def why_rejected(state: Incident, by: str, why: str) -> Reason:
    """Say what the reject of one that was stopped leaves behind; which hosts are proven off is not known there."""
    if isinstance(state, Recovery):
        return halting.why_rejected(state, by, why, frozenset())
    return because(Code.REJECTED, by=by, why=why, host=state.host)


def rejected(state: Incident, reason: Reason, now: float) -> Incident:
    """End it by a human's reject."""
    return _put(state, "ENDED", outcome=Outcome.REJECTED, ended_at=now, reason=reason, wake_at=None)


def _put(state: Incident, phase: str, **fields: Any) -> Incident:
    changed: Incident = replace(cast("Any", state), phase=type(state.phase)[phase], **fields)
    return changed
