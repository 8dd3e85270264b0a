"""What Nova does to guests where they are: stop, start, and notice that one has died. Raises `Refused`.

Nova's API takes an order by the state in its database, and the host's nova-compute carries it out, or when it is there again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.sim.gate import Refused

if TYPE_CHECKING:
    from vmha.sim.rows import Server
    from vmha.sim.world import World

NOTICED_SECONDS = 1.0
"""How long nova-compute takes to see that a guest is gone."""


def stop(world: World, uuid: str, caller: str) -> None:
    """Stop a guest: at once, or when nova-compute is there again."""
    server = _take(world, uuid, caller, "stop", ("active", "error"))
    server.task_state = "powering-off"
    host = world.hosts[server.host]

    def stopped() -> None:
        if server.task_state == "powering-off" and server.host == host.name and not server.is_hanging:
            host.stop_guest(uuid, f"stopped by {caller}")
            world.nova.change(server, f"stopped by {caller}", vm_state="stopped")

    host.perform(world.nova.latency(world.timing.settle_seconds), stopped, queued=True)


def start(world: World, uuid: str, caller: str) -> None:
    """Start a guest: at once, or when nova-compute is there again; one that hangs ends in error."""
    server = _take(world, uuid, caller, "start", ("stopped",))
    server.task_state = "powering-on"
    host = world.hosts[server.host]

    def started() -> None:
        if server.task_state != "powering-on" or server.host != host.name:
            return
        if server.is_hanging:
            world.nova.change(server, f"could not be started by {caller}", vm_state="error")
            return
        host.start_guest(uuid, f"started by {caller}")
        world.nova.change(server, f"started by {caller}", vm_state="active")

    host.perform(world.nova.latency(world.timing.settle_seconds), started, queued=True)


def crash(world: World, instance: str, unnoticed: bool = False) -> None:
    """Let a guest die. nova-compute notices and has Nova hold it for stopped, unless it does not notice."""
    server = world.nova.servers[instance]
    hosts = [host for host in world.hosts.values() if instance in host.guests]
    for host in hosts:
        host.stop_guest(instance, "crash of the guest")

    def noticed() -> None:
        if (
            server.vm_state == "active"
            and server.task_state is None
            and instance not in world.hosts[server.host].guests
        ):
            world.nova.change(server, "its guest was gone", vm_state="stopped")

    if hosts and not unnoticed:
        hosts[0].perform(world.nova.latency(NOTICED_SECONDS), noticed)


def hang(world: World, instance: str) -> None:
    """Let a guest do nothing that it is told."""
    world.nova.servers[instance].is_hanging = True


def heal(world: World, instance: str) -> None:
    """Let it obey again."""
    world.nova.servers[instance].is_hanging = False


def _take(world: World, uuid: str, caller: str, order: str, states: tuple[str, ...]) -> Server:
    """Judge an order by Nova's database, and put it on record."""
    fact = {"instance": uuid, "order": order, "caller": caller}
    server = world.nova.servers.get(uuid)
    if server is None:
        world.note("order", outcome="refused", status=404, **fact)
        raise Refused(404, f"Instance {uuid} could not be found.")
    fact["host"] = server.host
    if server.vm_state not in states or server.task_state is not None:
        world.note("order", outcome="refused", status=409, **fact)
        raise Refused(409, f"Cannot '{order}' instance {uuid} while it is in vm_state {server.vm_state}")
    world.note("order", outcome="taken", **fact)
    return server
