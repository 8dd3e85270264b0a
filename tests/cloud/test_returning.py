"""A real Nova's host comes back and is let back, or never comes back and is retired."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cloud.ha import Service, wait_for
from tests.cloud.rig import controlplane
from tests.cloud.rig.cloud import Cloud, now
from tests.cloud.stage import boot, make_zone
from tests.cloud.test_recovery import check_all_run_elsewhere, check_stories_agree

pytestmark = pytest.mark.timeout(600)

HOST = "host-1"
BESIDE, SPARE, GONE = "host-3", "host-4", "host-5"
OUR_REASON = "Masakari detected host failed."
RESERVE_REASON = "Masakari keeps this host in reserve."


def flags(cloud: Cloud, host: str) -> tuple[bool, str, str | None]:
    """Return Nova's flags of a host."""
    service = cloud.service(host)
    return service["forced_down"], service["status"], service["disabled_reason"]


def registered(ha: Service, host: str) -> Any:
    """Find a host in the segments, through openstacksdk."""
    api = ha.client.instance_ha
    return next((each for segment in api.segments() for each in api.hosts(segment.uuid) if each.name == host), None)


@pytest.fixture
def comes_again(cloud: Cloud) -> Iterator[None]:
    """Let the host register anew for the tests that follow: its service was deleted."""
    yield
    cloud.restore_power(GONE)
    wait_for("the service to be there again", lambda: GONE in cloud.services(), timeout_seconds=90)
    controlplane.discover_hosts(cloud.settings)


@pytest.mark.usefixtures("comes_again")
def test_one_host_comes_back_and_another_never_does(cloud: Cloud, service: Callable[..., Service]) -> None:
    """Two hosts fail together: one is repaired and takes instances again, of the other everything is cleared away.

    The instances of the first are sent to a reserved host, one of them after its guest had failed by itself.
    """
    segments = {"reserved": tuple(host for host in cloud.hosts if host != GONE)}
    ha = service(segments=segments, method="reserved_host", reserved=(SPARE,))
    ha.make_segment("auto", (GONE,))
    cloud.disable(SPARE, "kept in reserve")
    # Nova's choice for the instance of the other one must not be the reserved host.
    zone = make_zone(cloud, "rig-gone", GONE, BESIDE)
    others = [boot(cloud, GONE, availability_zone=zone)]
    instances = cloud.boot_instances(HOST, 2)
    cloud.wait_for_servers(others)
    cloud.tag(instances[0], "HA_Enabled", "True")
    began = now()
    for host in (HOST, GONE):
        cloud.cut_power(host)
    # Nova would send instances of one to the other for as long as it takes that one for alive.
    cloud.force_down(GONE)
    of_host, _ = (ha.report(host) for host in (HOST, GONE))
    of_instance = ha.report_instance(HOST, instances[0])
    back, gone = (str(ha.wait_for_phase(host, "recovered")["uuid"]) for host in (HOST, GONE))
    was_found_off(cloud, ha, of_host, instances, began)
    guest_waited_for_its_host(cloud, ha, of_host, of_instance, instances[0])
    # Two other hosts would have had room for them.
    assert {cloud.server(uuid)["OS-EXT-SRV-ATTR:host"] for uuid in instances} == {SPARE}
    assert flags(cloud, SPARE) == (False, "enabled", None)
    is_let_back(cloud, ha, back, instances)
    is_retired(cloud, ha, gone, others)


def was_found_off(cloud: Cloud, ha: Service, notification: str, instances: list[str], began: float) -> None:
    """The engine read OFF twice, sent no power-off, and recovered."""
    recovery = check_stories_agree(cloud, ha, notification, instances)
    check_all_run_elsewhere(cloud, instances)
    assert [call for call in cloud.bmc_calls(HOST, began) if call.orders_power_off] == []
    assert "FOUND_OFF" in [line["code"] for line in ha.timeline(recovery["uuid"])]
    assert [reading["power"] for reading in recovery["proofs"][0]["readings"]] == ["off", "off"]


def guest_waited_for_its_host(cloud: Cloud, ha: Service, of_host: str, of_instance: str, instance: str) -> None:
    """What was reported of the guest waited for the host's recovery, which evacuated it; nothing was ordered for it beside that."""
    assert "of host-1 has ended" in ha.wait_for_end(of_instance, "finished")["message"]
    ha.wait_for_end(of_host, "finished")
    assert cloud.actions(instance) == ["create", "evacuate"]
    assert cloud.server(instance)["status"] == "ACTIVE"


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
    told_of = [line["sentence"] for line in ha.timeline(recovery)]
    assert f"ann lets {HOST} back: new memory" in told_of
    assert [line["code"] for line in ha.timeline(recovery)][-1] == "SPARE_KEPT", "its instances are on it"
    assert flags(cloud, SPARE) == (False, "enabled", None)
    (new,) = cloud.boot_instances(HOST, 1)
    assert cloud.server(new)["OS-EXT-SRV-ATTR:host"] == HOST
    assert all(cloud.server(uuid)["OS-EXT-SRV-ATTR:host"] != HOST for uuid in instances)
    the_spare_goes_back(cloud, ha, path, instances)


def the_spare_goes_back(cloud: Cloud, ha: Service, path: str, instances: list[str]) -> None:
    """Once its instances are gone from there the same command makes the spare a reserved host again, and the next finds nothing to do."""
    again = {"return": {"reason": "once more"}}
    for instance in instances:
        cloud.nova.send("DELETE", f"/servers/{instance}")
    wait_for("the spare to be empty", lambda: cloud.servers_on(SPARE) == [])
    done = ha.client.instance_ha.post(path, json=again).json()["return"]["done"]
    assert any(f"{SPARE} is back in the reserve" in sentence for sentence in done)
    assert flags(cloud, SPARE) == (False, "disabled", RESERVE_REASON)
    assert registered(ha, SPARE).reserved
    assert cloud.service(HOST)["status"] == "enabled"
    nothing = ha.client.instance_ha.post(path, json=again).json()["return"]["done"]
    assert nothing == [f"nothing was left to be done for {HOST}"]


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
