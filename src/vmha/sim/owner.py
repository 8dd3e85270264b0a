"""What the owners of instances do to them meanwhile, and what Nova makes of it. Raises `Refused`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.sim import guests
from vmha.sim.gate import Refused
from vmha.sim.violations import is_outsider

if TYPE_CHECKING:
    from vmha.sim.machines import Host
    from vmha.sim.rows import MigrationRecord, Server
    from vmha.sim.world import World


def delete(world: World, instance: str) -> None:
    """Delete an instance. Its guest stops at once where nova-compute is there to do it, and lives on where it is not."""
    server = _server(world, instance)
    world.note("owner", instance=instance, act="delete")
    world.nova.forget(server)
    for host in world.hosts.values():
        if instance in host.guests and host.can_work():
            host.stop_guest(instance, "deleted by its owner")


def stop(world: World, instance: str, caller: str = "owner") -> None:
    """Stop an instance. Over HTTP an engine may be the one who wants that; then it is no act of the owner."""
    guests.stop(world, instance, caller)
    if is_outsider(caller):
        world.note("owner", instance=instance, act="stop")


def start(world: World, instance: str, caller: str = "owner") -> None:
    """Start a stopped instance, in the same way."""
    guests.start(world, instance, caller)
    if is_outsider(caller):
        world.note("owner", instance=instance, act="start")


def live_migrate(world: World, instance: str, target: str | None = None) -> MigrationRecord:
    """Move a running instance without stopping it; needs both hosts all the way."""
    nova, server = world.nova, _server(world, instance, vm_state="active")
    if not nova.is_up(nova.services[server.host]):
        raise Refused(400, f"Compute service of {server.host} is unavailable at this time.")
    choice = nova.pick_destination(server, target)
    if choice is None:
        raise Refused(400, "No valid host was found. There are not enough hosts available.")
    world.note("owner", instance=instance, act="live-migrate", target=choice)
    server.task_state = "migrating"
    record = nova.add_migration(server, "live-migration", destination=choice)
    # While it lasts, what the instance holds of the source is held in the name of the migration.
    world.placement.release(instance, server.host)
    world.placement.allocate(record.uuid, server.host, server.vcpus)
    world.placement.allocate(instance, choice, server.vcpus)
    LiveMigration(world, server, record, world.hosts[choice]).begin()
    return record


def migrate(world: World, instance: str, target: str | None = None) -> MigrationRecord:
    """Move a stopped instance to another host, as an operator does; it stays stopped."""
    nova, server = world.nova, _server(world, instance, vm_state="stopped")
    choice = nova.pick_destination(server, target)
    if choice is None:
        raise Refused(400, "No valid host was found. There are not enough hosts available.")
    world.note("owner", instance=instance, act="migrate", target=choice)
    server.task_state = "resize_prep"
    record = nova.add_migration(server, "migration", destination=choice, status="migrating")
    world.placement.allocate(instance, choice, server.vcpus)

    def arrived() -> None:
        world.placement.release(instance, record.source)
        if server.vm_state != "deleted":
            nova.change(server, "migrated", host=choice)
        nova.set_status(record, "confirmed")

    world.hosts[choice].perform(nova.latency(world.timing.live_migration_seconds), arrived, queued=True)
    return record


class LiveMigration:
    """The steps of one live migration, all done by the source's nova-compute: what dies with it stays half done."""

    __slots__ = ("destination", "record", "server", "source", "world")

    def __init__(self, world: World, server: Server, record: MigrationRecord, destination: Host) -> None:
        self.world = world
        self.server = server
        self.record = record
        self.source = world.hosts[server.host]
        self.destination = destination

    def begin(self) -> None:
        """Hand it to the source."""
        timing, latency = self.world.timing, self.world.nova.latency
        self.source.perform(latency(timing.claim_seconds), self._run, queued=True)
        self.source.perform(latency(timing.claim_seconds + timing.live_migration_seconds), self._switch)

    def _run(self) -> None:
        self.world.nova.set_status(self.record, "running")

    def _switch(self) -> None:
        uuid = self.server.uuid
        if not self.destination.can_work():
            self._fail()
        elif uuid in self.source.guests:
            self.source.stop_guest(uuid, "live migration")
            self.destination.start_guest(uuid, "live migration")
            self.source.perform(self.world.nova.latency(self.world.timing.settle_seconds), self._arrive)

    def _fail(self) -> None:
        placement, server = self.world.placement, self.server
        placement.release(server.uuid, self.destination.name)
        placement.release(self.record.uuid, self.source.name)
        placement.allocate(server.uuid, self.source.name, server.vcpus)
        self.world.nova.set_status(self.record, "error")
        self.world.nova.change(server, "live migration failed")

    def _arrive(self) -> None:
        self.world.placement.release(self.record.uuid, self.source.name)
        if self.server.vm_state != "deleted":
            self.world.nova.change(self.server, "live migration", host=self.destination.name)
        self.world.nova.set_status(self.record, "completed")


def _server(world: World, uuid: str, *, vm_state: str | None = None) -> Server:
    server = world.nova.servers.get(uuid)
    if server is None:
        raise Refused(404, f"Instance {uuid} could not be found.")
    if vm_state is not None and (server.vm_state != vm_state or server.task_state is not None):
        raise Refused(409, f"Cannot act on instance {uuid} while it is in vm_state {server.vm_state}")
    return server
