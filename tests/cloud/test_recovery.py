"""A compute host of a real Nova dies; real IPMI controllers, real database and broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud.ha import QUICK, Service, wait_for
from tests.cloud.rig.cloud import Cloud, now

pytestmark = pytest.mark.timeout(600)

HOST = "host-1"
MUTE, STAYS = "host-3", "host-4"
TEN = 10


def check_stories_agree(
    cloud: Cloud, service: Service, notification: str, instances: list[str], host: str = HOST
) -> dict[str, Any]:
    """Compare vmoves, notification and timeline with Nova's own list of migrations; return the recovery."""
    wait_for("the notification to be finished", lambda: service.notification(notification).status == "finished")
    recovery = service.recovery_of(host)
    records = cloud.migrations(host, migration_type="evacuation")
    mine = [record for record in records if record["instance_uuid"] in instances]
    assert sorted(record["instance_uuid"] for record in mine) == sorted(instances)
    assert {record["status"] for record in mine} <= {"done", "completed"}
    went = {record["instance_uuid"]: record["dest_compute"] for record in mine}
    moves = service.vmoves(notification)
    assert {move.server_id: move.dest_host for move in moves} == went
    assert {move.status for move in moves} == {"succeeded"}
    assert {move.source_host for move in moves} == {host}
    told = [line["facts"] for line in service.timeline(recovery["uuid"]) if line["code"] == "MOVED"]
    assert {facts["instance"]: facts["destination"] for facts in told} == went
    return recovery


def time_of_power_off(cloud: Cloud, ha: Service, host: str, since: float) -> float:
    """See that one power-off was ordered, or another one after one that got no answer, and came to the host's controller; return when.

    IPMI sends a packet again whose answer is late.
    """
    told = [line["code"] for line in ha.timeline(ha.recovery_of(host)["uuid"])]
    ordered, refused = told.count("POWER_OFF_ORDERED"), told.count("POWER_OFF_REFUSED")
    assert 1 <= ordered <= min(1 + refused, int(QUICK["fencing"]["fence_attempts"])), told
    times = [call.time for call in cloud.bmc_calls(host, since) if call.orders_power_off]
    assert times
    assert times[-1] - times[0] <= float(QUICK["fencing"]["power_call_seconds" if ordered == 1 else "fence_seconds"])
    return times[0]


def check_all_run_elsewhere(cloud: Cloud, instances: list[str], host: str = HOST) -> None:
    """See each instance ACTIVE on another host."""
    for uuid in instances:
        server = cloud.server(uuid)
        assert server["OS-EXT-SRV-ATTR:host"] != host
        assert server["status"] == "ACTIVE"


def test_three_hosts_die_in_three_ways(cloud: Cloud, service: Callable[..., Service]) -> None:
    """One is powered off, one cannot be, one has local disks that must wait; from none is anything moved before its time."""
    ha = service(segments={host: (host,) for host in cloud.hosts}, recovery={"local_disk": "wait"})
    instances = {host: cloud.boot_instances(host, count) for host, count in ((HOST, TEN), (MUTE, 3), (STAYS, 2))}
    killed = now()
    cloud.silence_bmc(MUTE)
    try:
        # No more than these: Nova is a witness while it hears at least half of the others.
        cloud.kill_compute(HOST)
        cloud.kill_compute(MUTE)
        cloud.cut_power(STAYS)
        notifications = {host: ha.report(host) for host in instances}
        is_not_moved_by_default(cloud, ha, notifications[STAYS])
        ha.wait_for_phase(HOST, "held")
        waiting = waits_without_proof(cloud, ha, notifications[MUTE])
        assert {host: {server["id"] for server in cloud.servers_on(host)} for host in instances} == {
            host: set(booted) for host, booted in instances.items()
        }

        # Neither waits for its disks any more, and one still waits for a word.
        ha.restart_engine("engine-1", recovery={"local_disk": "rebuild"})
        recovered = ha.wait_for_phase(HOST, "recovered")
        assert waits_without_proof(cloud, ha, notifications[MUTE])["uuid"] == waiting["uuid"]
        cloud.cut_power(MUTE)  # the human pulls the plug, and then says so
        assert "confirm recorded" in ha.manage("recovery", "confirm", waiting["uuid"], "--reason", "I pulled the plug")
        confirmed = ha.wait_for_phase(MUTE, "recovered")
    finally:
        cloud.restore_bmc(MUTE)
    for host in (HOST, MUTE):
        check_stories_agree(cloud, ha, notifications[host], instances[host], host)
        check_all_run_elsewhere(cloud, instances[host], host)
    was_powered_off(cloud, ha, recovered, killed)
    proof = confirmed["proofs"][0]
    assert proof["rung"] == "human"
    assert proof["word"]["why"] == "I pulled the plug"
    assert {cloud.server(uuid)["OS-EXT-SRV-ATTR:host"] for uuid in instances[STAYS]} == {STAYS}


def is_not_moved_by_default(cloud: Cloud, ha: Service, notification: str) -> None:
    """With local_disk = wait the instances stay, and the reason names the option; reject ends the wait."""
    held = ha.wait_for_phase(STAYS, "held")
    assert "local_disk" in held["message"]
    assert {move["status"] for move in held["moves"]} == {"held"}
    assert all("local_disk" in move["reason"] for move in held["moves"])
    assert cloud.migrations(STAYS, migration_type="evacuation") == []
    assert all("local_disk" in move.message for move in ha.vmoves(notification))
    assert ha.act(held["uuid"], "reject", "the host comes back tomorrow") == 202
    ha.wait_for_phase(STAYS, "rejected")
    assert ha.notification(notification).status == "ignored"


def waits_without_proof(cloud: Cloud, ha: Service, notification: str) -> dict[str, Any]:
    """Its controller does not answer: the recovery waits and says so, and nothing is evacuated until confirm."""
    waiting = ha.wait_for_phase(MUTE, "unproven")
    assert "did not answer" in waiting["message"]
    assert "confirm" in waiting["message"]
    assert ha.notification(notification).status == "running"
    assert cloud.migrations(MUTE, migration_type="evacuation") == []
    return waiting


def was_powered_off(cloud: Cloud, ha: Service, recovery: dict[str, Any], killed: float) -> None:
    """Only after Nova's heartbeat fell silent did the engine order the power off, through IPMI."""
    assert not cloud.power(HOST)
    silence = float(QUICK["recovery"]["heartbeat_silence_seconds"])
    ordered = time_of_power_off(cloud, ha, HOST, killed)
    assert ordered - killed >= silence, "the power-off came before Nova's heartbeat could be silent"
    proof = recovery["proofs"][0]
    assert proof["rung"] == "ipmi"
    assert [reading["power"] for reading in proof["readings"]] == ["off", "off"]
    service_of_host = cloud.service(HOST)
    assert service_of_host["forced_down"]
    assert service_of_host["status"] == "disabled"
