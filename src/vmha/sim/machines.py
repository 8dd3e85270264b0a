"""The simulated hosts: their power, their nova-compute, and the guests that really run on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.world import World


class Compute(Enum):
    """How the nova-compute process of a host is. A hung one holds its work back, a dead one has forgotten it."""

    ALIVE = "alive"
    HUNG = "hung"
    DEAD = "dead"


class Heartbeat:
    """The times at which nova-compute reports, computed when somebody asks: no event per beat."""

    __slots__ = ("first", "interval", "last_before")

    def __init__(self, *, first: float, interval: float) -> None:
        self.interval = interval
        self.first: float | None = first
        self.last_before = first

    def last(self, now: float) -> float:
        """Return the time of the youngest beat."""
        if self.first is None:
            return self.last_before
        return self.first + math.floor((now - self.first) / self.interval) * self.interval

    def pause(self, now: float) -> None:
        """Stop beating."""
        self.last_before = self.last(now)
        self.first = None

    def resume(self, now: float) -> None:
        """Beat at once, and then at the interval."""
        self.first = now


@dataclass(frozen=True, slots=True)
class Job:
    """Work that waits in a nova-compute. It dies with the process, unless it still lies in the message queue (no incarnation)."""

    step: Callable[[], None]
    incarnation: int | None
    needs_network: bool


class Host:
    """One machine. `guests` are those that really run here, with the time since when; Nova's belief is another matter.

    `resumes_guests` is Nova's resume_guests_state_on_host_boot. `back_on_seconds` is the power restore policy of its firmware: so
    long after each loss of power it is on again (None: it stays off).
    """

    __slots__ = (
        "back_on_seconds",
        "boots",
        "compute",
        "crashed",
        "cut",
        "guests",
        "guid",
        "heartbeat",
        "incarnation",
        "name",
        "powered",
        "resumes_guests",
        "vcpus",
        "waiting",
        "well_since",
        "world",
    )

    def __init__(self, world: World, name: str, *, vcpus: int, guid: str, first_beat: float) -> None:
        self.world = world
        self.name = name
        self.vcpus = vcpus
        self.guid = guid
        self.powered = True
        self.crashed = False
        self.compute = Compute.ALIVE
        self.cut = False
        self.boots = 1
        self.incarnation = 1
        self.resumes_guests = False
        self.back_on_seconds: float | None = None
        self.guests: dict[str, float] = {}
        self.waiting: list[Job] = []
        self.heartbeat = Heartbeat(first=first_beat, interval=world.timing.report_seconds)
        self.well_since: float | None = first_beat

    @property
    def runs(self) -> bool:
        """Tell whether its operating system runs."""
        return self.powered and not self.crashed

    @property
    def is_well(self) -> bool:
        """Tell whether nothing at all is wrong with this host."""
        return self.runs and self.compute is Compute.ALIVE and not self.cut

    def can_work(self, *, needs_network: bool = True) -> bool:
        """Tell whether its nova-compute gets something done now."""
        if not self.runs or self.compute is not Compute.ALIVE:
            return False
        return not needs_network or not (self.cut or self.world.nova.bus_is_down)

    # Power

    def power_off(self, by: str) -> None:
        """Cut the power: every guest here stops at this moment."""
        if not self.powered:
            return
        self.powered = False
        self.crashed = False
        self.world.note("power", host=self.name, on=False, by=by)
        self._lose_memory("power off")
        if self.back_on_seconds is not None:
            self.world.after(self.back_on_seconds, lambda: self.power_on("power restore policy"))

    def power_on(self, by: str) -> None:
        """Switch on; nova-compute runs after the time of a boot. Guests do not start by themselves."""
        if self.powered:
            return
        self.powered = True
        self.boots += 1
        self.world.note("power", host=self.name, on=True, by=by)
        boot = self.boots
        self.world.after(self.world.timing.boot_seconds, lambda: self._booted(boot))

    def crash(self) -> None:
        """Let the kernel die: guests and nova-compute stop, and the power stays on."""
        if not self.runs:
            return
        self.crashed = True
        self.world.note("crash", host=self.name)
        self._lose_memory("crash")

    def _booted(self, boot: int) -> None:
        if self.runs and self.boots == boot:
            self.start_compute()

    def _lose_memory(self, why: str) -> None:
        for instance in list(self.guests):
            self.stop_guest(instance, why)
        self.incarnation += 1
        self._set_compute(Compute.DEAD)

    # nova-compute

    def kill_compute(self) -> None:
        """End the nova-compute process; the guests run on."""
        self.incarnation += 1
        self._set_compute(Compute.DEAD)

    def hang_compute(self) -> None:
        """Let the nova-compute process stand still; the guests run on."""
        if self.compute is Compute.ALIVE:
            self._set_compute(Compute.HUNG)

    def resume_compute(self) -> None:
        """Let a hung nova-compute go on where it stood."""
        if self.compute is Compute.HUNG:
            self._set_compute(Compute.ALIVE)

    def start_compute(self) -> None:
        """Start a dead nova-compute: it first cleans up what was evacuated from here, then does what waits in its queue."""
        if self.runs and self.compute is Compute.DEAD:
            self.world.nova.compute_starts(self)
            self._set_compute(Compute.ALIVE)

    def cut_network(self) -> None:
        """Cut the host off from the management network; the guests run on."""
        self._set_cut(True)

    def join_network(self) -> None:
        """Connect the host to the management network again."""
        self._set_cut(False)

    def _set_cut(self, cut: bool) -> None:
        if self.cut != cut:
            self.cut = cut
            self.world.note("network", host=self.name, cut=cut)
            self.refresh()

    def _set_compute(self, compute: Compute) -> None:
        if self.compute is not compute:
            self.compute = compute
            self.world.note("compute", host=self.name, state=compute.value)
        self.refresh()

    def refresh(self) -> None:
        """Bring the heartbeat and the waiting work in line with the state of the host."""
        now = self.world.now
        if not self.is_well:
            self.well_since = None
        elif self.well_since is None:
            self.well_since = now
        beats = self.can_work()
        if beats and self.heartbeat.first is None:
            self.heartbeat.resume(now)
        elif not beats and self.heartbeat.first is not None:
            self.heartbeat.pause(now)
        self._wake()

    # Work

    def perform(
        self, seconds: float, step: Callable[[], None], *, queued: bool = False, needs_network: bool = True
    ) -> None:
        """Let nova-compute do `step` in `seconds`, or when it can again. A queued step outlives the process."""
        job = Job(step, None if queued else self.incarnation, needs_network)
        self.world.after(seconds, lambda: self._attempt(job))

    def _attempt(self, job: Job) -> None:
        if job.incarnation not in (None, self.incarnation):
            return
        if self.can_work(needs_network=job.needs_network):
            job.step()
        else:
            self.waiting.append(job)

    def _wake(self) -> None:
        if not self.waiting or not self.can_work(needs_network=False):
            return
        jobs, self.waiting = self.waiting, []
        for job in jobs:
            self.world.after(0.0, lambda job=job: self._attempt(job))  # type: ignore[misc]

    # Guests

    def start_guest(self, instance: str, why: str) -> None:
        """Run a guest here from now on."""
        if instance not in self.guests:
            self.guests[instance] = self.world.now
            self.world.note("guest", instance=instance, host=self.name, runs=True, why=why)

    def stop_guest(self, instance: str, why: str) -> None:
        """Stop a guest here, if it runs."""
        if self.guests.pop(instance, None) is not None:
            self.world.note("guest", instance=instance, host=self.name, runs=False, why=why)
