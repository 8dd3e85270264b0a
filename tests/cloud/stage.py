"""What several tests make in the cloud before a host fails: instances, images, flavors, zones. `Cloud.reset()` takes all of it away."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cloud.rig import rest
    from tests.cloud.rig.cloud import Cloud


def make_zone(cloud: Cloud, name: str, *hosts: str) -> str:
    """Put hosts into a zone of their own."""
    return make_aggregate(cloud, name, *hosts, zone=name)


def make_aggregate(cloud: Cloud, name: str, *hosts: str, zone: str | None = None) -> str:
    """Put hosts into an aggregate."""
    body = {"aggregate": {"name": name, "availability_zone": zone}}
    aggregate = cloud.nova.call("POST", "/os-aggregates", body)["aggregate"]["id"]
    for host in hosts:
        cloud.nova.call("POST", f"/os-aggregates/{aggregate}/action", {"add_host": {"host": host}})
    return name


def members(cloud: Cloud, name: str) -> set[str]:
    """Name the hosts that Nova has in an aggregate."""
    listed = cloud.nova.call("GET", "/os-aggregates")["aggregates"]
    return {host for each in listed if each["name"] == name for host in each["hosts"]}


def make_flavor(cloud: Cloud, name: str, *, ram: int = 64, extra_specs: dict[str, str] | None = None) -> str:
    """Make a flavor of one core; without a disk, as those of the rig's beginning."""
    cloud.nova.call("POST", "/flavors", {"flavor": {"id": name, "name": name, "vcpus": 1, "ram": ram, "disk": 0}})
    if extra_specs:
        cloud.nova.call("POST", f"/flavors/{name}/os-extra_specs", {"extra_specs": extra_specs})
    return name


def half_a_host(cloud: Cloud) -> str:
    """Make a flavor of which a host holds one and not two."""
    node = uuid.uuid5(uuid.NAMESPACE_DNS, cloud.hosts[0])
    memory = cloud.placement.call("GET", f"/resource_providers/{node}/inventories")["inventories"]["MEMORY_MB"]
    ram = int((memory["total"] - memory["reserved"]) * memory["allocation_ratio"] * 0.6)
    return make_flavor(cloud, "rig.half", ram=ram)


def boot(cloud: Cloud, host: str, **server: Any) -> str:
    """Begin to boot one instance on a host, a small one where nothing else is said."""
    body = {"name": "one", "flavorRef": "rig.nano", "imageRef": cloud.image, "networks": "none", "host": host, **server}
    return str(cloud.nova.call("POST", "/servers", {"server": body})["server"]["id"])


def image(glance: rest.Api, name: str, **properties: str) -> str:
    """Put another small image into Glance."""
    body = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public", **properties}
    made = str(glance.call("POST", "/images", body)["id"])
    content = {"Content-Type": "application/octet-stream"}
    assert glance.send("PUT", f"/images/{made}/file", bytes(1024), headers=content).status == 204
    return made
