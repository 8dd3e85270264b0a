"""Failures of hosts that are on maintenance."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from unit_tests.api.test_races import failure, ready
from unit_tests.api.world import World


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


def test_what_is_no_failure_or_dealt_with_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A report that a host started, and one of a host whose recovery is open, are refused without one."""
    world = World(tmp_path)
    ready(world)
    assert world.call("POST", "/v1/notifications", send=failure(host_status="NORMAL")).status_int == 202
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update hosts set on_maintenance = true")
    assert world.call("POST", "/v1/notifications", send=failure(host_status="UNKNOWN")).status_int == 409
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update recoveries set open_key = null, phase = 'ended'")
    assert world.call("POST", "/v1/notifications", send=failure(event="STARTED")).status_int == 409
    assert not refusals(caplog)
    assert world.call("POST", "/v1/notifications", send=failure(host_status="UNKNOWN")).status_int == 409
    assert len(refusals(caplog)) == 1
