"""A real Nova's host comes back and is let back, or never comes back and is retired."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cloud.ha import Service, wait_for
from tests.cloud.rig import controlplane
from tests.cloud.rig.cloud import Cloud

pytestmark = pytest.mark.timeout(240)

HOST = "host-1"
GONE = "host-5"
OUR_REASON = "Masakari detected host failed."


def flags(cloud: Cloud, host: str) -> tuple[bool, str, str | None]:
    """Return Nova's flags of a host."""
    service = cloud.service(host)
    return service["forced_down"], service["status"], service["disabled_reason"]


def registered(ha: Service, host: str) -> Any:
    """Find a host in the segment, through openstacksdk."""
    (segment,) = ha.client.instance_ha.segments()
    return next((each for each in ha.client.instance_ha.hosts(segment.uuid) if each.name == host), None)


@pytest.fixture
def comes_again(cloud: Cloud) -> Iterator[None]:
    """Let the host register anew for the tests that follow: its service was deleted."""
    yield
    cloud.restore_power(GONE)
    wait_for("the service to be there again", lambda: GONE in cloud.services(), timeout_seconds=90)
    controlplane.discover_hosts(cloud.settings)


@pytest.mark.usefixtures("comes_again")
def test_one_host_comes_back_and_another_never_does(cloud: Cloud, service: Callable[..., Service]) -> None:
    """Two hosts fail together: one is repaired and takes instances again, of the other everything is cleared away."""
    ha = service()
    instances, others = cloud.boot_instances(HOST, 2), cloud.boot_instances(GONE, 1)
    for host in (HOST, GONE):
        cloud.cut_power(host)
    # Nova would send instances of one to the other for as long as it takes that one for alive.
    cloud.force_down(GONE)
    for host in (HOST, GONE):
        ha.report(host)
    back, gone = (str(ha.wait_for_phase(host, "recovered")["uuid"]) for host in (HOST, GONE))
    is_let_back(cloud, ha, back, instances)
    is_retired(cloud, ha, gone, others)


def is_let_back(cloud: Cloud, ha: Service, recovery: str, instances: list[str]) -> None:
    """Refused while it is off and not cleaned up; once its nova-compute is back it is let back, and a new instance lands there."""
    row = registered(ha, HOST)
    assert row.on_maintenance
    path = f"/segments/{row.failover_segment_id}/hosts/{row.uuid}/action"
    refused = ha.client.instance_ha.post(path, json={"return": {"reason": "too early"}})
    message = refused.json()["conflictingRequest"]["message"]
    assert refused.status_code == 409
    assert f"reads OFF for {HOST}" in message
    assert f"the nova-compute of {HOST} has not removed what was evacuated from there: 2 instances" in message
    assert flags(cloud, HOST) == (True, "disabled", OUR_REASON)

    cloud.restore_power(HOST)
    wait_for(
        "nova-compute to clean up",
        lambda: {each["status"] for each in cloud.migrations(HOST)} == {"completed"},
        timeout_seconds=90,
    )
    # No order of the recovery may be on its way any more, which is so some seconds after its end.
    dry = {"return": {"reason": "would it be", "dry_run": True}}
    wait_for("nothing to be against it", lambda: ha.client.instance_ha.post(path, json=dry).status_code == 200)
    assert flags(cloud, HOST) == (True, "disabled", OUR_REASON)
    told = ha.manage("host", "return", HOST, "--reason", "new memory", "--by", "ann")
    assert f"{HOST} is back: no longer forced down, enabled, no longer on maintenance" in told
    assert flags(cloud, HOST) == (False, "enabled", None)
    assert not registered(ha, HOST).on_maintenance
    assert [line["sentence"] for line in ha.timeline(recovery)][-2] == f"ann lets {HOST} back: new memory"
    (new,) = cloud.boot_instances(HOST, 1)
    assert cloud.server(new)["OS-EXT-SRV-ATTR:host"] == HOST
    assert all(cloud.server(uuid)["OS-EXT-SRV-ATTR:host"] != HOST for uuid in instances)
    again = ha.client.instance_ha.post(path, json={"return": {"reason": "once more"}})
    assert again.json()["return"]["done"] == [f"nothing was left to be done for {HOST}"]


def is_retired(cloud: Cloud, ha: Service, recovery: str, instances: list[str]) -> None:
    """What its instance left in Placement, its compute service with its provider, and its place in the segment are cleared away."""
    wait_for("nothing to be against it", lambda: left(ha)["against"] == [])
    assert left(ha)["allocations"] == instances
    done = json.loads(ha.manage("host", "retire", GONE, "--clean", "--reason", "burnt", "--by", "ann", "--json"))
    assert done["is_done"]
    assert done["by_hand"] == [f"the fencing inventory names {GONE}: take it out, and restart the engines"]
    assert GONE not in cloud.services()
    assert providers(cloud, GONE) == []
    assert registered(ha, GONE) is None
    told = ha.timeline(recovery)[-1]["sentence"]
    assert told.startswith(f"ann retired {GONE}: burnt; cleared away: 1 allocations, the compute service")
    (instance,) = instances
    server = cloud.server(instance)
    held = cloud.placement.call("GET", f"/allocations/{instance}")["allocations"]
    assert list(held) == [providers(cloud, server["OS-EXT-SRV-ATTR:host"])[0]["uuid"]]
    assert server["status"] == "ACTIVE"


def left(ha: Service) -> dict[str, Any]:
    """List what is left of the host."""
    found: dict[str, Any] = json.loads(ha.manage("host", "retire", GONE, "--json"))
    return found


def providers(cloud: Cloud, host: str) -> list[dict[str, Any]]:
    """Return Placement's providers of that name."""
    found: list[dict[str, Any]] = cloud.placement.call("GET", f"/resource_providers?name={host}")["resource_providers"]
    return found
