"""How the simulated Nova shows its rows at a microversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from vmha.sim import actions
from vmha.sim.compute import time_text
from vmha.sim.readings import MEMORY_MB

if TYPE_CHECKING:
    from vmha.core.aggregates import Aggregate
    from vmha.sim.compute import Nova
    from vmha.sim.http import Body
    from vmha.sim.rows import Action, ActionStep, MigrationRecord, Server, Service
    from vmha.sim.world import World


class Version(NamedTuple):
    """A microversion."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Write it as in a header."""
        return f"{self.major}.{self.minor}"


FORCED_DOWN = Version(2, 11)
LOCKED = Version(2, 9)
HOST_STATUS = Version(2, 16)
MIGRATION_TYPE = Version(2, 23)
EMBEDDED_FLAVOR = Version(2, 47)
SERVICE_UUID = Version(2, 53)
MIGRATION_UUID = Version(2, 59)
PARTIAL = Version(2, 69)
MIGRATION_PROJECT = Version(2, 80)

# Nova's numbers of power states.
POWER_STATES = {"active": 1, "stopped": 4, "paused": 3}
STATUSES = {"active": "ACTIVE", "stopped": "SHUTOFF", "error": "ERROR", "paused": "PAUSED"}


def service(nova: Nova, row: Service, version: Version) -> Body:
    """Show a service."""
    view: Body = {
        "binary": "nova-compute",
        "host": row.host,
        "id": row.uuid if version >= SERVICE_UUID else list(nova.services).index(row.host) + 1,
        "zone": row.zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if nova.is_up(row) else "down",
        "updated_at": nova.updated_at(row),
        "disabled_reason": row.disabled_reason,
    }
    if version >= FORCED_DOWN:
        view["forced_down"] = row.forced_down
    return view


def short_server(nova: Nova, row: Server, version: Version, url: str) -> Body:
    """Show a server in a list without details."""
    return {"id": row.uuid, "name": row.name, "links": _links(url, f"servers/{row.uuid}")}


def partial_server(row: Server, url: str) -> Body:
    """Show the little that the API's own database knows of a server whose cell is down."""
    return {
        "id": row.uuid,
        "tenant_id": row.project,
        "status": "UNKNOWN",
        "links": _links(url, f"servers/{row.uuid}"),
    }


def server(nova: Nova, row: Server, version: Version, url: str) -> Body:
    """Show a server with its details, as to an administrator."""
    view = {
        **short_server(nova, row, version, url),
        "status": status(row),
        "tenant_id": row.project,
        "user_id": "user-demo",
        "metadata": row.metadata,
        "hostId": f"{crc32(row.host.encode()):08x}",
        "image": {"id": row.image, "links": []} if row.image else "",
        "flavor": _flavor(row, version, url),
        "created": time_text(nova.world.record.facts[0]["at"])[:19] + "Z",
        "updated": time_text(nova.world.now)[:19] + "Z",
        "addresses": {},
        "accessIPv4": "",
        "accessIPv6": "",
        "config_drive": "",
        "key_name": None,
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": "nova",
        "OS-EXT-SRV-ATTR:host": row.host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": row.host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{row.uuid[:8]}",
        "OS-EXT-STS:task_state": row.task_state,
        "OS-EXT-STS:vm_state": row.vm_state,
        "OS-EXT-STS:power_state": POWER_STATES.get(row.vm_state, 0),
        "os-extended-volumes:volumes_attached": [] if row.image_backed else [{"id": f"volume-{row.name}"}],
    }
    if version >= LOCKED:
        view["locked"] = False
    if row.fault is not None and row.vm_state in actions.SHOWN_STATES:
        view["fault"] = {"code": 500, "created": time_text(row.fault_at)[:19] + "Z", "message": row.fault}
    if version >= HOST_STATUS:
        view["host_status"] = _host_status(nova, nova.services[row.host])
    return view


def status(row: Server) -> str:
    """Return the word that sums up a server's states."""
    if row.task_state is not None and row.task_state.startswith("rebuild"):
        return "REBUILD"
    return STATUSES.get(row.vm_state, "UNKNOWN")


def migration(row: MigrationRecord, version: Version) -> Body:
    """Show a migration record."""
    view: Body = {
        "id": row.id,
        "instance_uuid": row.instance,
        "status": row.status,
        "source_compute": row.source,
        "source_node": row.source,
        "dest_compute": row.destination,
        "dest_node": row.destination,
        "dest_host": None,
        "old_instance_type_id": 1,
        "new_instance_type_id": 1,
        "created_at": time_text(row.created_at),
        "updated_at": time_text(row.updated_at),
    }
    if version >= MIGRATION_TYPE:
        view["migration_type"] = row.kind
    if version >= MIGRATION_UUID:
        view["uuid"] = row.uuid
    if version >= MIGRATION_PROJECT:
        view |= {"user_id": "user-admin", "project_id": "project-admin"}
    return view


def hypervisor(world: World, row: Service) -> Body:
    """Show the hypervisor of a host; its id is that of the resource provider."""
    return {
        "id": world.placement.providers[row.host],
        "hypervisor_hostname": row.host,
        "state": "up" if world.nova.is_up(row) else "down",
        "status": "disabled" if row.disabled else "enabled",
        "service": {"id": row.uuid, "host": row.host, "disabled_reason": row.disabled_reason},
    }


def action(row: Action) -> Body:
    """Show an evacuation in the list of a server's actions."""
    return {"action": "evacuate", "request_id": row.request, "start_time": time_text(row.started_at), "message": None}


def event(row: ActionStep) -> Body:
    """Show one event of it, as from 2.84 on to an administrator."""
    return {
        "event": row.name,
        "host": row.host,
        "start_time": time_text(row.began_at),
        "finish_time": None if row.ended_at is None else time_text(row.ended_at),
        "result": row.result,
        "details": row.details,
        "traceback": None,
    }


def _flavor(row: Server, version: Version, url: str) -> Body:
    if version < EMBEDDED_FLAVOR:
        return {"id": "1", "links": _links(url, "flavors/1")}
    return {
        "original_name": actions.FLAVOR,
        "vcpus": row.vcpus,
        "ram": MEMORY_MB * row.vcpus,
        "disk": actions.DISK_GB,
        "ephemeral": row.ephemeral_gb,
        "swap": row.swap_mb,
        "extra_specs": row.extra_specs,
    }


def _host_status(nova: Nova, row: Service) -> str:
    if row.forced_down:
        return "DOWN"
    if row.disabled:
        return "MAINTENANCE"
    return "UP" if nova.is_up(row) else "UNKNOWN"


def _links(url: str, path: str) -> list[Body]:
    return [
        {"rel": "self", "href": f"{url}/compute/v2.1/{path}"},
        {"rel": "bookmark", "href": f"{url}/compute/{path}"},
    ]


def aggregate(row: Aggregate) -> Body:
    """Show an aggregate; the zone stands in its metadata too."""
    return {
        "id": row.id,
        "name": row.name,
        "hosts": sorted(row.hosts),
        "availability_zone": row.zone,
        "metadata": {} if row.zone is None else {"availability_zone": row.zone},
        "deleted": False,
    }
