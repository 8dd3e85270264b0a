"""The ports Nova, PowerDevices and Clock over the simulated world, without sockets.

Calls apply at the world's present moment and take no time; whoever drives the world adds latency around them. A BMC that is slower
than the deadline gives no answer, though it takes the order.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmha.core.capacity import Room
from vmha.core.causes import MOST_NAMED
from vmha.core.flags import ServiceFlags
from vmha.core.model import Power, PowerTrouble, ServicePrior, ServiceReading
from vmha.core.targets import holds_room
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import HostSurvey, InstanceLook, PowerError
from vmha.sim import actions
from vmha.sim.clock import SimClock as SimClock
from vmha.sim.gate import NoAnswer, Refused
from vmha.sim.power import BmcTrouble, Trouble
from vmha.sim.readings import as_instance, migration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmha.core.aggregates import Aggregate
    from vmha.core.causes import Findings
    from vmha.core.model import Instance, Migration
    from vmha.ports import Clock, Deadline
    from vmha.sim.power import Bmc
    from vmha.sim.rows import Service
    from vmha.sim.world import World

# What the sentences call the list of BMCs.
INVENTORY = "the simulated inventory"
TROUBLES = {
    Trouble.SILENT: PowerTrouble.SILENT,
    Trouble.BAD_PASSWORD: PowerTrouble.BAD_CREDENTIALS,
    Trouble.ERROR: PowerTrouble.ERROR,
}


class SimNova:
    """`vmha.ports.Nova` over the simulated Nova. `caller` is the name that its orders have in the record."""

    def __init__(self, world: World, caller: str, clock: Clock | None = None) -> None:
        self._world = world
        self._caller = caller
        self._clock = clock or SimClock(world)

    def services(self, *, deadline: Deadline) -> tuple[ServiceReading, ...]:
        """List all nova-compute services."""
        nova = self._world.nova
        with self._reading(deadline):
            return tuple(
                ServiceReading(
                    host=service.host,
                    heartbeat=nova.updated_at(service),
                    is_up=nova.is_up(service),
                    forced_down=service.forced_down,
                    disabled=service.disabled,
                    disabled_reason=service.disabled_reason,
                    zone=service.zone,
                )
                for service in nova.list_services()
            )

    def hypervisors(self, part: str, *, deadline: Deadline) -> Mapping[str, str]:
        """Return the hypervisors; each is called like its host."""
        with self._reading(deadline):
            return {service.host: service.host for service in self._world.nova.list_services() if part in service.host}

    def force_down(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Set forced_down and disable; a service that somebody else disabled keeps its reason."""
        self._leave(deadline, f"forcing down {host}")
        with _translated():
            prior = self._standing(host)
            if not (prior.forced_down and prior.disabled):
                disabled = None if prior.disabled else True
                self._world.nova.set_service(
                    host, caller=self._caller, forced_down=True, disabled=disabled, reason=reason
                )
        return prior

    def survey(self, host: str, *, deadline: Deadline) -> HostSurvey:
        """List what Nova and Placement hold for a host."""
        with self._reading(deadline):
            records = tuple(map(migration, self._world.nova.list_migrations(host=host)))
            consumers = self._world.placement.consumers(host)
            instances = self.instances_on(host, deadline=deadline)
            listed = {instance.uuid for instance in instances}
            listed |= {record.instance for record in records if holds_room(record, host)}
            return HostSurvey(
                instances=instances,
                migrations=records,
                consumers=None if consumers is None else consumers - {record.uuid for record in records},
                elsewhere=frozenset(
                    uuid for uuid in (consumers or frozenset()) - listed if self._is_elsewhere(uuid, host)
                ),
            )

    def host_of(self, instance: str, *, deadline: Deadline) -> str | None:
        """Return where Nova holds an instance to be."""
        with self._reading(deadline):
            try:
                return self._world.nova.show_server(instance).host
            except Refused as refused:
                if refused.status != 404:
                    raise
                return None

    def look_at(self, instance: str, *, closely: bool, deadline: Deadline) -> InstanceLook | None:
        """Return how an instance stands."""
        nova = self._world.nova
        with self._reading(deadline):
            records = tuple(map(migration, nova.list_migrations(instance=instance))) if closely else None
            try:
                found = as_instance(nova.show_server(instance))
            except Refused as refused:
                if refused.status != 404:
                    raise
                return None
        service = self.service(found.host, deadline=deadline) if closely else None
        return InstanceLook(instance=found, migrations=records, service=service)

    def examine(self, instance: str, *, source: str, target: str | None, deadline: Deadline) -> Findings | None:
        """Say why an instance was not moved."""
        with self._reading(deadline):
            try:
                server = self._world.nova.show_server(instance)
            except Refused as refused:
                if refused.status != 404:
                    raise
                return None
            self._world.placement.gate.read("allocation_candidates")
            return actions.findings(self._world, server, source=source, target=target, most=MOST_NAMED)

    def stop(self, instance: str, *, deadline: Deadline) -> None:
        """Order a guest stopped."""
        self._leave(deadline, f"stopping {instance}")
        with _translated():
            self._world.nova.stop(instance, caller=self._caller)

    def start(self, instance: str, *, deadline: Deadline) -> None:
        """Order a guest started."""
        self._leave(deadline, f"starting {instance}")
        with _translated():
            self._world.nova.start(instance, caller=self._caller)

    def _is_elsewhere(self, instance: str, host: str) -> bool:
        """Ask Nova for one instance: is it on another host, or unknown?"""
        try:
            return self._world.nova.show_server(instance).host != host
        except Refused as refused:
            return refused.status == 404
        except NoAnswer:
            return False

    def instances_on(self, host: str, *, deadline: Deadline) -> tuple[Instance, ...]:
        """List the instances that Nova holds to be on a host."""
        with self._reading(deadline):
            return tuple(as_instance(server) for server in self._world.nova.list_servers(host))

    def room(self, host: str, *, deadline: Deadline) -> Room | None:
        """Return what the simulated Placement knows of a host: vcpus only."""
        placement = self._world.placement
        with self._reading(deadline):
            if placement.consumers(host) is None:
                return None
            size = {"VCPU": placement.capacity[host]}
            held = {consumer: {"VCPU": vcpus} for consumer, vcpus in placement.allocations[host].items()}
            return Room(size=size, largest=size, held=held)

    def evacuations_from(self, host: str, *, deadline: Deadline) -> tuple[Migration, ...]:
        """List all evacuation records with source `host`."""
        with self._reading(deadline):
            return tuple(
                migration(record) for record in self._world.nova.list_migrations(source=host, kind="evacuation")
            )

    def evacuate(self, instance: str, *, target: str | None, deadline: Deadline) -> None:
        """Order an evacuation."""
        self._leave(deadline, f"evacuating {instance}")
        with _translated():
            self._world.nova.evacuate(instance, target=target, caller=self._caller)

    def service(self, host: str, *, deadline: Deadline) -> ServiceReading | None:
        """Return the service of a host."""
        found = self.services(deadline=deadline)
        return next((service for service in found if service.host == host), None)

    def enable(self, host: str, *, reason: str | None = None, deadline: Deadline) -> ServicePrior:
        """Enable the service of a host, with a `reason` only if that is why it is disabled."""
        self._leave(deadline, f"enabling {host}")
        with _translated():
            prior = self._standing(host)
            if reason is not None and (prior.forced_down or (prior.disabled and prior.disabled_reason != reason)):
                why = "it is forced down" if prior.forced_down else f"it is disabled because: {prior.disabled_reason}"
                raise Refused(409, f"the service of {host} was not enabled: {why}")
            if prior.disabled:
                self._world.nova.set_service(host, caller=self._caller, disabled=False)
        return prior

    def disable(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Disable the service of a host."""
        self._leave(deadline, f"disabling {host}")
        with _translated():
            prior = self._standing(host)
            if not prior.disabled:
                self._world.nova.set_service(host, caller=self._caller, disabled=True, reason=reason)
        return prior

    def set_flags(self, host: str, flags: ServiceFlags, *, seen: ServiceFlags, deadline: Deadline) -> None:
        """Give the service of a host other flags, unless somebody else has done so."""
        self._leave(deadline, f"changing the service of {host}")
        with _translated():
            service = self._service(host)
            now = ServiceFlags(
                forced_down=service.forced_down,
                disabled=service.disabled,
                disabled_reason=service.disabled_reason,
            )
            if now not in (flags, seen):
                raise Refused(409, f"somebody changed the compute service of {host} meanwhile; look at how it stands")
            if now != flags:
                is_kept = (now.disabled, now.disabled_reason) == (flags.disabled, flags.disabled_reason)
                self._world.nova.set_service(
                    host,
                    caller=self._caller,
                    forced_down=None if now.forced_down == flags.forced_down else flags.forced_down,
                    disabled=None if is_kept else flags.disabled,
                    reason=flags.disabled_reason,
                )

    def release_room(self, host: str, consumer: str, *, deadline: Deadline) -> None:
        """Take from a consumer what it holds of a host."""
        self._leave(deadline, f"releasing what {consumer} holds of {host}")
        with _translated():
            placement = self._world.placement
            placement.gate.write("allocations", lambda: placement.release(consumer, host))

    def delete_service(self, host: str, *, deadline: Deadline) -> None:
        """Delete the service of a host."""
        self._leave(deadline, f"deleting the service of {host}")
        with _translated():
            self._service(host)
            self._world.nova.delete_service(host, caller=self._caller)

    def aggregates(self, *, deadline: Deadline) -> tuple[Aggregate, ...]:
        """List the aggregates."""
        with self._reading(deadline):
            return self._world.nova.aggregates.listed()

    def join(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Add a host to an aggregate."""
        self._leave(deadline, f"adding {host} to an aggregate")
        with _translated():
            self._world.nova.aggregates.join(aggregate, host, caller=self._caller)

    def leave(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Take a host out of an aggregate."""
        self._leave(deadline, f"taking {host} out of an aggregate")
        with _translated():
            self._world.nova.aggregates.leave(aggregate, host, caller=self._caller)

    def _standing(self, host: str) -> ServicePrior:
        """Say how the service stands that an order is about."""
        service = self._service(host)
        return ServicePrior(
            disabled=service.disabled, disabled_reason=service.disabled_reason, forced_down=service.forced_down
        )

    def _service(self, host: str) -> Service:
        for service in self._world.nova.list_services():
            if service.host == host:
                return service
        raise Refused(404, f"there is no nova-compute service on {host}")

    @contextmanager
    def _reading(self, deadline: Deadline) -> Iterator[None]:
        if self._clock.monotonic() > deadline.at:
            raise NovaUnavailable("there was no time left to ask Nova")
        with _translated():
            yield

    def _leave(self, deadline: Deadline, what: str) -> None:
        if self._clock.monotonic() > deadline.at:
            raise OrderExpired(f"the deadline for {what} passed before the order left")


class SimPower:
    """`vmha.ports.PowerDevices` over the simulated BMCs.

    `guids` are the identities in the inventory: None takes each host's true one, an empty mapping checks none. `hosts` is the
    inventory (None: every host).
    """

    def __init__(
        self,
        world: World,
        caller: str,
        *,
        hosts: frozenset[str] | None = None,
        guids: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._world = world
        self._caller = caller
        self._hosts = frozenset(world.hosts) if hosts is None else hosts
        self._guids = {name: host.guid for name, host in world.hosts.items()} if guids is None else guids
        self._clock = clock or SimClock(world)

    def protects(self, host: str) -> bool:
        """Tell whether the inventory has a device for `host`."""
        return host in self._hosts

    def delay_seconds(self, host: str) -> float:
        """Return how long the BMC takes to answer, for a driver that adds latency around the calls."""
        return self._world.bmcs[host].faults.delay_seconds if self.protects(host) else 0.0

    def read(self, host: str, *, deadline: Deadline) -> tuple[Power, str]:
        """Return what the BMC says of its host's power."""
        bmc = self._bmc("cannot read power of", host, deadline)
        with self._sentences("cannot read power of", bmc, deadline):
            self._check_identity(bmc)
            # What comes too late was never read: it must not stand in the record.
            self._check_in_time(bmc, deadline)
            power = Power.ON if bmc.read(self._caller) else Power.OFF
        return power, bmc.address

    def off(self, host: str, *, deadline: Deadline) -> str:
        """Order a hard power-off."""
        bmc = self._bmc("cannot power off", host, deadline)
        with self._sentences("cannot power off", bmc, deadline):
            self._check_identity(bmc)
            bmc.off(self._caller)
            self._check_in_time(bmc, deadline)
        return bmc.address

    def _bmc(self, cannot: str, host: str, deadline: Deadline) -> Bmc:
        if not self.protects(host):
            text = f"{cannot} {host}: {INVENTORY} has no BMC for it; add one and restart"
            raise PowerError(PowerTrouble.NO_DEVICE, text, "")
        bmc = self._world.bmcs[host]
        if self._clock.monotonic() >= deadline.at:
            text = (
                f"{cannot} {host}: nothing was sent to its BMC {bmc.address}: the deadline had passed before; try later"
            )
            raise PowerError(PowerTrouble.ERROR, text, bmc.address)
        return bmc

    def _check_in_time(self, bmc: Bmc, deadline: Deadline) -> None:
        if self._clock.monotonic() + bmc.faults.delay_seconds > deadline.at:
            raise BmcTrouble(Trouble.SILENT, "no answer in time")

    def _check_identity(self, bmc: Bmc) -> None:
        expected, found = self._guids.get(bmc.host), bmc.guid(self._caller)
        if expected not in (None, found):
            raise _WrongIdentity(f"says that its GUID is {found}, where {INVENTORY} has {expected}")

    @contextmanager
    def _sentences(self, cannot: str, bmc: Bmc, deadline: Deadline) -> Iterator[None]:
        """Say what happened in the words of the adapter that speaks IPMI."""
        seconds = max(1, round(deadline.at - self._clock.monotonic()))
        where = f"{cannot} {bmc.host}: its BMC {bmc.address}"
        try:
            yield
        except _WrongIdentity as error:
            text = f"{where} {error}; correct address or system_guid, whichever is wrong"
            raise PowerError(PowerTrouble.WRONG_IDENTITY, text, bmc.address) from error
        except BmcTrouble as error:
            words = {
                Trouble.SILENT: f"did not answer in {seconds} s; check power and network of the BMC",
                Trouble.BAD_PASSWORD: f"refused user admin ({error}); correct user and password in {INVENTORY}",
                Trouble.ERROR: f"answered with an error ({error}); try ipmitool on it and look into its event log",
            }
            raise PowerError(TROUBLES[error.trouble], f"{where} {words[error.trouble]}", bmc.address) from error


class _WrongIdentity(Exception):
    """Another machine is behind the BMC than the inventory says."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except NoAnswer as error:
        raise NovaUnavailable(str(error)) from error
    except Refused as error:
        raise NovaRefused(error.status, error.message) from error
