"""What the simulated Nova writes of an evacuation: an action with its events, and the fault of one that failed. The words are Nova 34's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.causes import ActionEvent, Findings
from vmha.sim.readings import MEMORY_MB
from vmha.sim.rows import Action, ActionStep

if TYPE_CHECKING:
    from vmha.sim.rows import MigrationRecord, Server
    from vmha.sim.world import World

CONDUCTOR = "conductor"
SCHEDULED, REBUILT = "rebuild_server", "compute_rebuild_instance"
NO_CANDIDATES = "No valid host was found. "
ALL_FILTERED = "No valid host was found. There are not enough hosts available."
NOT_CLAIMED = (
    "Build of instance {instance} aborted: Insufficient compute resources: Free memory 256.00 MB < requested 512 MB."
)
NOT_SPAWNED = "Unexpected error while spawning the guest"
FLAVOR, DISK_GB = "sim.small", 1
SHOWN_STATES = ("error", "deleted")
"""States in which Nova shows a fault."""


def begin(world: World, server: Server, record: MigrationRecord) -> None:
    """Begin the action of an evacuation with the conductor's part of it."""
    server.actions.append(Action(f"req-{record.uuid}", world.now, [ActionStep(SCHEDULED, CONDUCTOR, world.now)]))


def go_on(world: World, server: Server, host: str) -> None:
    """End the conductor's part and begin that of the destination."""
    end(world, server, None)
    server.actions[-1].steps.append(ActionStep(REBUILT, host, world.now))


def end(world: World, server: Server, trouble: str | None) -> None:
    """End the part that is under way, well or with what was raised."""
    if not server.actions:
        return
    step = server.actions[-1].steps[-1]
    step.ended_at, step.details = world.now, trouble
    step.result = "Success" if trouble is None else "Error"
    if trouble is not None:
        server.fault, server.fault_at = trouble, world.now


def needs(server: Server) -> dict[str, int]:
    """Return what the flavor asks of any host."""
    root = DISK_GB if server.image_backed else 0
    disk = root + server.ephemeral_gb + -(-server.swap_mb // 1024)
    return {"VCPU": server.vcpus, "MEMORY_MB": MEMORY_MB * server.vcpus, **({"DISK_GB": disk} if disk else {})}


def findings(world: World, server: Server, *, source: str, target: str | None, most: int) -> Findings:
    """Say what the APIs say of a server that could not be moved."""
    room = [host for host in world.placement.candidates(needs(server)) if host != source and target in (None, host)]
    action = server.actions[-1] if server.actions else None
    is_shown = action is not None and server.vm_state in SHOWN_STATES and server.fault_at >= action.started_at
    return Findings(
        vm_state=server.vm_state,
        task_state=server.task_state,
        zone="nova",
        fault=server.fault if is_shown else None,
        events=() if action is None else tuple(_event(step) for step in action.steps),
        flavor=FLAVOR,
        needs=tuple(needs(server).items()),
        room_on=tuple(sorted(sorted(room, key=world.placement.providers.__getitem__)[:most])),
        room_count=len(room),
    )


def _event(step: ActionStep) -> ActionEvent:
    return ActionEvent(name=step.name, host=step.host, result=step.result, details=step.details)
