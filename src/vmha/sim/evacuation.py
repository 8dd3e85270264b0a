"""One evacuation inside the simulated Nova, from the accepted order to the record that says done.

The order of steps is Nova's: the guest runs on the destination first; then the instance is ACTIVE, then its host changes, then the
record is done. A destination that stops between two of them leaves exactly the half-truth that the real one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.sim import actions
from vmha.sim.rows import Landing

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.machines import Host
    from vmha.sim.rows import MigrationRecord, Server
    from vmha.sim.world import World


class Evacuation:
    """The steps of one order. Each schedules the next one."""

    __slots__ = ("destination", "ends_stopped", "record", "server", "target", "was", "world")

    def __init__(
        self, world: World, server: Server, record: MigrationRecord, target: str | None, *, ends_stopped: bool
    ) -> None:
        self.world = world
        self.server = server
        self.record = record
        self.target = target
        self.was = server.vm_state
        self.ends_stopped = self.was == "stopped" or (ends_stopped and self.was == "active")
        self.destination: Host | None = None

    def begin(self) -> None:
        """Hand the order to the conductor."""
        actions.begin(self.world, self.server, self.record)
        self.world.after(self._latency(self.world.timing.schedule_seconds), self._schedule)

    def _schedule(self) -> None:
        nova, server = self.world.nova, self.server
        choice = nova.pick_destination(server, self.target)
        if server.vm_state == "deleted":
            nova.set_status(self.record, "error")
        elif choice is None:
            nova.set_status(self.record, "error")
            nova.change(server, "no valid host", vm_state="error")
            actions.end(self.world, server, nova.why_nowhere(server, self.target))
        else:
            actions.go_on(self.world, server, choice)
            self.world.placement.allocate(server.uuid, choice, server.vcpus)
            self.destination = self.world.hosts[choice]
            # From here on the order lies in the destination's queue, also while its nova-compute is away.
            self.destination.perform(self._latency(self.world.timing.claim_seconds), self._claim, queued=True)

    def _claim(self) -> None:
        host, nova = self._host(), self.world.nova
        if nova.take_landing_fault(host.name, Landing.CLAIM_FAILS):
            self._fail(vm_state=self.was, why=actions.NOT_CLAIMED.format(instance=self.server.uuid))
            return
        nova.set_destination(self.record, host.name)
        nova.set_status(self.record, "pre-migrating")
        if self.server.task_state != "rebuilding":
            self._fail(vm_state="error")
            return
        self.server.task_state = "rebuild_spawning"
        host.perform(self._latency(self.world.timing.spawn_seconds), self._spawn, needs_network=False)

    def _spawn(self) -> None:
        host, take = self._host(), self.world.nova.take_landing_fault
        if self.server.vm_state == "deleted":
            self._fail(vm_state="deleted")
            return
        if take(host.name, Landing.SPAWN_FAILS):
            self._fail(vm_state="error")
            return
        host.start_guest(self.server.uuid, f"evacuation {self.record.id}")
        fault = take(host.name, Landing.ORPHANS, Landing.HANGS, Landing.DIES)
        if fault is None:
            self._then(self._report)
        elif fault.landing is Landing.ORPHANS:
            self._fail(vm_state="error")
        elif fault.landing is Landing.DIES:
            host.power_off("fault")
        elif fault.seconds is not None:
            host.perform(fault.seconds, self._report)

    def _report(self) -> None:
        if self.server.vm_state == "deleted":
            self._host().stop_guest(self.server.uuid, "deleted")
            self._fail(vm_state="deleted")
        elif self.server.task_state != "rebuild_spawning":
            # Another order was taken meanwhile: Nova gives up on this one and leaves the guest where it runs.
            self._fail(vm_state="error")
        elif self.ends_stopped:
            self.server.task_state = "powering-off"
            self._then(self._stop)
        else:
            self.world.nova.change(self.server, "evacuated", vm_state="active")
            self._then(self._arrive)

    def _stop(self) -> None:
        self._host().stop_guest(self.server.uuid, "is to end stopped")
        self.world.nova.change(self.server, "evacuated", vm_state="stopped")
        self._arrive()

    def _arrive(self) -> None:
        if self.server.vm_state != "deleted":
            self.world.nova.change(self.server, "evacuated", host=self._host().name)
        self._then(self._finish)

    def _finish(self) -> None:
        self.world.nova.set_status(self.record, "done")
        actions.end(self.world, self.server, None)

    def _fail(self, *, vm_state: str, why: str = actions.NOT_SPAWNED) -> None:
        nova, server = self.world.nova, self.server
        actions.end(self.world, server, why)
        self.world.placement.release(server.uuid, self._host().name)
        nova.set_status(self.record, "failed")
        if server.vm_state != "deleted":
            nova.change(server, f"evacuation {self.record.id} failed", vm_state=vm_state)

    def _then(self, step: Callable[[], None]) -> None:
        self._host().perform(self._latency(self.world.timing.settle_seconds), step)

    def _host(self) -> Host:
        if self.destination is None:
            raise RuntimeError("the evacuation has no destination yet")
        return self.destination

    def _latency(self, seconds: float) -> float:
        return self.world.nova.latency(seconds)
