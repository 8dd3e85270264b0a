"""What befalls processes in a storm, and what their monitor reports of it; late, twice, or wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.sim.storm import Storm


def process_stops(storm: Storm, name: str) -> None:
    """Let a nova-compute die; its monitor reports it, and later that it runs again, unless the host has gone meanwhile."""
    random, host = storm.random, storm.random.choice(storm.hosts)
    storm.inject("compute_dies", host=host)
    storm.result.faults[name] += 1
    for _ in range(random.choice((1, 1, 2))):
        storm.world.after(random.uniform(1.0, 10.0), lambda: report(storm, host, is_running=False))
    back = random.uniform(2.0, 120.0)
    storm.world.after(back, lambda: storm.inject("compute_starts", host=host))
    for _ in range(random.choice((0, 1, 1, 2))):
        storm.world.after(back + random.uniform(1.0, 10.0), lambda: report(storm, host, is_running=True))


def process_misreported(storm: Storm, name: str) -> None:
    """Let a monitor report what is not so."""
    storm.result.faults[name] += 1
    report(storm, storm.random.choice(storm.hosts), is_running=storm.random.random() < 0.5)


def report(storm: Storm, host: str, *, is_running: bool) -> None:
    """Report a process as its monitor does; the API takes nothing of a host on maintenance."""
    if not storm.rig.memory.hosts[host].is_on_maintenance:
        storm.notifications += 1
        storm.rig.memory.report_process(host, f"n{storm.notifications}", is_running=is_running)
