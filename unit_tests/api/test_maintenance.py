"""Failures of hosts that are on maintenance."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from unit_tests.alert_schema import validate
from unit_tests.api.test_races import failure, ready
from unit_tests.api.world import World
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.outbox import REPEATED_SECONDS
from vmha.adapters.db.schema import alerts


def refusals(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """Return the warnings of failures that were refused."""
    return [each for each in caplog.records if each.getMessage() == "host failure refused, the host is on maintenance"]


def test_a_refused_failure_is_not_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A host that fails while it is on maintenance is named in a warning that says what to do."""
    world = World(tmp_path)
    ready(world)
    segment = world.call("GET", "/v1/segments").json["segments"][0]["uuid"]
    host = world.call("GET", f"/v1/segments/{segment}/hosts").json["hosts"][0]["uuid"]
    world.call("PUT", f"/v1/segments/{segment}/hosts/{host}", send={"host": {"on_maintenance": True}})
    assert world.call("POST", "/v1/notifications", send=failure(host_status="NORMAL")).status_int == 409
    (warning,) = refusals(caplog)
    assert warning.levelno == logging.WARNING
    assert warning.fields["host"] == "c1"
    assert f"--on_maintenance False {segment} {host}" in warning.fields["what_to_do"]


def told(world: World) -> list[dict[str, Any]]:
    """Return the alerts of refusals, and see that each is what the schema says."""
    with transaction(world.engine) as connection:
        texts = connection.scalars(
            select(alerts.c.document).where(alerts.c.recovery_uuid.is_(None)).order_by(alerts.c.id)
        ).all()
    documents = [json.loads(text) for text in texts]
    for document in documents:
        validate(document)
    return documents


def refused(world: World, minute: int, host: str = "c1") -> None:
    """Report the failure of the host, generated so many minutes after the first one, and see that it is refused."""
    sent = failure(host_status="NORMAL")
    more = {"hostname": host, "generated_time": f"2026-03-14T03:{minute:02}:00"}
    assert world.call("POST", "/v1/notifications", send={"notification": sent["notification"] | more}).status_int == 409


def test_a_refused_failure_is_an_alert_once_an_hour(tmp_path: Path) -> None:
    """Humans are told of it, with what to do, and not with each report of the monitor; another host's failure is told at once."""
    world = World(tmp_path)
    ready(world)
    segment = world.call("GET", "/v1/segments").json["segments"][0]["uuid"]
    other = {"host": {"name": "c2", "type": "X", "control_attributes": "Y"}}
    assert world.call("POST", f"/v1/segments/{segment}/hosts", send=other).status_int == 201
    set_maintenance(world)
    for minute in (0, 1, 10, 20):
        refused(world, minute)
    (alert,) = told(world)
    assert (alert["kind"], alert["code"], alert["host"]) == ("refused", "HOST_ON_MAINTENANCE", "c1")
    assert (alert["incident"], alert["dedup_key"]) == (None, "vmha-host-c1")
    assert "--on_maintenance False" in alert["summary"]
    refused(world, 20, "c2")
    assert [alert["host"] for alert in told(world)] == ["c1", "c2"]
    with world.engine.begin() as connection:
        connection.execute(update(alerts).values(made_at=alerts.c.made_at - REPEATED_SECONDS))
    refused(world, 30)
    assert [alert["host"] for alert in told(world)] == ["c1", "c2", "c1"]
    assert len({alert["id"] for alert in told(world)}) == 3


def set_maintenance(world: World) -> None:
    """Put every host on maintenance."""
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update hosts set on_maintenance = true")


def test_what_is_no_failure_or_dealt_with_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A report that a host started, and one of a host whose recovery is open, are refused without one."""
    world = World(tmp_path)
    ready(world)
    assert world.call("POST", "/v1/notifications", send=failure(host_status="NORMAL")).status_int == 202
    set_maintenance(world)
    assert world.call("POST", "/v1/notifications", send=failure(host_status="UNKNOWN")).status_int == 409
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update recoveries set open_key = null, phase = 'ended'")
    assert world.call("POST", "/v1/notifications", send=failure(event="STARTED")).status_int == 409
    assert not refusals(caplog) + told(world)
    assert world.call("POST", "/v1/notifications", send=failure(host_status="UNKNOWN")).status_int == 409
    assert len(refusals(caplog)) == len(told(world)) == 1
