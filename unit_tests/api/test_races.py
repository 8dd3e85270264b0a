"""Reports that arrive at the same moment."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from oslo_db.exception import DBDeadlock
from sqlalchemy import event

from unit_tests.api.world import World

THREADS = 8


def failure(**payload: str) -> dict[str, Any]:
    """Return the report of a failed host."""
    return {
        "notification": {
            "type": "COMPUTE_HOST",
            "hostname": "c1",
            "generated_time": "2026-03-14T03:00:00",
            "payload": {"event": "STOPPED", **payload},
        }
    }


def ready(world: World) -> None:
    """Put a host into a segment."""
    segment = {"segment": {"name": "s1", "recovery_method": "auto", "service_type": "compute"}}
    uuid = world.call("POST", "/v1/segments", send=segment).json["segment"]["uuid"]
    host = {"host": {"name": "c1", "type": "X", "control_attributes": "Y"}}
    assert world.call("POST", f"/v1/segments/{uuid}/hosts", send=host).status_int == 201


def test_one_of_many_equal_reports_is_accepted(tmp_path: Path) -> None:
    """Of equal reports posted at once one is accepted and rings the bell, the others are duplicates; one recovery opens."""
    world = World(tmp_path)
    ready(world)

    def post(_: int) -> int:
        status: int = world.call("POST", "/v1/notifications", send=failure(host_status="NORMAL")).status_int
        return status

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = Counter(pool.map(post, range(THREADS)))
    assert statuses == {202: 1, 409: THREADS - 1}
    assert world.bell.rings == 1
    assert len(world.call("GET", "/v1/recoveries").json["recoveries"]) == 1


def test_a_deadlock_with_an_engine_is_tried_again(tmp_path: Path) -> None:
    """When the database sacrifices the report for an engine's commit, it is accepted on the next attempt, once."""
    world = World(tmp_path)
    ready(world)
    left = [1]

    @event.listens_for(world.engine, "before_cursor_execute")
    def sacrifice(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO recoveries") and left:
            raise DBDeadlock(left.pop())

    assert world.call("POST", "/v1/notifications", send=failure(host_status="NORMAL")).status_int == 202
    assert not left
    assert len(world.call("GET", "/v1/notifications").json["notifications"]) == 1


def test_deadlocks_without_end_are_503(tmp_path: Path) -> None:
    """After a few attempts the client is told to try again, and nothing is stored."""
    world = World(tmp_path)
    ready(world)

    @event.listens_for(world.engine, "before_cursor_execute")
    def sacrifice(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO recoveries"):
            raise DBDeadlock

    answer = world.call("POST", "/v1/notifications", send=failure(host_status="NORMAL"))
    assert (answer.status_int, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert world.bell.rings == 0
    assert world.call("GET", "/v1/notifications").json["notifications"] == []
