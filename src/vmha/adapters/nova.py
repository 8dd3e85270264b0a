"""Nova and Placement as the `Nova` port says, at one microversion for everything.

2.94: an evacuated instance that ran ends ACTIVE and one that was stopped ends stopped, in one call. From 2.95 Nova boots it,
kills it and must be told to boot it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from vmha.adapters import nova_aggregates, nova_evidence, nova_records
from vmha.adapters.keystone import Service, open_cloud
from vmha.core.flags import flags_of
from vmha.core.model import ServicePrior
from vmha.core.targets import holds_room
from vmha.errors import NovaRefused, NovaUnavailable
from vmha.ports import HostSurvey, InstanceLook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from vmha.adapters.keystone import Body, Cloud
    from vmha.core.aggregates import Aggregate
    from vmha.core.capacity import Room
    from vmha.core.causes import Findings
    from vmha.core.flags import ServiceFlags
    from vmha.core.model import Instance, Migration, ServiceReading
    from vmha.ports import Clock, Deadline
    from vmha.settings import Settings

    Query = Mapping[str, str | int]

MICROVERSION = "2.94"
COMPUTE = Service(
    "Nova",
    "compute",
    {"OpenStack-API-Version": f"compute {MICROVERSION}", "X-OpenStack-Nova-API-Version": MICROVERSION},
)
PLACEMENT = Service("Placement", "placement", {"OpenStack-API-Version": "placement 1.28"})

# Nova's own limit is 1000 as it ships; a page of instances costs it about 10 ms for each.
PAGE = 500
# Half a million records of one host: more is a loop.
MAX_PAGES = 1000
# Consumers that are asked after one by one; where more are unexplained a whole cell is away, and asking each would not help.
MAX_ASKED = 50


@dataclass(frozen=True, slots=True)
class _List:
    """A list that Nova gives in pages, each after the record that `marker` of the one before names."""

    path: str
    key: str
    marker: str


SERVERS = _List("servers/detail", "servers", "id")
MIGRATIONS = _List("os-migrations", "migrations", "uuid")


def open_nova(settings: Settings, *, clock: Clock) -> OpenStackNova:
    """Prepare the adapter that the settings describe; nothing is sent yet. Raises `ConfigurationError`."""
    kind, _, _ = settings.cloud.nova_catalog_admin_info.split(":")
    return OpenStackNova(open_cloud(settings, clock=clock), compute=replace(COMPUTE, type=kind))


class OpenStackNova:
    """The `Nova` port over HTTP; see there for what each method promises."""

    def __init__(self, cloud: Cloud, *, compute: Service = COMPUTE) -> None:
        self._cloud = cloud
        self._compute = compute

    def services(self, *, deadline: Deadline) -> tuple[ServiceReading, ...]:
        """List all nova-compute services, except those of a cell that is down: of them Nova knows nothing."""
        with nova_records.reading("services"):
            return tuple(
                nova_records.service(record) for record in self._services({}, deadline) if nova_records.is_known(record)
            )

    def hypervisors(self, part: str, *, deadline: Deadline) -> Mapping[str, str]:
        """Return the service's host of each hypervisor whose name contains `part`, by the hypervisor's name."""
        records = self._hypervisor_records(part, deadline)
        with nova_records.reading("hypervisors"):
            return {str(record["hypervisor_hostname"]): str(record["service"]["host"]) for record in records}

    def force_down(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Set forced_down and disable the service in one PUT; a service that somebody else disabled keeps its reason.

        Both in one PUT is also what keeps Nova from calling the dead host over RPC, which takes it a minute. The PUT moves
        Nova's `updated_at` as a heartbeat would.
        """
        record, prior = self._standing(host, deadline)
        if not (prior.forced_down and prior.disabled):
            body: Body = {"forced_down": True}
            if not prior.disabled:
                body |= {"status": "disabled", "disabled_reason": reason}
            self._put_service(record, body, deadline)
        return prior

    def survey(self, host: str, *, deadline: Deadline) -> HostSurvey:
        """List migrations, instances and consumers of `host`, in this order.

        A move that ends meanwhile then shows as a migration too many, never as one too few. Nova's migrations hold
        allocations in their own name while a move is not confirmed, and some keep them; these consumers are left out.
        """
        with nova_records.reading("migrations"):
            records = list(self._pages(MIGRATIONS, {"host": host}, deadline))
            migrations = _oldest_first(records)
            moves = {str(record["uuid"]) for record in records}
        instances = self.instances_on(host, deadline=deadline)
        consumers = self._consumers(host, deadline)
        explained = moves | {instance.uuid for instance in instances}
        explained |= {migration.instance for migration in migrations if holds_room(migration, host)}
        return HostSurvey(
            instances=instances,
            migrations=migrations,
            consumers=None if consumers is None else consumers - moves,
            elsewhere=self._elsewhere(host, (consumers or frozenset()) - explained, deadline),
        )

    def _elsewhere(self, host: str, unexplained: frozenset[str], deadline: Deadline) -> frozenset[str]:
        """Ask Nova for each consumer that its lists do not explain: is it on another host, or unknown?

        An evacuation that has just begun holds room here before its record says so; an instance that was deleted in a bad moment may
        leave its allocation behind. One in a cell that is down is neither: Nova then says 5xx, or shows no host.
        """
        return frozenset(uuid for uuid in sorted(unexplained)[:MAX_ASKED] if self._is_elsewhere(host, uuid, deadline))

    def _is_elsewhere(self, host: str, uuid: str, deadline: Deadline) -> bool:
        try:
            return self.host_of(uuid, deadline=deadline) != host
        except NovaUnavailable:
            return False

    def look_at(self, instance: str, *, closely: bool, deadline: Deadline) -> InstanceLook | None:
        """Read an instance; its migrations before it, so that one that ends meanwhile shows as one too many."""
        migrations = None
        if closely:
            with nova_records.reading("migrations"):
                migrations = _oldest_first(self._pages(MIGRATIONS, {"instance_uuid": instance}, deadline))
        record = self._server(instance, deadline)
        if record is None:
            return None
        with nova_records.reading("instances"):
            found = nova_records.instance(record)
        service = self.service(found.host, deadline=deadline) if closely and found.host else None
        return InstanceLook(instance=found, migrations=migrations, service=service)

    def examine(self, instance: str, *, source: str, target: str | None, deadline: Deadline) -> Findings | None:
        """Read the instance, its last evacuation, and where Placement has the room that its flavor asks for."""
        record = self._server(instance, deadline)
        if record is None:
            return None
        action = nova_evidence.evacuation(self._cloud, self._compute, instance, deadline)
        with nova_records.reading("instances"):
            amounts = nova_evidence.needs(record)
        named = self._providers(target or source, deadline)
        root = next(iter(named), None) if target else None
        found = set(nova_evidence.candidates(self._cloud, amounts, root, deadline))
        others = found & set(named) if target else found - set(named)
        room = nova_evidence.names(self._cloud, others, deadline)
        with nova_records.reading("instances"):
            return nova_evidence.findings(record, action, amounts, room, len(others))

    def stop(self, instance: str, *, deadline: Deadline) -> None:
        """Stop the guest of `instance`."""
        self._act(instance, {"os-stop": None}, deadline)

    def start(self, instance: str, *, deadline: Deadline) -> None:
        """Start the guest of `instance`."""
        self._act(instance, {"os-start": None}, deadline)

    def _act(self, instance: str, action: Body, deadline: Deadline) -> None:
        path = f"servers/{quote(instance, safe='')}/action"
        self._cloud.order(self._compute, "POST", path, action, deadline=deadline)

    def _server(self, instance: str, deadline: Deadline) -> Body | None:
        """Read the record of an instance, None for one that Nova does not know; of a cell that is down it gives less than that."""
        try:
            body = self._cloud.read(self._compute, f"servers/{quote(instance, safe='')}", {}, deadline=deadline)
        except NovaRefused as error:
            if error.status != 404:
                raise
            return None
        with nova_records.reading("instances"):
            record: Body = body["server"]
        if record.get("status") == "UNKNOWN" and "OS-EXT-STS:vm_state" not in record:
            raise NovaUnavailable(f"Nova does not say how {instance} is: its cell is down")
        return record

    def host_of(self, instance: str, *, deadline: Deadline) -> str | None:
        """Return where Nova holds `instance` to be, None for one that it does not know."""
        record = self._server(instance, deadline)
        if record is None:
            return None
        host = record.get("OS-EXT-SRV-ATTR:host")
        if host is None:
            raise NovaUnavailable(f"Nova does not say where {instance} is: its cell is down, or it has no host yet")
        return str(host)

    def instances_on(self, host: str, *, deadline: Deadline) -> tuple[Instance, ...]:
        """List the instances of `host`, all projects, all pages."""
        with nova_records.reading("instances"):
            records = self._pages(SERVERS, {"all_tenants": 1, "host": host}, deadline)
            found = {instance.uuid: instance for instance in map(nova_records.instance, records)}
        # Nova ignores the filter without a word for a user who is not an administrator.
        return tuple(instance for instance in found.values() if instance.host == host)

    def evacuations_from(self, host: str, *, deadline: Deadline) -> tuple[Migration, ...]:
        """List all evacuation records with source `host`, oldest first."""
        with nova_records.reading("migrations"):
            query = {"source_compute": host, "migration_type": nova_records.EVACUATION}
            return _oldest_first(self._pages(MIGRATIONS, query, deadline))

    def room(self, host: str, *, deadline: Deadline) -> Room | None:
        """Read inventories and allocations of the host's provider; what child providers have is not counted."""
        providers = self._providers(host, deadline)
        if not providers:
            return None
        with nova_records.reading("inventories and allocations"):
            return nova_records.room(
                [self._of_provider(provider, "inventories", deadline) for provider in providers],
                [self._of_provider(provider, "allocations", deadline) for provider in providers],
            )

    def evacuate(self, instance: str, *, target: str | None, deadline: Deadline) -> None:
        """Evacuate `instance` to `target`, which Nova's scheduler checks, or wherever the scheduler says."""
        self._act(instance, {"evacuate": {} if target is None else {"host": target}}, deadline)

    def service(self, host: str, *, deadline: Deadline) -> ServiceReading | None:
        """Read the compute service of `host`."""
        with nova_records.reading("services"):
            records = [each for each in self._services({"host": host}, deadline) if each["host"] == host]
            if not records:
                return None
            self._demand_known(records[0], host)
            return nova_records.service(records[0])

    def enable(self, host: str, *, reason: str | None = None, deadline: Deadline) -> ServicePrior:
        """Enable the compute service of `host`, with a `reason` only if that is why it is disabled; forced_down stays as it is."""
        record, prior = self._standing(host, deadline)
        if reason is not None and (prior.forced_down or (prior.disabled and prior.disabled_reason != reason)):
            why = "it is forced down" if prior.forced_down else f"it is disabled because: {prior.disabled_reason}"
            raise NovaRefused(409, f"the service of {host} was not enabled: {why}")
        if prior.disabled:
            self._put_service(record, {"status": "enabled"}, deadline)
        return prior

    def disable(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Disable the compute service of `host`."""
        record, prior = self._standing(host, deadline)
        if not prior.disabled:
            self._put_service(record, {"status": "disabled", "disabled_reason": reason}, deadline)
        return prior

    def _standing(self, host: str, deadline: Deadline) -> tuple[Body, ServicePrior]:
        """Find the service that an order is about, and how it stands."""
        record = self._service(host, deadline)
        with nova_records.reading("services"):
            service = nova_records.service(record)
        return record, ServicePrior(
            disabled=service.disabled, disabled_reason=service.disabled_reason, forced_down=service.forced_down
        )

    def set_flags(self, host: str, flags: ServiceFlags, *, seen: ServiceFlags, deadline: Deadline) -> None:
        """Put the flags that differ, after a last look at those that stand."""
        record = self._service(host, deadline)
        with nova_records.reading("services"):
            now = flags_of(nova_records.service(record))
        if now not in (flags, seen):
            raise NovaRefused(409, f"somebody changed the compute service of {host} meanwhile; look at how it stands")
        body: Body = {}
        if flags.forced_down != now.forced_down:
            body["forced_down"] = flags.forced_down
        if (flags.disabled, flags.disabled_reason) != (now.disabled, now.disabled_reason):
            body["status"] = "disabled" if flags.disabled else "enabled"
            if flags.disabled and flags.disabled_reason is not None:
                body["disabled_reason"] = flags.disabled_reason
        if body:
            self._put_service(record, body, deadline)

    def release_room(self, host: str, consumer: str, *, deadline: Deadline) -> None:
        """Write the consumer's allocations anew without those of the host's providers.

        Placement refuses it (409) where the consumer has changed since they were read.
        """
        path = f"allocations/{quote(consumer, safe='')}"
        providers = self._providers(host, deadline)
        body = self._cloud.read(PLACEMENT, path, {}, deadline=deadline, before_order=True)
        with nova_records.reading("allocations"):
            order = nova_records.without_providers(body, providers)
        if order is not None:
            self._cloud.order(PLACEMENT, "PUT", path, order, deadline=deadline)

    def delete_service(self, host: str, *, deadline: Deadline) -> None:
        """Delete the service, with its hypervisors, and what of Placement's providers nobody holds."""
        record = self._service(host, deadline)
        path = f"os-services/{quote(str(record['id']), safe='')}"
        self._cloud.order(self._compute, "DELETE", path, None, deadline=deadline)

    def aggregates(self, *, deadline: Deadline) -> tuple[Aggregate, ...]:
        """List all aggregates."""
        return nova_aggregates.listed(self._cloud, self._compute, deadline)

    def join(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Add a host to an aggregate."""
        nova_aggregates.act(self._cloud, self._compute, aggregate, "add_host", host, deadline)

    def leave(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Take a host out of an aggregate."""
        nova_aggregates.act(self._cloud, self._compute, aggregate, "remove_host", host, deadline)

    def _services(self, query: Query, deadline: Deadline, *, before_order: bool = False) -> list[Body]:
        query = {"binary": "nova-compute", **query}
        body = self._cloud.read(self._compute, "os-services", query, deadline=deadline, before_order=before_order)
        records: list[Body] = body["services"]
        return records

    def _service(self, host: str, deadline: Deadline) -> Body:
        """Find the service that an order is about."""
        with nova_records.reading("services"):
            found = self._services({"host": host}, deadline, before_order=True)
            records = [record for record in found if record["host"] == host]
        if not records:
            raise NovaRefused(404, f"there is no nova-compute service on {host}; compare the host's name with Nova's")
        self._demand_known(records[0], host)
        return records[0]

    @staticmethod
    def _demand_known(record: Body, host: str) -> None:
        if not nova_records.is_known(record):
            raise NovaUnavailable(f"Nova does not know how the service of {host} stands: its cell is down")

    def _put_service(self, record: Body, body: Body, deadline: Deadline) -> None:
        path = f"os-services/{quote(str(record['id']), safe='')}"
        self._cloud.order(self._compute, "PUT", path, body, deadline=deadline)

    def _pages(self, kind: _List, query: Query, deadline: Deadline) -> Iterator[Body]:
        marker = None
        for _ in range(MAX_PAGES):
            page = {"limit": PAGE, "marker": marker, **query}
            body = self._cloud.read(self._compute, kind.path, page, deadline=deadline)
            records = body[kind.key]
            yield from records
            if not records or not body.get(f"{kind.key}_links"):
                return
            marker = records[-1][kind.marker]
        raise NovaUnavailable(f"Nova's list of {kind.key} does not end after {MAX_PAGES} pages of {PAGE}")

    def _consumers(self, host: str, deadline: Deadline) -> frozenset[str] | None:
        providers = self._providers(host, deadline)
        found: set[str] = set()
        for provider in providers:
            with nova_records.reading("allocations"):
                found.update(self._of_provider(provider, "allocations", deadline))
        return frozenset(found) if providers else None

    def _of_provider(self, provider: str, what: str, deadline: Deadline) -> Body:
        path = f"resource_providers/{quote(provider, safe='')}/{what}"
        body: Body = self._cloud.read(PLACEMENT, path, {}, deadline=deadline)[what]
        return body

    def _providers(self, host: str, deadline: Deadline) -> tuple[str, ...]:
        """Find the host's provider. It is named after the hypervisor, whose name need not be the service's."""
        with nova_records.reading("resource providers"):
            body = self._cloud.read(PLACEMENT, "resource_providers", {"name": host}, deadline=deadline)
            found = tuple(str(provider["uuid"]) for provider in body["resource_providers"])
        return found or self._hypervisors(host, deadline)

    def _hypervisors(self, host: str, deadline: Deadline) -> tuple[str, ...]:
        """Find the ids of the host's hypervisors, which are those of its providers."""
        records = self._hypervisor_records(host.partition(".")[0], deadline)
        with nova_records.reading("hypervisors"):
            return tuple(str(record["id"]) for record in records if record["service"]["host"] == host)

    def _hypervisor_records(self, part: str, deadline: Deadline) -> Sequence[Body]:
        """Read the hypervisors whose name contains `part`; where there is none Nova answers 404."""
        query = {"hypervisor_hostname_pattern": part}
        try:
            body = self._cloud.read(self._compute, "os-hypervisors/detail", query, deadline=deadline)
        except NovaRefused as error:
            if error.status != 404:
                raise
            return ()
        with nova_records.reading("hypervisors"):
            return tuple(body["hypervisors"])


def _oldest_first(records: Iterable[Body]) -> tuple[Migration, ...]:
    """Read records and sort them by their ids; one that stood on two pages, since the list changed meanwhile, counts once."""
    found = {migration.uuid: migration for migration in map(nova_records.migration, records)}
    return tuple(sorted(found.values(), key=lambda migration: migration.id))
