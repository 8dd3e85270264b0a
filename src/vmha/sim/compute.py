"""The simulated Nova: what its API knows, takes and refuses. How an evacuation goes on stands in `evacuation.py`.

Behaviour follows Nova 34: an evacuation is refused while the source service is up, whatever its task_state; the record of an accepted
one names no destination until one is chosen; a PUT on a service changes its `updated_at` without any heartbeat.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from vmha.sim import actions, guests
from vmha.sim.aggregates import Aggregates
from vmha.sim.evacuation import Evacuation
from vmha.sim.gate import Away, Gate, Refused
from vmha.sim.rows import IN_FLIGHT, TERMINAL, LandingFault, MigrationRecord, Service

if TYPE_CHECKING:
    from vmha.sim.machines import Host
    from vmha.sim.rows import Landing, Server
    from vmha.sim.world import World

EVACUABLE = frozenset({"active", "stopped", "error"})

TPM = "hw:tpm_version"
"""The extra spec of a flavor that gives an instance a virtual TPM: Nova evacuates none that has one."""


class Nova:
    """Nova's API and its database. Calls raise `Refused` and `NoAnswer`.

    `slowness` stretches every latency; `order_seconds` is how long the answer to an evacuation order is on its way, and
    `enabled_late` the same by host for what enables or disables its service.
    `clock_step_seconds` is how far Nova's own clock jumped ahead of the heartbeats.
    `hidden` names hosts whose cell does not answer: lists leave them out and say nothing of it. `filtered` are those that the scheduler's
    filters leave out.
    """

    __slots__ = (
        "aggregates",
        "bus_is_down",
        "by_host",
        "clock_step_seconds",
        "enabled_late",
        "filtered",
        "gate",
        "hidden",
        "hidden_services",
        "landing_faults",
        "migrations",
        "migrations_of",
        "order_seconds",
        "servers",
        "services",
        "slowness",
        "world",
    )

    def __init__(self, world: World) -> None:
        self.world = world
        self.gate = Gate(world, "Nova")
        self.aggregates = Aggregates(self)
        self.services: dict[str, Service] = {}
        self.servers: dict[str, Server] = {}
        self.by_host: dict[str, dict[str, Server]] = {}
        self.migrations: list[MigrationRecord] = []
        self.migrations_of: dict[str, list[MigrationRecord]] = {}
        self.landing_faults: list[LandingFault] = []
        self.hidden: frozenset[str] = frozenset()
        self.hidden_services = False
        self.filtered: frozenset[str] = frozenset()
        self.slowness = 1.0
        self.order_seconds = 0.0
        self.enabled_late: dict[str, float] = {}
        self.clock_step_seconds = 0.0
        self.bus_is_down = False

    # Reading

    def list_services(self) -> list[Service]:
        """List the nova-compute services."""
        self.gate.read("services")
        hidden = self.hidden if self.hidden_services else frozenset()
        return [service for service in self.services.values() if service.host not in hidden]

    def list_servers(self, host: str | None = None) -> list[Server]:
        """List the servers of a host, or all."""
        self.gate.read("servers")
        if host in self.hidden:
            return []
        if host is not None:
            return list(self.by_host.get(host, {}).values())
        return [server for server in self.servers.values() if server.host not in self.hidden]

    def show_server(self, uuid: str) -> Server:
        """Return one server."""
        self.gate.read("server")
        return self._server(uuid)

    def list_migrations(
        self,
        *,
        host: str | None = None,
        source: str | None = None,
        kind: str | None = None,
        instance: str | None = None,
    ) -> list[MigrationRecord]:
        """List migration records, oldest first, of a host as source or destination, of a source only, or of an instance."""
        self.gate.read("migrations")
        if host in self.hidden or source in self.hidden:
            return []
        of = host or source
        records = self.migrations if of is None else self.migrations_of.get(of, [])
        return [
            record
            for record in records
            if source in (None, record.source) and kind in (None, record.kind) and instance in (None, record.instance)
        ]

    def is_up(self, service: Service) -> bool:
        """Give Nova's verdict on a service."""
        last = self.world.hosts[service.host].heartbeat.last(self.world.now)
        silence = self.world.now + self.clock_step_seconds - last
        return not service.forced_down and abs(silence) <= self.world.timing.service_down_seconds

    def updated_at(self, service: Service) -> str:
        """Return the text that changes with each heartbeat, and with each PUT."""
        last = self.world.hosts[service.host].heartbeat.last(self.world.now)
        return time_text(max(last, service.touched_at))

    # Orders

    def set_service(
        self,
        host: str,
        *,
        caller: str,
        forced_down: bool | None = None,
        disabled: bool | None = None,
        reason: str | None = None,
    ) -> Service:
        """Change the flags of a service in one PUT."""
        return self.gate.write("service", lambda: self.change_service(host, caller, forced_down, disabled, reason))

    def change_service(
        self,
        host: str,
        caller: str,
        forced_down: bool | None = None,
        disabled: bool | None = None,
        reason: str | None = None,
    ) -> Service:
        """Change the flags of a service, past the gate."""
        service = self.services.get(host)
        if service is None:
            raise Refused(404, f"Compute host {host} could not be found.")
        if forced_down is False and any(
            record.status == "done" and record.kind == "evacuation" and record.source == host
            for record in self.migrations_of.get(host, [])
        ):
            raise Refused(400, f"Unable to force up host {host} as `done` evacuation migration records remain.")
        before = (service.forced_down, service.disabled, service.disabled_reason)
        if forced_down is not None:
            service.forced_down = forced_down
        if disabled is not None:
            service.disabled = disabled
            service.disabled_reason = reason if disabled else None
        if before == (service.forced_down, service.disabled, service.disabled_reason):
            raise Refused(400, "No updates were requested. Fields 'status' or 'forced_down' should be specified.")
        service.touched_at = self.world.now
        self.world.note(
            "service",
            host=host,
            forced_down=service.forced_down,
            disabled=service.disabled,
            disabled_reason=service.disabled_reason,
            orders_down=forced_down is True,
            caller=caller,
        )
        return service

    def delete_service(self, host: str, *, caller: str) -> None:
        """Delete a service; Placement's provider goes with it unless somebody holds room there."""
        self.gate.write("service", lambda: self.drop_service(host, caller))

    def drop_service(self, host: str, caller: str) -> None:
        """Delete a service, past the gate."""
        if host not in self.services:
            raise Refused(404, f"Compute host {host} could not be found.")
        if self.by_host.get(host):
            raise Refused(
                409, "Unable to delete compute service that is hosting instances. Migrate or delete them first."
            )
        if any(record.status not in TERMINAL for record in self.migrations_of.get(host, [])):
            raise Refused(409, "Unable to delete compute service that has in-progress migrations.")
        del self.services[host]
        self.world.placement.forget_provider(host)
        self.world.note("service_deleted", host=host, caller=caller)

    def evacuate(self, uuid: str, *, target: str | None, caller: str, ends_stopped: bool = False) -> MigrationRecord:
        """Take an evacuation as microversions 2.68 to 2.94 do, or with `ends_stopped` as 2.95 does; or refuse it."""
        sent_at = self.world.now
        return self.gate.write("evacuate", lambda: self.take_evacuation(uuid, target, caller, sent_at, ends_stopped))

    def take_evacuation(
        self, uuid: str, target: str | None, caller: str, sent_at: float, ends_stopped: bool = False
    ) -> MigrationRecord:
        """Take an evacuation or refuse it, past the gate."""
        fact = {"instance": uuid, "target": target, "caller": caller, "sent_at": sent_at}
        try:
            server = self._server(uuid)
            self._check_evacuate(server, target)
        except Refused as refused:
            self.world.note("evacuation", outcome="refused", status=refused.status, **fact)
            raise
        self.world.note("evacuation", outcome="taken", source=server.host, migration=len(self.migrations) + 1, **fact)
        server.task_state = "rebuilding"
        record = self.add_migration(server, "evacuation", destination=target)
        Evacuation(self.world, server, record, target, ends_stopped=ends_stopped).begin()
        return record

    def stop(self, uuid: str, *, caller: str) -> None:
        """Take the order to stop a guest, or refuse it."""
        self.gate.write("stop", lambda: guests.stop(self.world, uuid, caller))

    def start(self, uuid: str, *, caller: str) -> None:
        """Take the order to start a guest, or refuse it."""
        self.gate.write("start", lambda: guests.start(self.world, uuid, caller))

    def _check_evacuate(self, server: Server, target: str | None) -> None:
        if target is not None and target not in self.services:
            raise Refused(404, f"Compute host {target} not found.")
        if target == server.host:
            raise Refused(400, "The target host can't be the same one.")
        if server.vm_state not in EVACUABLE:
            raise Refused(409, f"Cannot 'evacuate' instance {server.uuid} while it is in vm_state {server.vm_state}")
        if TPM in server.extra_specs:
            raise Refused(400, f"Operation 'evacuate' not supported for vTPM-enabled instance ({server.uuid}).")
        if self.is_up(self.services[server.host]):
            raise Refused(400, f"Compute service of {server.host} is still in use.")

    # What the parts of Nova do by themselves

    def compute_starts(self, host: Host) -> None:
        """Clean up a host whose nova-compute starts: guests evacuated from here go, with what Placement holds for them here.

        One whose service was deleted registers anew, as it does when it comes for the first time; so does a provider that was deleted.
        """
        if host.name not in self.services:
            self.services[host.name] = Service(self.world.new_uuid(), host.name, touched_at=self.world.now)
            self.world.placement.add_provider(host.name, self.world.new_uuid(), host.vcpus)
        elif host.name not in self.world.placement.providers:
            self.world.placement.add_provider(host.name, self.world.new_uuid(), host.vcpus)
        outgoing = [record for record in self.migrations_of.get(host.name, []) if record.source == host.name]
        for record in outgoing:
            if record.kind == "live-migration" and record.status not in TERMINAL:
                self.set_status(record, "error")
        evacuated = {
            record.instance: record
            for record in outgoing
            if record.kind == "evacuation" and record.status in IN_FLIGHT | {"done"}
        }
        for uuid, record in evacuated.items():
            host.stop_guest(uuid, "cleaned up by the returning nova-compute")
            self.world.placement.release(uuid, host.name)
            self.set_status(record, "completed")
        if host.resumes_guests:
            for server in self.by_host[host.name].values():
                if server.vm_state == "active" and server.uuid not in evacuated:
                    host.start_guest(server.uuid, "resumed by the returning nova-compute")

    def latency(self, seconds: float) -> float:
        """Return how long a step takes that takes `seconds` in the middle."""
        return seconds * self.slowness * self.world.random.uniform(0.7, 1.3)

    def stop_bus(self, seconds: float) -> None:
        """Stop the message bus: no heartbeat of any host arrives, no nova-compute takes work."""
        self._set_bus(is_down=True)
        self.world.after(seconds, lambda: self._set_bus(is_down=False))

    def _set_bus(self, *, is_down: bool) -> None:
        self.bus_is_down = is_down
        for host in self.world.hosts.values():
            host.refresh()

    def pick_destination(self, server: Server, target: str | None) -> str | None:
        """Choose the host with most room, as the scheduler would: enabled, up, not the source, and with room at all."""
        free = self.world.placement.free
        fits = [
            service.host
            for service in self.services.values()
            if service.host not in (server.host, *self.filtered)
            and target in (None, service.host)
            and not service.disabled
            and self.is_up(service)
            and free(service.host) >= server.vcpus
        ]
        return max(fits, key=free, default=None)

    def why_nowhere(self, server: Server, target: str | None) -> str:
        """Say as Nova does why it found no host: Placement had no candidate, or the filters left none of them."""
        able = set(self.world.placement.candidates(actions.needs(server))) - {server.host}
        return actions.ALL_FILTERED if able & ({target} if target else able) else actions.NO_CANDIDATES

    def spoil_landing(
        self, landing: Landing, *, host: str | None = None, times: int = 1, seconds: float | None = None
    ) -> None:
        """Let the next `times` evacuations to `host` (None: to any) go wrong; `seconds` is how long one hangs."""
        self.landing_faults.append(LandingFault(landing, host, times, seconds))

    def take_landing_fault(self, host: str, *landings: Landing) -> LandingFault | None:
        """Return the fault that befalls this evacuation at this step, and count it off."""
        for fault in self.landing_faults:
            if fault.landing in landings and fault.host in (None, host):
                fault.left -= 1
                if fault.left <= 0:
                    self.landing_faults.remove(fault)
                self.world.note("mishap", api="nova-compute", host=host, mishap=fault.landing.value)
                return fault
        return None

    # Rows

    def add_migration(
        self, server: Server, kind: str, *, destination: str | None = None, status: str = "accepted"
    ) -> MigrationRecord:
        """Write a new migration record."""
        now = self.world.now
        uuid = self.world.new_uuid()
        number = len(self.migrations) + 1
        record = MigrationRecord(number, uuid, server.uuid, kind, server.host, None, status, now, now)
        self.migrations.append(record)
        self.migrations_of.setdefault(server.host, []).append(record)
        self.set_destination(record, destination)
        self.set_status(record, status)
        return record

    def set_destination(self, record: MigrationRecord, destination: str | None) -> None:
        """Write where a migration goes."""
        if destination is not None and destination != record.destination:
            record.destination = destination
            self.migrations_of.setdefault(destination, []).append(record)

    def set_status(self, record: MigrationRecord, status: str) -> None:
        """Write how a migration stands."""
        record.status = status
        record.updated_at = self.world.now
        self.world.note(
            "migration",
            migration=record.id,
            instance=record.instance,
            kind=record.kind,
            source=record.source,
            destination=record.destination,
            status=status,
        )

    def change(self, server: Server, why: str, *, host: str | None = None, vm_state: str | None = None) -> None:
        """Write where a server is and how it is; its task_state ends."""
        server.task_state = None
        if host is not None and host != server.host:
            del self.by_host[server.host][server.uuid]
            server.host = host
            self.by_host[host][server.uuid] = server
        server.vm_state = vm_state or server.vm_state
        self.world.note("server", instance=server.uuid, host=server.host, vm_state=server.vm_state, why=why)

    def forget(self, server: Server) -> None:
        """Delete a server for good, with what Placement holds for it."""
        self.servers.pop(server.uuid, None)
        self.by_host[server.host].pop(server.uuid, None)
        self.world.placement.release(server.uuid)
        self.change(server, "deleted", vm_state="deleted")

    def _server(self, uuid: str) -> Server:
        server = self.servers.get(uuid)
        if server is None:
            raise Refused(404, f"Instance {uuid} could not be found.")
        if server.host in self.hidden:
            raise Away(f"The cell of {uuid} is not responding and hence instance info is not available.")
        return server


@lru_cache(maxsize=4096)
def time_text(at: float) -> str:
    """Write a time as Nova's API does."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
