"""`recovery_workflow_details` of what upstream's engine did, in whatever database it kept that. `tests/adoption` has the real thing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.engine import Engine

from unit_tests.api.world import World
from vmha.adapters.db import incidents, leftovers, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.reports import HostReport, Place
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app

OLD, LEFT, OURS = (f"{number}0000000-0000-4000-8000-000000000000" for number in (1, 2, 3))
FLOWS = (
    "CREATE TABLE flowdetails (uuid VARCHAR(64) PRIMARY KEY, parent_uuid VARCHAR(64))",
    "CREATE TABLE atomdetails (uuid VARCHAR(64) PRIMARY KEY, parent_uuid VARCHAR(64), name TEXT, state TEXT, meta TEXT)",
)
STEPS = [("2026-03-14 03:00:01.000000", "0.0", "Disabling"), ("2026-03-14 03:00:02.000000", "1.0", "Disabled")]
DISABLED = {
    "name": "DisableComputeServiceTask",
    "progress": 1.0,
    "progress_details": [{"timestamp": at, "progress": done, "message": says} for at, done, says in STEPS],
    "state": "SUCCESS",
}


def test_what_upstream_did_is_shown(tmp_path: Path) -> None:
    """An old notification shows upstream's tasks; one that was taken up shows them first and ours after; ours shows ours alone."""
    world = World(tmp_path)
    fill(world)
    add_flows(world.engine)
    assert details(world, OLD) == [DISABLED]
    taken_up = details(world, LEFT)
    assert taken_up[0] == DISABLED
    assert [task["state"] for task in taken_up] == ["SUCCESS", "RUNNING"]
    assert "left the report of c1 unfinished" in taken_up[1]["progress_details"][1]["message"]
    assert [task["state"] for task in details(world, OURS)] == ["RUNNING"]


def test_no_flows_are_none(tmp_path: Path) -> None:
    """Where upstream never kept any, an old notification shows an empty list."""
    world = World(tmp_path)
    fill(world)
    assert details(world, OLD) == []


def test_they_may_be_in_another_database(tmp_path: Path) -> None:
    """Task flows of a database of their own are read there."""
    world = World(tmp_path)
    fill(world)
    other = open_database(f"sqlite:///{tmp_path}/taskflow.sqlite")
    add_flows(other)
    world.app = create_app(replace(world.parts(), task_flows=UpstreamFlows(other).tasks_of))
    assert details(world, OLD) == [DISABLED]
    other.dispose()


def test_another_database_that_is_away_hides_only_what_is_in_it(tmp_path: Path) -> None:
    """The progress of an old notification is then unavailable, and said to be; recoveries of ours are shown all the same."""
    world = World(tmp_path)
    fill(world)
    away = open_database("mysql+pymysql://masakari@127.0.0.1:1/taskflow")
    world.app = create_app(replace(world.parts(), task_flows=UpstreamFlows(away).tasks_of))
    assert show(world, OLD, "1.1").status_int == 503
    assert show(world, OLD, "1.0").status_int == 200
    assert [task["state"] for task in details(world, OURS)] == ["RUNNING"]


def show(world: World, notification: str, version: str = "latest") -> Any:
    """Show a notification."""
    headers = {"OpenStack-API-Version": f"instance-ha {version}"}
    return world.call("GET", f"/v1/notifications/{notification}", headers=headers)


def details(world: World, notification: str) -> list[Any]:
    """Show its progress."""
    shown: list[Any] = show(world, notification).json["notification"]["recovery_workflow_details"]
    return shown


def fill(world: World) -> None:
    """Write a segment with two hosts; an old notification, one that upstream left and an engine took up, and one of ours."""
    common = {"deleted": 0}
    with transaction(world.engine) as connection:
        segment = {"uuid": "s1", "name": "s1", "service_type": "x", "recovery_method": "auto"}
        connection.execute(insert(schema.failover_segments).values(**segment, **common))
        for name in ("c1", "c2"):
            host = {"uuid": name, "name": name, "type": "x", "control_attributes": "y", "failover_segment_id": "s1"}
            connection.execute(insert(schema.hosts).values(**host, **common))
        payload = json.dumps({"event": "STOPPED", "host_status": "NORMAL"})
        for uuid, status, host in ((OLD, "finished", "c1"), (LEFT, "running", "c1"), (OURS, "running", "c2")):
            row = {"notification_uuid": uuid, "source_host_uuid": host, "type": "COMPUTE_HOST", "status": status}
            moment = text("CURRENT_TIMESTAMP")
            values = {**row, "payload": payload, "generated_time": moment, "created_at": moment, **common}
            connection.execute(insert(schema.notifications).values(**values))
        place = Place(notification_uuid=OURS, host_uuid="c2", host_name="c2", segment_uuid="s1")
        incidents.open_or_join(connection, HostReport(place=place, method="auto", says_off=True))
    settled = leftovers.settle(world.engine, LEFT)
    assert settled is not None
    assert settled.verdict.opens == "host"


def add_flows(engine: Engine) -> None:
    """Write a task flow of one task for each notification, as taskflow keeps it."""
    meta = {
        "progress": 1.0,
        "progress_details": {"at_progress": 1.0, "details": {"progress_details": DISABLED["progress_details"]}},
    }
    with transaction(engine) as connection:
        for statement in FLOWS:
            connection.execute(text(statement))
        for uuid in (OLD, LEFT, OURS):
            connection.execute(
                text("INSERT INTO flowdetails VALUES (:flow, :book)"), {"flow": f"f{uuid}", "book": uuid}
            )
            values = {"uuid": f"a{uuid}", "flow": f"f{uuid}", "name": DISABLED["name"], "meta": json.dumps(meta)}
            connection.execute(text("INSERT INTO atomdetails VALUES (:uuid, :flow, :name, 'SUCCESS', :meta)"), values)
