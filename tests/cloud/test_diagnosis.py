"""Why instances of a real Nova could not be moved: one host dies with one instance for each cause that this cloud can bring about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud.ha import Service, wait_for
from tests.cloud.rig import rest
from tests.cloud.rig.cloud import Cloud
from tests.cloud.stage import boot, half_a_host, image, make_zone

pytestmark = pytest.mark.timeout(900)

HOST = "host-1"
ZONE = "rig-alone"
IMAGE = "rig-removed"


def diagnoses(service: Service) -> dict[str, dict[str, Any]]:
    """Return the diagnosis of each instance that has one, by its instance."""
    moves = service.recovery_of(HOST)["moves"]
    return {move["instance_uuid"]: move["diagnosis"] for move in moves if move["diagnosis"] is not None}


def evacuate_in_vain(cloud: Cloud, instance: str, target: str) -> None:
    """Have Nova fail to evacuate an instance to a host, by hand, after it has chosen that host."""
    before = len(cloud.migrations(HOST))
    assert cloud.evacuate(instance, target).status == 200

    def has_failed() -> bool:
        records = cloud.migrations(HOST)
        return len(records) == before + 1 and records[0]["status"] == "failed"

    wait_for("the evacuation by hand to fail", has_failed)


def test_each_instance_that_stays_has_its_cause(cloud: Cloud, service: Callable[..., Service]) -> None:
    """Seven causes in one recovery, each with Nova's or Placement's own evidence; the notification, the vmoves and the terminal have them."""
    ha = service(
        recovery={"move_seconds": "60", "move_retry_seconds": "1", "move_attempts": "2", "no_capacity_seconds": "5"}
    )
    glance = rest.glance_api(cloud.settings, cloud.identity)
    removed = image(glance, IMAGE)
    large = half_a_host(cloud)
    make_zone(cloud, ZONE, HOST)
    others = [host for host in cloud.hosts if host != HOST]
    filling = [boot(cloud, host, flavorRef=large) for host in others]
    too_large = boot(cloud, HOST, flavorRef=large)
    moved, paused, breaks, hangs, doubtful = (boot(cloud, HOST) for _ in range(5))
    zoned = boot(cloud, HOST, availability_zone=ZONE)
    imageless = boot(cloud, HOST, imageRef=removed)
    here = [too_large, moved, paused, breaks, hangs, doubtful, zoned, imageless]
    cloud.wait_for_servers([*filling, *here])
    assert cloud.act(paused, {"pause": None}).status == 202
    cloud.wait_for_servers([paused], status="PAUSED")
    glance.send("DELETE", f"/images/{removed}")
    for host in others:
        cloud.fail_spawns(host, "fetches", imageless)
        cloud.fail_spawns(host, "fails", breaks, doubtful)
        cloud.fail_spawns(host, "hangs", hangs)
    cloud.kill_compute(HOST)
    cloud.force_down(HOST)
    for target in others[:2]:
        evacuate_in_vain(cloud, doubtful, target)

    notification = ha.report(HOST)
    ha.wait_for_phase(HOST, "held", timeout_seconds=400)
    wait_for("every cause", lambda: len(diagnoses(ha)) == 7, timeout_seconds=60)
    found = diagnoses(ha)
    assert {instance: each["cause"] for instance, each in found.items()} == {
        too_large: "no_capacity",
        zoned: "scheduler_filter",
        paused: "state_refused",
        imageless: "image_or_volume",
        breaks: "nova_error",
        hangs: "timeout",
        doubtful: "fencing_gap",
    }
    evidence = {instance: "; ".join(each["evidence"]) for instance, each in found.items()}
    assert "on no host" in evidence[too_large]
    assert f"it was in zone {ZONE}" in evidence[zoned]
    assert "Placement has room for that on host-" in evidence[zoned]
    assert HOST not in evidence[zoned].split("room for that on")[1].split(";")[0].split(", ")
    assert "vm_state paused" in evidence[paused]
    assert f"Image {removed} could not be found" in evidence[imageless]
    assert "told to fail every spawn" in evidence[breaks]
    assert "compute_rebuild_instance on host-" in evidence[hangs]
    assert "has not ended" in evidence[hangs]
    assert f"{others[0]}, {others[1]}" in evidence[doubtful]
    cloud.wait_for_servers([moved])

    shown = ha.manage("recovery", "show", ha.recovery_of(HOST)["uuid"])
    for instance in found:
        assert f"evidence  {found[instance]['evidence'][0]}" in shown
    for instance in (hangs, doubtful):
        cloud.nova.send("DELETE", f"/servers/{instance}")
    ended = ha.wait_for_end(notification, "failed")
    assert "no_capacity 1" in ended["message"]
    assert "scheduler_filter 1" in ended["message"]
    messages = {move.server_id: move.message or "" for move in ha.vmoves(notification)}
    for instance in (too_large, zoned, paused, imageless, breaks):
        assert f"cause {found[instance]['cause']}" in messages[instance]
        assert found[instance]["next_step"][:60] in messages[instance]
