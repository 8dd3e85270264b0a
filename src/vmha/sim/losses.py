"""Which instances a recovery left behind that says it recovered them. Judged by the record alone, as `checker.py` does.

An instance is lost where its guest stopped because the host did, while Nova held it to be active there, and until the recovery ended
neither was a guest of it started anywhere, nor had its owner deleted or stopped it, nor did Nova hold it to be elsewhere. Instances
that were stopped, paused or in error when the host died are none of this: nothing of them ran. That a guest runs only once is the
checker's to see.

A recovery that has ended owes a cause for each instance that failed, or stood still until then.

The incident of a process that says that it disabled or enabled a service is held against the record too, and that of an instance that
says that it restarted it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.incidents import InstanceRecovery, ProcessRecovery
from vmha.sim.violations import is_outsider

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.incidents import Incident
    from vmha.core.model import Move, Recovery
    from vmha.sim.record import Fact

DEATHS = ("power off", "crash")
"""Why a guest stops that nobody wanted to stop."""

OWNERS_ACTS = ("delete", "stop")
"""What an owner wants after which nobody need bring the guest back, though Nova may not have done it yet."""


def contradicted(incident: Incident, facts: Iterable[Fact]) -> list[str]:
    """Say what an incident that has ended claims, and the record denies."""
    match incident:
        case ProcessRecovery():
            return _about_service(incident, facts)
        case InstanceRecovery():
            return _about_guest(incident, facts)
        case _:
            return _lost(incident, facts) + _unexplained(incident)


def _unexplained(recovery: Recovery) -> list[str]:
    """Say which instances failed, or stood still to the end, without a cause."""
    if recovery.outcome is None:
        return []
    mute = [
        move for move in recovery.moves if move.status.value in ("failed", "stalled", "held") and move.diagnosis is None
    ]
    return [f"recovery of {recovery.host} ended with {move.instance} {move.status.value} and no cause" for move in mute]


def _about_guest(incident: InstanceRecovery, facts: Iterable[Fact]) -> list[str]:
    """Say that a guest that the incident says it restarted was not started since the incident was opened."""
    if incident.outcome is None or incident.ended_at is None:
        return []
    began, ended, name = incident.opened_at, incident.ended_at, incident.instance
    mine = [fact for fact in facts if fact.get("instance") == name and began <= fact["at"] <= ended]
    runs = [fact["runs"] for fact in mine if fact["what"] == "guest"]
    if incident.outcome.value == "restarted" and True not in runs:
        return [f"the incident of {name} ended as restarted, and no guest of it was started"]
    stops = [f for f in mine if f["what"] == "order" and f["order"] == "stop" and f["outcome"] == "taken"]
    states = [fact["vm_state"] for fact in mine if fact["what"] == "server"]
    is_left_stopped = bool(states) and states[-1] == "stopped" and bool(stops) and not is_outsider(stops[-1]["caller"])
    if incident.outcome.value in ("skipped", "left_alone", "absorbed") and is_left_stopped:
        return [f"the incident of {name} ended as {incident.outcome.value}, and left it stopped"]
    return []


def _about_service(incident: ProcessRecovery, facts: Iterable[Fact]) -> list[str]:
    """Say that the service stood otherwise than the incident says when it ended."""
    if incident.outcome is None or incident.outcome.value not in ("disabled", "enabled") or incident.ended_at is None:
        return []
    until = incident.ended_at
    stood = [f for f in facts if f["what"] == "service" and f["host"] == incident.host and f["at"] <= until]
    if stood and stood[-1]["disabled"] is (incident.outcome.value == "disabled"):
        return []
    return [f"the incident of {incident.process} on {incident.host} ended as {incident.outcome.value}, which is not so"]


def _lost(recovery: Recovery, facts: Iterable[Fact]) -> list[str]:
    """Say which instances were lost by a recovery that has ended and does not name them as failed."""
    if recovery.outcome is None or recovery.ended_at is None:
        return []
    if recovery.outcome.value not in ("recovered", "nothing_to_move", "failed"):
        return []
    named = {move.instance for move in recovery.moves if move.status.value == "failed" or _is_unwanted(move)}
    return [
        f"recovery of {recovery.host} ended as {recovery.outcome.value}, and {instance}, which was active there, runs nowhere"
        for instance in left_behind(facts, recovery.host, recovery.ended_at)
        if instance not in named
    ]


def _is_unwanted(move: Move) -> bool:
    """Tell whether the operator wants only others evacuated."""
    return (
        move.status.value == "skipped"
        and move.reason is not None
        and move.reason.code.name in ("NOT_TAGGED", "NOT_EVACUATED")
    )


def left_behind(facts: Iterable[Fact], host: str, until: float) -> list[str]:
    """Name the instances that died on the host and were not brought back by a time."""
    held: dict[str, tuple[str, str]] = {}
    dead: set[str] = set()
    let_go: set[str] = set()
    for fact in facts:
        if fact["at"] > until:
            break
        instance = fact.get("instance")
        if instance is None:
            continue
        if fact["what"] == "server":
            held[instance] = (fact["host"], fact["vm_state"])
            if fact["host"] != host or fact["vm_state"] == "deleted":
                dead.discard(instance)
        elif fact["what"] == "guest" and fact["runs"]:
            dead.discard(instance)
        elif fact["what"] == "guest" and fact["host"] == host and fact["why"] in DEATHS:
            if held[instance] == (host, "active"):
                dead.add(instance)
        elif fact["what"] == "owner":
            (let_go.add if fact["act"] in OWNERS_ACTS else let_go.discard)(instance)
    return sorted(dead - let_go)
