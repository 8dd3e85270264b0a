"""openstacksdk's instance_ha proxy, unmodified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openstack import exceptions

from tests.clients.rig import Rig

FAILURE = {
    "type": "COMPUTE_HOST",
    "hostname": "c1",
    "generated_time": "2026-03-14T03:00:00",
    "payload": {"event": "STOPPED", "host_status": "NORMAL"},
}


def segment_of(ha: Any, name: str = "s1") -> Any:
    """Create a segment."""
    return ha.create_segment(name=name, recovery_method="auto", service_type="compute")


def host_of(ha: Any, segment: Any, name: str = "c1") -> Any:
    """Create a host in a segment."""
    return ha.create_host(segment=segment.uuid, name=name, type="COMPUTE", control_attributes="SSH")


@pytest.mark.parametrize("endpoint", ["/v1/$(project_id)s", "/v1", "/v1/", ""])
def test_the_sdk_finds_the_api(tmp_path: Path, endpoint: str) -> None:
    """Whatever form the endpoint in the catalog has, the SDK discovers v1 and its microversions."""
    rig = Rig(tmp_path, endpoint)
    try:
        ha = rig.connect().instance_ha
        assert [each.name for each in ha.segments()] == []
        assert ha.get_endpoint_data().max_microversion == (1, 3)
        assert segment_of(ha).is_enabled is True
    finally:
        rig.stop()


def test_segments(rig: Rig) -> None:
    """Segments are created, found, changed and deleted; errors arrive as the SDK's own exceptions."""
    ha = rig.connect().instance_ha
    first = ha.create_segment(
        name="s1", recovery_method="auto", service_type="compute", is_enabled=False, description="d"
    )
    assert (first.is_enabled, first.description) == (False, "d")
    assert ha.get_segment(first.uuid).name == "s1"
    changed = ha.update_segment(first.uuid, is_enabled=True, name="renamed")
    assert (changed.is_enabled, changed.name) == (True, "renamed")
    second = segment_of(ha)
    assert [each.name for each in ha.segments()] == ["s1", "renamed"]
    assert [each.name for each in ha.segments(is_enabled=True, sort_key="name", sort_dir="asc")] == ["renamed", "s1"]
    with pytest.raises(exceptions.ConflictException, match="already exists"):
        ha.update_segment(second.uuid, name="renamed")
    with pytest.raises(exceptions.BadRequestException, match="is not one of"):
        ha.create_segment(name="s3", recovery_method="manual", service_type="compute")
    ha.delete_segment(first.uuid, ignore_missing=False)
    ha.delete_segment(first.uuid)
    with pytest.raises(exceptions.NotFoundException):
        ha.delete_segment(first.uuid, ignore_missing=False)
    with pytest.raises(exceptions.NotFoundException):
        ha.get_segment(first.uuid)


def test_pages(rig: Rig) -> None:
    """With a limit the SDK walks all pages by the integer id of the last row of each."""
    ha = rig.connect().instance_ha
    for number in range(5):
        segment_of(ha, f"s{number}")
    assert [each.name for each in ha.segments(limit=2)] == ["s4", "s3", "s2", "s1", "s0"]


def test_hosts(rig: Rig) -> None:
    """Hosts are created, found, filtered, changed and deleted."""
    ha = rig.connect().instance_ha
    segment = segment_of(ha)
    first, second = host_of(ha, segment), host_of(ha, segment, "c2")
    assert [each.name for each in ha.hosts(segment.uuid)] == ["c2", "c1"]
    assert ha.get_host(first.uuid, segment.uuid).failover_segment_id == segment.uuid
    changed = ha.update_host(second.uuid, segment.uuid, reserved=True, on_maintenance=True)
    assert (changed.reserved, changed.on_maintenance) == (True, True)
    assert [each.name for each in ha.hosts(segment.uuid, reserved=True)] == ["c2"]
    assert [each.name for each in ha.hosts(segment.uuid, limit=1)] == ["c2", "c1"]
    with pytest.raises(exceptions.BadRequestException, match="Compute service with name nope"):
        host_of(ha, segment, "nope")
    ha.delete_host(first.uuid, segment.uuid, ignore_missing=False)
    with pytest.raises(exceptions.NotFoundException):
        ha.get_host(first.uuid, segment.uuid)


def test_notifications(rig: Rig) -> None:
    """A failure is posted, shown as running with the steps of its recovery, and refused a second time."""
    ha = rig.connect(ha_api_version="1.1").instance_ha
    plain = rig.connect().instance_ha
    host = host_of(plain, segment_of(plain))
    posted = ha.create_notification(**FAILURE)
    assert (posted.status, posted.source_host_uuid) == ("new", host.uuid)
    shown = ha.get_notification(posted.notification_uuid)
    assert shown.status == "running"
    assert [step.name for step in shown.recovery_workflow_details] == ["DisableComputeServiceTask"]
    assert shown.recovery_workflow_details[0].progress_details[0].progress == "0.0"
    assert [each.notification_uuid for each in plain.notifications(status="running", generated_since="2026-01-01")] == [
        posted.notification_uuid
    ]
    with pytest.raises(exceptions.ConflictException, match="is duplicate"):
        ha.create_notification(**FAILURE)


def test_vmoves(rig: Rig) -> None:
    """The moves of a notification are listed and shown."""
    ha = rig.connect().instance_ha
    host_of(ha, segment_of(ha))
    notification = ha.create_notification(**FAILURE).notification_uuid
    move, instance = "8f5a3d1e-8b0f-4f6c-9e1e-3c1a4f5b6c7d", "b1e0a7a4-2c39-4c1a-8f57-0a1b2c3d4e5f"
    rig.sql(
        "insert into vmoves (uuid, notification_uuid, instance_uuid, instance_name, source_host, type, status, deleted) "
        f"values ('{move}', '{notification}', '{instance}', 'web', 'c1', 'evacuation', 'pending', 0)"
    )
    (listed,) = ha.vmoves(notification, status="pending")
    assert (listed.server_id, listed.server_name, listed.source_host) == (instance, "web", "c1")
    assert ha.get_vmove(move, notification).status == "pending"


def test_a_member_may_do_nothing(rig: Rig) -> None:
    """A token without the role admin is refused by the policy."""
    ha = rig.connect("demo").instance_ha
    with pytest.raises(exceptions.ForbiddenException, match="Policy doesn't allow os_masakari_api:segments:index"):
        list(ha.segments())


def test_our_resources_are_reached_by_the_same_proxy(rig: Rig) -> None:
    """What upstream lacks is read by the proxy's plain calls, and a human's word is recorded under the token's user."""
    ha = rig.connect().instance_ha
    host_of(ha, segment_of(ha))
    ha.create_notification(**FAILURE)
    (recovery,) = ha.get("/recoveries").json()["recoveries"]
    rig.sql("update recoveries set phase = 'unproven'")
    said = ha.post(f"/recoveries/{recovery['uuid']}/action", json={"confirm": {"reason": "unplugged"}})
    assert said.status_code == 202
    assert rig.sql("select event from inbox") == [('{"event": "Confirmed", "by": "admin", "why": "unplugged"}',)]


def test_a_list_that_is_longer_than_one_answer(tmp_path: Path) -> None:
    """Without a limit the SDK follows the link to what one answer does not hold, also below the caller's project."""
    rig = Rig(tmp_path, "/v1/$(project_id)s", max_limit=2)
    try:
        ha = rig.connect().instance_ha
        for number in range(5):
            ha.create_segment(name=f"s{number}", recovery_method="auto", service_type="compute")
        assert [each.name for each in ha.segments()] == ["s4", "s3", "s2", "s1", "s0"]
        segment = next(ha.segments())
        for name in ("c1", "c2", "c3"):
            ha.create_host(segment.uuid, name=name, type="x", control_attributes="x")
        assert [each.name for each in ha.hosts(segment.uuid)] == ["c3", "c2", "c1"]
    finally:
        rig.stop()
