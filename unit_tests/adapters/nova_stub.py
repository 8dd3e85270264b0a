"""Nova's and Placement's answers for the HTTP stub, shaped as Nova 34 gives them at 2.94, and our adapter over it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unit_tests.adapters.http_stub import Answer
from vmha.adapters.clock import SystemClock
from vmha.adapters.nova import open_nova
from vmha.ports import Deadline
from vmha.settings import Settings, load

if TYPE_CHECKING:
    from unit_tests.adapters.http_stub import Stub
    from vmha.adapters.nova import OpenStackNova
    from vmha.ports import Clock

SERVICES = "/compute/v2.1/os-services"
SERVERS = "/compute/v2.1/servers/detail"
MIGRATIONS = "/compute/v2.1/os-migrations"
HYPERVISORS = "/compute/v2.1/os-hypervisors/detail"
PROVIDERS = "/placement/resource_providers"
FLAVOR = {"vcpus": 1, "ram": 64, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "small", "extra_specs": {}}
ACTION = "/compute/v2.1/servers/i1/action"
SERVICE_ID = "6c0b1e8a-0000-4000-8000-000000000001"

CONFIG = """
[DEFAULT]
host = engine-1
nova_catalog_admin_info = compute:nova:internalURL
os_region_name = one
{extra}
[keystone_authtoken]
auth_type = password
auth_url = {url}/v3
username = masakari
password = not-a-secret
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


def settings(stub: Stub, extra: str = "") -> Settings:
    """Read a masakari.conf that points at the stub."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "masakari.conf")
        path.write_text(CONFIG.format(url=stub.url, extra=extra))
        return load(["--config-file", str(path)], "masakari-engine")


def nova(stub: Stub, clock: Clock | None = None, extra: str = "") -> OpenStackNova:
    """Open the adapter on the stub."""
    return open_nova(settings(stub, extra), clock=clock or SystemClock())


def within(seconds: float = 60.0) -> Deadline:
    """Return the moment `seconds` from now."""
    return Deadline(at=SystemClock().monotonic() + seconds)


def service(**fields: Any) -> dict[str, Any]:
    """Build a record of GET /os-services."""
    return {
        "id": SERVICE_ID,
        "binary": "nova-compute",
        "host": "c1",
        "zone": "nova",
        "status": "enabled",
        "state": "up",
        "updated_at": "2026-03-14T03:00:00.000000",
        "disabled_reason": None,
        "forced_down": False,
        **fields,
    }


def server(uuid: str, **fields: Any) -> dict[str, Any]:
    """Build a record of GET /servers/detail."""
    return {
        "id": uuid,
        "name": f"name-{uuid}",
        "image": {"id": "img"},
        "flavor": FLAVOR,
        "OS-EXT-SRV-ATTR:host": "c1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "metadata": {},
        **fields,
    }


def migration(number: int, **fields: Any) -> dict[str, Any]:
    """Build a record of GET /os-migrations."""
    return {
        "id": number,
        "uuid": f"m-{number}",
        "instance_uuid": f"i{number}",
        "migration_type": "evacuation",
        "source_compute": "c1",
        "dest_compute": "c2",
        "dest_node": "c2.example",
        "status": "done",
        **fields,
    }


def listed(key: str, *records: dict[str, Any], more: bool = False) -> Answer:
    """Answer with one page of records; `more` adds the link to the next."""
    links = {f"{key}_links": [{"rel": "next", "href": "http://198.51.100.1/elsewhere"}]} if more else {}
    return Answer(body={key: list(records), **links})


def refused(status: int, message: str) -> Answer:
    """Answer in Nova's envelope."""
    return Answer(status=status, body={"conflictingRequest": {"code": status, "message": message}})
