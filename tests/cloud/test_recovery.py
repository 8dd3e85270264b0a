"""A compute host of a real Nova dies; real IPMI controllers, real database and broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud.ha import QUICK, Service, wait_for
from tests.cloud.rig.cloud import Cloud, now

pytestmark = pytest.mark.timeout(240)

HOST = "host-1"
TEN = 10


def check_stories_agree(cloud: Cloud, service: Service, notification: str, instances: list[str]) -> dict[str, Any]:
    """Compare vmoves, notification and timeline with Nova's own list of migrations; return the recovery."""
    wait_for("the notification to be finished", lambda: service.notification(notification).status == "finished")
    recovery = service.recovery_of(HOST)
    records = cloud.migrations(HOST, migration_type="evacuation")
    mine = [record for record in records if record["instance_uuid"] in instances]
    assert sorted(record["instance_uuid"] for record in mine) == sorted(instances)
    assert {record["status"] for record in mine} <= {"done", "completed"}
    went = {record["instance_uuid"]: record["dest_compute"] for record in mine}
    moves = service.vmoves(notification)
    assert {move.server_id: move.dest_host for move in moves} == went
    assert {move.status for move in moves} == {"succeeded"}
    assert {move.source_host for move in moves} == {HOST}
    told = [line["facts"] for line in service.timeline(recovery["uuid"]) if line["code"] == "MOVED"]
    assert {facts["instance"]: facts["destination"] for facts in told} == went
    return recovery


def check_all_run_elsewhere(cloud: Cloud, instances: list[str]) -> None:
    """See each instance ACTIVE on another host."""
    for uuid in instances:
        server = cloud.server(uuid)
        assert server["OS-EXT-SRV-ATTR:host"] != HOST
        assert server["status"] == "ACTIVE"


def test_a_host_whose_compute_died_is_powered_off_and_its_ten_instances_run_elsewhere(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """Only after Nova's heartbeat fell silent does the engine order the power off, through IPMI; then all ten move."""
    ha = service()
    instances = cloud.boot_instances(HOST, TEN)
    began = now()
    cloud.kill_compute(HOST)
    notification = ha.report(HOST)
    ha.wait_for_phase(HOST, "recovered")
    assert not cloud.power(HOST)
    orders = [call for call in cloud.bmc_calls(HOST, began) if call.orders_power_off]
    assert len(orders) == 1
    silence = float(QUICK["recovery"]["heartbeat_silence_seconds"])
    assert orders[0].time - began >= silence, "the power-off came before Nova's heartbeat could be silent"
    recovery = check_stories_agree(cloud, ha, notification, instances)
    check_all_run_elsewhere(cloud, instances)
    proof = recovery["proofs"][0]
    assert proof["rung"] == "ipmi"
    assert [reading["power"] for reading in proof["readings"]] == ["off", "off"]
    service_of_host = cloud.service(HOST)
    assert service_of_host["forced_down"]
    assert service_of_host["status"] == "disabled"


def test_a_host_whose_power_was_cut_from_outside_gets_no_order(cloud: Cloud, service: Callable[..., Service]) -> None:
    """The engine reads OFF twice, sends no power-off, and recovers."""
    ha = service()
    instances = cloud.boot_instances(HOST, TEN)
    began = now()
    cloud.cut_power(HOST)
    notification = ha.report(HOST)
    ha.wait_for_phase(HOST, "recovered")
    assert [call for call in cloud.bmc_calls(HOST, began) if call.orders_power_off] == []
    recovery = check_stories_agree(cloud, ha, notification, instances)
    check_all_run_elsewhere(cloud, instances)
    assert "FOUND_OFF" in [line["code"] for line in ha.timeline(recovery["uuid"])]


def test_nothing_is_evacuated_until_confirm_when_the_bmc_is_unreachable(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """The recovery waits and says so; a human's confirm, with name and reason, is the proof that lets it go on."""
    ha = service()
    instances = cloud.boot_instances(HOST, 3)
    cloud.silence_bmc(HOST)
    try:
        cloud.kill_compute(HOST)
        notification = ha.report(HOST)
        waiting = ha.wait_for_phase(HOST, "unproven")
        assert "did not answer" in waiting["message"]
        assert "confirm" in waiting["message"]
        assert ha.notification(notification).status == "running"
        assert cloud.migrations(HOST, migration_type="evacuation") == []
        assert len(cloud.servers_on(HOST)) == 3
        cloud.cut_power(HOST)  # the human pulls the plug, and then says so
        assert "confirm recorded" in ha.manage("recovery", "confirm", waiting["uuid"], "--reason", "I pulled the plug")
        ha.wait_for_phase(HOST, "recovered")
        recovery = check_stories_agree(cloud, ha, notification, instances)
        check_all_run_elsewhere(cloud, instances)
        assert recovery["proofs"][0]["rung"] == "human"
        assert recovery["proofs"][0]["word"]["why"] == "I pulled the plug"
    finally:
        cloud.restore_bmc(HOST)


def test_an_instance_with_a_local_disk_is_not_moved_by_default(cloud: Cloud, service: Callable[..., Service]) -> None:
    """With local_disk = wait the instances stay, and the reason names the option; reject ends the wait."""
    ha = service(recovery={"local_disk": "wait"})
    cloud.boot_instances(HOST, 2)
    cloud.cut_power(HOST)
    notification = ha.report(HOST)
    held = ha.wait_for_phase(HOST, "held")
    assert "local_disk" in held["message"]
    assert {move["status"] for move in held["moves"]} == {"held"}
    assert all("local_disk" in move["reason"] for move in held["moves"])
    assert cloud.migrations(HOST, migration_type="evacuation") == []
    assert all("local_disk" in move.message for move in ha.vmoves(notification))
    assert ha.act(held["uuid"], "reject", "the host comes back tomorrow") == 202
    ha.wait_for_phase(HOST, "rejected")
    assert ha.notification(notification).status == "ignored"
