"""openstacksdk's instance_ha proxy, unmodified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from openstack import exceptions

from tests.clients.keystone import ENDPOINTS, path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.rig import Rig, Stage

FAILURE = {
    "type": "COMPUTE_HOST",
    "hostname": "c1",
    "generated_time": "2026-03-14T03:00:00",
    "payload": {"event": "STOPPED", "host_status": "NORMAL"},
}
MOVES = ("8f5a3d1e-8b0f-4f6c-9e1e-3c1a4f5b6c7d", "9f5a3d1e-8b0f-4f6c-9e1e-3c1a4f5b6c7d")
INSTANCES = ("b1e0a7a4-2c39-4c1a-8f57-0a1b2c3d4e5f", "c1e0a7a4-2c39-4c1a-8f57-0a1b2c3d4e5f")


def segment_of(ha: Any, name: str = "s1") -> Any:
    """Create a segment."""
    return ha.create_segment(name=name, recovery_method="auto", service_type="compute")


def host_of(ha: Any, segment: Any, name: str = "c1") -> Any:
    """Create a host in a segment."""
    return ha.create_host(segment=segment.uuid, name=name, type="COMPUTE", control_attributes="SSH")


def move(rig: Rig, notification: str, number: int, status: str) -> None:
    """Store one move of a notification."""
    rig.sql(
        "insert into vmoves (uuid, notification_uuid, instance_uuid, instance_name, source_host, type, status, start_time, deleted) "
        f"values ('{MOVES[number]}', '{notification}', '{INSTANCES[number]}', 'web{number}', 'c1', 'evacuation', '{status}', "
        f"'2026-03-14 03:00:0{number}.000000', 0)"
    )


class Looks:
    """Counts how often the SDK looked in vain, and after so many looks lets happen what it waits for."""

    def __init__(self, enough: int, happen: Callable[[], object]) -> None:
        self.count = 0
        self._enough, self._happen = enough, happen

    def __call__(self, progress: int) -> None:
        self.count += 1
        if self.count == self._enough:
            self._happen()


def names(items: Any) -> list[str]:
    """List the names of what was listed."""
    return [each.name for each in items]


@pytest.mark.parametrize("region", ENDPOINTS)
def test_the_sdk_finds_the_api(stage: Stage, rig: Rig, region: str) -> None:
    """Whatever form the endpoint in the catalog has, the SDK discovers v1 and its microversions, and all it does arrives."""
    ha = rig.ha(region=region)
    assert names(ha.segments()) == []
    assert ha.get_endpoint_data().max_microversion == (1, 3)
    segment = segment_of(ha)
    assert segment.is_enabled is True
    assert host_of(ha, segment).failover_segment_id == segment.uuid
    assert names(ha.hosts(segment.uuid)) == ["c1"]
    assert stage.asked_below == {path_of(region)}


def test_segments(rig: Rig) -> None:
    """Segments are created, found, changed and deleted; errors arrive as the SDK's own exceptions."""
    ha = rig.ha()
    first = ha.create_segment(
        name="s1", recovery_method="auto", service_type="compute", is_enabled=False, description="d"
    )
    assert (first.is_enabled, first.description) == (False, "d")
    assert ha.get_segment(first.uuid).name == "s1"
    changed = ha.update_segment(
        first.uuid, is_enabled=True, name="renamed", description="e", recovery_method="rh_priority", service_type="x"
    )
    assert (changed.is_enabled, changed.name, changed.description) == (True, "renamed", "e")
    assert (changed.recovery_method, changed.service_type) == ("rh_priority", "x")
    second = segment_of(ha)
    assert names(ha.segments()) == ["s1", "renamed"]
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


def test_lists_of_segments(rig: Rig) -> None:
    """Segments are filtered and sorted; with a limit the SDK walks all pages behind the marker."""
    ha = rig.ha()
    made = [segment_of(ha, name) for name in ("s0", "s3", "s1", "s4", "s2")]
    ha.update_segment(made[1].uuid, recovery_method="rh_priority", service_type="x", is_enabled=False)
    assert names(ha.segments(recovery_method="rh_priority")) == ["s3"]
    assert names(ha.segments(service_type="compute", sort_key="name", sort_dir="asc")) == ["s0", "s1", "s2", "s4"]
    assert names(ha.segments(is_enabled=False)) == ["s3"]
    assert names(ha.segments(limit=2)) == ["s2", "s4", "s1", "s3", "s0"]
    assert names(ha.segments(limit=2, marker=made[3].id)) == ["s1", "s3", "s0"]
    assert names(ha.segments(limit=2, marker=made[3].uuid)) == ["s1", "s3", "s0"]


def test_hosts(rig: Rig) -> None:
    """Hosts are created, found, changed and deleted."""
    ha = rig.ha()
    segment = segment_of(ha)
    first = host_of(ha, segment)
    second = ha.create_host(
        segment.uuid, name="c2", type="X", control_attributes="", reserved=True, on_maintenance=True
    )
    assert (second.reserved, second.on_maintenance) == (True, True)
    assert names(ha.hosts(segment.uuid)) == ["c2", "c1"]
    assert ha.get_host(first.uuid, segment.uuid).failover_segment_id == segment.uuid
    changed = ha.update_host(
        first.uuid, segment.uuid, name="c3", type="Y", control_attributes="a", reserved=True, on_maintenance=True
    )
    assert (changed.name, changed.type, changed.control_attributes) == ("c3", "Y", "a")
    assert (changed.reserved, changed.on_maintenance) == (True, True)
    with pytest.raises(exceptions.BadRequestException, match="Compute service with name nope"):
        host_of(ha, segment, "nope")
    ha.delete_host(first.uuid, segment.uuid, ignore_missing=False)
    ha.delete_host(first.uuid, segment.uuid)
    with pytest.raises(exceptions.NotFoundException):
        ha.get_host(first.uuid, segment.uuid)


def test_lists_of_hosts(rig: Rig) -> None:
    """Hosts are filtered and sorted, and listed in pages."""
    ha = rig.ha()
    segment = segment_of(ha)
    made = [host_of(ha, segment, name) for name in ("c1", "c3", "c2")]
    ha.update_host(made[0].uuid, segment.uuid, reserved=True, type="X")
    ha.update_host(made[1].uuid, segment.uuid, on_maintenance=True)
    assert names(ha.hosts(segment.uuid, type="COMPUTE", sort_key="name", sort_dir="asc")) == ["c2", "c3"]
    assert names(ha.hosts(segment.uuid, on_maintenance=True)) == ["c3"]
    assert names(ha.hosts(segment.uuid, reserved=True)) == ["c1"]
    assert names(ha.hosts(segment.uuid, failover_segment_id=segment.uuid)) == ["c2", "c3", "c1"]
    assert names(ha.hosts(segment.uuid, limit=1)) == ["c2", "c3", "c1"]
    assert names(ha.hosts(segment.uuid, limit=1, marker=made[2].id)) == ["c3", "c1"]


def test_notifications(rig: Rig) -> None:
    """A failure is posted, shown as running with the steps of its recovery, and refused a second time."""
    ha = rig.ha(ha_api_version="1.1")
    plain = rig.ha()
    host = host_of(plain, segment_of(plain))
    posted = ha.create_notification(**FAILURE)
    assert (posted.status, posted.source_host_uuid) == ("new", host.uuid)
    shown = ha.get_notification(posted.notification_uuid)
    assert shown.status == "running"
    assert [step.name for step in shown.recovery_workflow_details] == ["DisableComputeServiceTask"]
    assert shown.recovery_workflow_details[0].progress_details[0].progress == "0.0"
    with pytest.raises(exceptions.ConflictException, match="is duplicate"):
        ha.create_notification(**FAILURE)


def test_lists_of_notifications(rig: Rig) -> None:
    """Notifications of each type are taken, filtered and sorted, and listed in pages."""
    ha = rig.ha()
    segment = segment_of(ha)
    hosts = [host_of(ha, segment, name) for name in ("c1", "c2")]
    crash = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": INSTANCES[0]}
    sent = (
        {**FAILURE, "generated_time": "2026-03-14T05:00:00"},
        {**FAILURE, "type": "VM", "payload": crash, "generated_time": "2026-03-14T04:00:00"},
        {
            **FAILURE,
            "hostname": "c2",
            "type": "PROCESS",
            "payload": {"event": "STOPPED", "process_name": "nova-compute"},
        },
    )
    first, second, third = (ha.create_notification(**each).notification_uuid for each in sent)
    rig.sql(f"update notifications set status = 'failed' where notification_uuid = '{third}'")

    def listed(**query: Any) -> list[str]:
        return [each.notification_uuid for each in ha.notifications(**query)]

    assert listed() == listed(limit=1) == [third, second, first]
    assert listed(status="failed") == listed(source_host_uuid=hosts[1].uuid) == [third]
    assert listed(type="VM") == [second]
    assert listed(generated_since="2026-03-14T04:30:00") == [first]
    assert listed(sort_key="generated_time", sort_dir="asc", source_host_uuid=hosts[0].uuid) == [second, first]
    assert listed(limit=1, marker=ha.get_notification(second).id) == [first]


def test_vmoves(rig: Rig) -> None:
    """The moves of a notification are shown, filtered and sorted, and listed in pages."""
    ha = rig.ha()
    host_of(ha, segment_of(ha))
    notification = ha.create_notification(**FAILURE).notification_uuid
    for number, status in enumerate(("succeeded", "pending")):
        move(rig, notification, number, status)

    def listed(**query: Any) -> list[str]:
        return [each.server_name for each in ha.vmoves(notification, **query)]

    (pending,) = ha.vmoves(notification, status="pending")
    assert (pending.server_id, pending.server_name, pending.source_host) == (INSTANCES[1], "web1", "c1")
    assert listed() == listed(type="evacuation") == listed(limit=1) == ["web1", "web0"]
    assert listed(sort_key="status", sort_dir="desc") == ["web0", "web1"]
    assert listed(limit=1, marker=pending.id) == ["web0"]
    assert ha.get_vmove(MOVES[1], notification).status == "pending"
    with pytest.raises(exceptions.NotFoundException):
        ha.get_vmove(INSTANCES[0], notification)


def test_an_object_may_be_handed_back(rig: Rig) -> None:
    """Wherever the SDK takes an id it takes the object too, whose id is the number of its row and not its uuid."""
    ha = rig.ha()
    segment = segment_of(ha)
    host = host_of(ha, segment)
    assert ha.get_segment(segment).uuid == segment.uuid
    assert names(ha.hosts(segment)) == ["c1"]
    assert ha.get_host(host, segment).uuid == host.uuid
    assert ha.update_host(host, segment, reserved=True).reserved is True
    notification = ha.create_notification(**FAILURE)
    move(rig, notification.notification_uuid, 0, "pending")
    assert ha.get_notification(notification).status == "running"
    (listed,) = ha.vmoves(notification)
    assert ha.get_vmove(listed, notification).uuid == MOVES[0]
    other = segment_of(ha, "s2")
    assert ha.update_segment(other, description="d").description == "d"
    ha.delete_host(host_of(ha, other, "c2"), other, ignore_missing=False)
    ha.delete_segment(other, ignore_missing=False)
    assert names(ha.segments()) == ["s1"]


def test_waiting_for_a_status(rig: Rig) -> None:
    """The SDK looks at a notification again and again until its recovery is over, and says so when it failed."""
    ha = rig.ha()
    host_of(ha, segment_of(ha))
    uuid = ha.create_notification(**FAILURE).notification_uuid

    def wait(end: str) -> Any:
        rig.sql("update notifications set status = 'running'")
        looks = Looks(2, lambda: rig.sql(f"update notifications set status = '{end}'"))
        running = ha.get_notification(uuid)
        return ha.wait_for_status(running, "finished", failures=["failed"], interval=0.01, wait=30, callback=looks)

    assert wait("finished").notification_uuid == uuid
    with pytest.raises(exceptions.ResourceFailure, match="failure state failed"):
        wait("failed")


def test_waiting_for_a_delete(rig: Rig) -> None:
    """The SDK looks at a segment until somebody has deleted it, and not one time less."""
    ha = rig.ha()
    segment = segment_of(ha)
    looks = Looks(2, lambda: ha.delete_segment(segment.uuid, ignore_missing=False))
    assert ha.wait_for_delete(segment, interval=0.01, wait=30, callback=looks) is segment
    assert looks.count == 2


def test_our_resources_are_reached_by_the_same_proxy(rig: Rig) -> None:
    """What upstream lacks is read by the proxy's plain calls, and a human's word is recorded under the token's user."""
    ha = rig.ha()
    host_of(ha, segment_of(ha))
    ha.create_notification(**FAILURE)
    (recovery,) = ha.get("/recoveries").json()["recoveries"]
    rig.sql("update recoveries set phase = 'unproven'")
    taken = ha.post(f"/recoveries/{recovery['uuid']}/action", json={"confirm": {"reason": "unplugged"}})
    assert taken.status_code == 202
    ((letter,),) = rig.sql("select event from inbox")
    said = {"by": "admin", "why": "unplugged", "is_off": False, "asked": "unproven"}
    assert json.loads(letter) == {"event": "Confirmed", **said}


def test_a_list_that_is_longer_than_one_answer(make_rig: Callable[..., Rig]) -> None:
    """Without a limit the SDK follows the link to what one answer does not hold, also below the caller's project."""
    ha = make_rig(max_limit=2).ha()
    for number in range(5):
        segment_of(ha, f"s{number}")
    assert names(ha.segments()) == ["s4", "s3", "s2", "s1", "s0"]
    segment = next(ha.segments())
    for name in ("c1", "c2", "c3"):
        host_of(ha, segment, name)
    assert names(ha.hosts(segment.uuid)) == ["c3", "c2", "c1"]
