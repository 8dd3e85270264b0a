"""What the API announces: a start and an end of each change that is stored, with its ids; of one that could not be, the error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from unit_tests.api.world import World
from vmha.adapters.announcing import API, ENGINE
from vmha.api.app import create_app
from vmha.ports import Announcement

SEGMENT = {"segment": {"name": "s", "recovery_method": "auto", "service_type": "COMPUTE"}}
HOST = {"host": {"name": "c1", "type": "X", "control_attributes": "SSH"}}
REPORT = {
    "notification": {
        "type": "COMPUTE_HOST",
        "hostname": "c1",
        "generated_time": "2026-03-01T03:00:00",
        "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
    }
}


class Told(World):
    """The API and what it announced."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told: list[Announcement] = []
        self.app = create_app(replace(self.parts(), announcer=self))

    def announce(self, announcement: Announcement) -> None:
        """Keep it, if others can see by now what it tells."""
        with self.engine.connect() as connection:
            connection.execute(text("UPDATE failover_segments SET name = name"))
        self.told.append(announcement)

    def heard(self) -> list[tuple[str, Any]]:
        """Return types and data since the last call."""
        payloads: list[Any] = [each.payload for each in self.told]
        found = [
            (each.event_type, payload["masakari_object.data"])
            for each, payload in zip(self.told, payloads, strict=True)
        ]
        self.told.clear()
        return found


@pytest.fixture
def world(tmp_path: Path) -> Told:
    """Give an API that announces."""
    return Told(tmp_path)


def made(world: Told) -> tuple[str, str]:
    """Make a segment with a host; return their paths."""
    uuid = world.call("POST", "/v1/segments", send=SEGMENT).json["segment"]["uuid"]
    segment = f"/v1/segments/{uuid}"
    host = world.call("POST", f"{segment}/hosts", send=HOST).json["host"]["uuid"]
    world.told.clear()
    return segment, f"{segment}/hosts/{host}"


def test_a_segment_and_its_changes(world: Told) -> None:
    """Creation, change and deletion are told with id and uuid, the change with what is new."""
    uuid = world.call("POST", "/v1/segments", send=SEGMENT).json["segment"]["uuid"]
    created = world.heard()
    assert [kind for kind, _ in created] == ["segment.create.start", "segment.create.end"]
    for _, data in created:
        assert (data["uuid"], data["id"], data["enabled"], data["fault"]) == (uuid, 1, True, None)
    world.call("PUT", f"/v1/segments/{uuid}", send={"segment": {"name": "t"}})
    changed = world.heard()
    assert [(kind, data["name"]) for kind, data in changed] == [
        ("segment.update.start", "t"),
        ("segment.update.end", "t"),
    ]
    world.call("DELETE", f"/v1/segments/{uuid}")
    gone = world.heard()
    assert [(kind, data["uuid"]) for kind, data in gone] == [
        ("segment.delete.start", uuid),
        ("segment.delete.end", uuid),
    ]


def test_a_host_and_its_changes(world: Told) -> None:
    """So is a host, with its segment."""
    segment, host = made(world)
    world.call("PUT", host, send={"host": {"on_maintenance": True}})
    changed = world.heard()
    assert [(kind, data["on_maintenance"]) for kind, data in changed] == [
        ("host.update.start", True),
        ("host.update.end", True),
    ]
    for _, data in changed:
        assert data["failover_segment"]["masakari_object.data"]["uuid"] == segment.rpartition("/")[2]
    world.call("DELETE", host)
    assert [kind for kind, _ in world.heard()] == ["host.delete.start", "host.delete.end"]
    world.call("POST", f"{segment}/hosts", send=HOST)
    assert [(kind, data["id"] > 0) for kind, data in world.heard()] == [
        ("host.create.start", True),
        ("host.create.end", True),
    ]


def test_a_notification(world: Told) -> None:
    """An accepted notification is told as new, with id, uuid and payload; a duplicate is not told."""
    made(world)
    uuid = world.call("POST", "/v1/notifications", send=REPORT).json["notification"]["notification_uuid"]
    told = world.heard()
    assert [kind for kind, _ in told] == ["notification.create.start", "notification.create.end"]
    for _, data in told:
        assert (data["notification_uuid"], data["status"], data["id"]) == (uuid, "new", 1)
        assert data["generated_time"] == "2026-03-01T03:00:00Z"
        assert data["payload"]["event"] == "STOPPED"
    assert world.call("POST", "/v1/notifications", send=REPORT).status_int == 409
    assert world.heard() == []


@pytest.mark.parametrize(
    ("kind", "path", "send"),
    [("segment.create", "/v1/segments", SEGMENT), ("host.create", "{segment}/hosts", HOST)],
)
def test_a_name_that_is_taken_is_an_error(kind: str, path: str, send: Any, world: Told) -> None:
    """What the database refuses is told with the values that were sent and what went wrong, and no id."""
    segment, _ = made(world)
    assert world.call("POST", path.format(segment=segment), send=send).status_int == 409
    (start, _), (error, data) = world.heard()
    assert (start, error) == (f"{kind}.start", f"{kind}.error")
    fault = data["fault"]["masakari_object.data"]
    assert data["name"] == next(iter(send.values()))["name"]
    assert "id" not in data
    assert (fault["exception"], "taken" in fault["exception_message"]) == ("NameTaken", True)
    assert "insert" in fault["traceback"]


def test_what_is_refused_before_is_not_told(world: Told) -> None:
    """As upstream, an unknown segment, a host without compute service, and one that is in use are no events."""
    segment, host = made(world)
    world.call("DELETE", "/v1/segments/nobody")
    world.call("POST", f"{segment}/hosts", send={"host": {**HOST["host"], "name": "unknown"}})
    world.call("POST", "/v1/notifications", send=REPORT)
    world.heard()
    assert world.call("DELETE", host).status_int == 409
    assert world.call("PUT", segment, send={"segment": {"name": "t"}}).status_int == 409
    assert world.heard() == []


def test_the_context_has_no_token(world: Told) -> None:
    """Consumers learn who asked and by which request, and not by which token."""
    headers = {"X-User-Id": "ann", "X-Project-Id": "p", "X-Auth-Token": "a-secret-token"}
    answer = world.call("POST", "/v1/segments", send=SEGMENT, headers=headers)
    for each in world.told:
        assert each.context["user_id"] == "ann"
        assert each.context["request_id"] == answer.headers["x-openstack-request-id"]
        assert "a-secret-token" not in str(each)
    assert len(world.told) == 2


@pytest.mark.parametrize(
    "sent", [SEGMENT, {"segment": {**SEGMENT["segment"], "name": "taken"}}], ids=["stored", "refused"]
)
def test_a_defect_in_telling_changes_no_answer(
    sent: Any, world: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was stored is answered so, and what could not be keeps its own error; the log has the defect, and the client nothing of it."""
    assert (
        world.call("POST", "/v1/segments", send={"segment": {**SEGMENT["segment"], "name": "taken"}}).status_int == 201
    )

    def broken(_: Announcement) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(world, "announce", broken)
    answer = world.call("POST", "/v1/segments", send=sent)
    assert answer.status_int == (201 if sent is SEGMENT else 409)
    assert "a defect" not in answer.text
    (record,) = [each for each in caplog.records if each.getMessage() == "announcement lost"]
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"event": "STARTED", "cluster_status": "ONLINE", "host_status": "NORMAL"}, "finished"),
        ({"event": "STOPPED"}, "ignored"),
    ],
)
def test_what_ends_at_once_is_told_as_processed(world: Told, payload: dict[str, str], status: str) -> None:
    """One start and one end in the engine's name, as upstream's engine would, with the status before and after."""
    made(world)
    world.call("POST", "/v1/notifications", send={"notification": {**REPORT["notification"], "payload": payload}})
    publishers = [each.binary for each in world.told]
    told = [(kind, data["status"]) for kind, data in world.heard()]
    assert told == [
        ("notification.create.start", "new"),
        ("notification.create.end", "new"),
        ("notification.process.start", "new"),
        ("notification.process.end", status),
    ]
    assert publishers == [API, API, ENGINE, ENGINE]


def test_a_disabled_segment_processes_nothing(world: Told) -> None:
    """Upstream's engine is not asked then, and announces nothing."""
    segment, _ = made(world)
    world.call(
        "PUT", segment, send={"segment": {"enabled": False}}, headers={"OpenStack-API-Version": "instance-ha 1.2"}
    )
    world.told.clear()
    world.call("POST", "/v1/notifications", send=REPORT)
    assert [kind for kind, _ in world.heard()] == ["notification.create.start", "notification.create.end"]
