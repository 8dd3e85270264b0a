"""The `openstack` command with python-masakariclient's plugin, unmodified."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.rig import Rig

PAYLOAD = '{"event": "STOPPED", "host_status": "NORMAL"}'


def run(rig: Rig, *arguments: str) -> Any:
    """Run a command that must succeed and return what it printed as JSON."""
    finished = rig.command(*arguments, "-f", "json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_segments_and_hosts(rig: Rig) -> None:
    """Segments and hosts are managed by name, and listed with filters, sort keys, limits and markers."""
    segment = run(rig, "segment", "create", "s1", "auto", "compute", "--is_enabled", "False", "--description", "d")
    assert (segment["name"], segment["is_enabled"], segment["description"]) == ("s1", False, "d")
    assert run(rig, "segment", "update", "s1", "--is_enabled", "True")["is_enabled"] is True
    run(rig, "segment", "create", "s2", "reserved_host", "compute")
    listed = run(rig, "segment", "list", "--sort", "name:asc", "--filters", "service_type=compute", "--limit", "1")
    assert [each["name"] for each in listed] == ["s1", "s2"]
    host = run(rig, "segment", "host", "create", "c1", "COMPUTE", "SSH", "s1", "--reserved", "True")
    assert (host["name"], host["reserved"], host["failover_segment_id"]) == ("c1", True, segment["uuid"])
    assert run(rig, "segment", "host", "update", "s1", "c1", "--reserved", "False")["reserved"] is False
    assert [each["name"] for each in run(rig, "segment", "host", "list", "s1")] == ["c1"]
    assert run(rig, "segment", "host", "show", "s1", "c1")["uuid"] == host["uuid"]
    assert rig.command("segment", "host", "delete", "s1", "c1").returncode == 0
    assert rig.command("segment", "delete", "s1", "s2").returncode == 0
    assert run(rig, "segment", "list") == []


def test_notifications_and_moves(rig: Rig) -> None:
    """A failure is posted and followed, with the steps and the moves of its recovery."""
    ha = rig.connect().instance_ha
    segment = ha.create_segment(name="s1", recovery_method="auto", service_type="compute")
    ha.create_host(segment=segment.uuid, name="c1", type="COMPUTE", control_attributes="SSH")
    posted = run(rig, "notification", "create", "COMPUTE_HOST", "c1", "2026-03-14T03:00:00", PAYLOAD)
    uuid = posted["notification_uuid"]
    assert posted["status"] == "running"
    assert posted["recovery_workflow_details"][0]["name"] == "DisableComputeServiceTask"
    assert [each["notification_uuid"] for each in run(rig, "notification", "list", "--filters", "status=running")] == [
        uuid
    ]
    assert run(rig, "notification", "show", uuid)["type"] == "COMPUTE_HOST"
    move, instance = "8f5a3d1e-8b0f-4f6c-9e1e-3c1a4f5b6c7d", "b1e0a7a4-2c39-4c1a-8f57-0a1b2c3d4e5f"
    rig.sql(
        "insert into vmoves (uuid, notification_uuid, instance_uuid, instance_name, source_host, type, status, deleted) "
        f"values ('{move}', '{uuid}', '{instance}', 'web', 'c1', 'evacuation', 'succeeded', 0)"
    )
    assert [each["server_id"] for each in run(rig, "notification", "vmove", "list", uuid)] == [instance]
    assert run(rig, "notification", "vmove", "show", uuid, move)["status"] == "succeeded"


def test_refusals_are_shown(rig: Rig) -> None:
    """The command ends with an error that repeats what the API said."""
    finished = rig.command("segment", "create", "s1", "auto", " compute")
    assert finished.returncode != 0
    assert "Can not start or end with whitespace" in finished.stderr
