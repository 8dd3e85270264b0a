"""What befalls guests and processes in a storm, and what their monitors report of it; late, twice, or wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.sim.storm import Storm


def guest_fails(storm: Storm, name: str) -> None:
    """Let a guest die, once or in a loop, and be reported by its host; now and then it does not obey either, for a while."""
    random = storm.random
    instance = random.choice(list(storm.world.nova.servers))
    storm.result.faults[name] += 1
    for number in range(random.choice((1, 1, 1, 5))):
        storm.world.after(40.0 * number, lambda: _fail(storm, instance))
    if random.random() < 0.2:
        storm.inject("guest_hangs", instance=instance)
        storm.world.after(random.uniform(5.0, 80.0), lambda: _if_there(storm, instance, "guest_heals"))


def guest_misreported(storm: Storm, name: str) -> None:
    """Let a monitor report an instance that is well, or that its owner stopped."""
    storm.result.faults[name] += 1
    report_instance(storm, storm.random.choice(list(storm.world.nova.servers)))


def _fail(storm: Storm, instance: str) -> None:
    random = storm.random
    _if_there(storm, instance, "guest_crashes", unnoticed=random.random() < 0.4)
    for _ in range(random.choice((1, 1, 2))):
        storm.world.after(random.uniform(0.2, 15.0), lambda: report_instance(storm, instance))


def _if_there(storm: Storm, instance: str, fault: str, **arguments: object) -> None:
    if instance in storm.world.nova.servers:
        storm.inject(fault, instance=instance, **arguments)


def report_instance(storm: Storm, instance: str) -> None:
    """Report an instance as the monitor of its host does; now and then it has moved by then."""
    server = storm.world.nova.servers.get(instance)
    host = storm.random.choice(storm.hosts) if server is None or storm.random.random() < 0.1 else server.host
    if not storm.rig.memory.hosts[host].is_on_maintenance:
        storm.notifications += 1
        storm.rig.memory.report_instance(host, instance, f"n{storm.notifications}")


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
    """Let a monitor report what is not so; now and then of a host that an operator works on, or while Nova is away."""
    random, host = storm.random, storm.random.choice(storm.hosts)
    storm.result.faults[name] += 1
    if random.random() < 0.3:
        storm.inject("operator_disables", host=host)
    elif random.random() < 0.3:
        storm.inject("nova_away", seconds=20.0)
    report(storm, host, is_running=random.random() < 0.5)


def report(storm: Storm, host: str, *, is_running: bool) -> None:
    """Report a process as its monitor does; the API takes nothing of a host on maintenance."""
    if not storm.rig.memory.hosts[host].is_on_maintenance:
        storm.notifications += 1
        storm.rig.memory.report_process(host, f"n{storm.notifications}", is_running=is_running)
