"""Whatever a list is sorted by, on every database its pages join to the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.engine import Engine

from tests.sql.conftest import fresh_databases
from unit_tests.api.world import World
from vmha.adapters.db import schema
from vmha.adapters.db.connection import transaction
from vmha.api.answers import STATUSES
from vmha.api.schemas import RECOVERY_METHODS

COUNT = 7
LISTS = {
    "/v1/segments": schema.failover_segments,
    "/v1/segments/segment-1/hosts": schema.hosts,
    "/v1/notifications": schema.notifications,
    "/v1/notifications/notification-1/vmoves": schema.vmoves,
}


@pytest.fixture(scope="module", params=["mariadb", "postgresql", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The API on a database of each kind, with a few rows of each table."""
    folder = tmp_path_factory.mktemp("sorted")
    url = f"sqlite:///{folder}/masakari.sqlite"
    if request.param != "sqlite":
        fresh: Callable[[], str] = fresh_databases(request.getfixturevalue(request.param))
        url = fresh()
    world = World(folder, database=url)
    write_rows(world.engine)
    yield world
    world.engine.dispose()
    world.reader.dispose()


def write_rows(engine: Engine) -> None:
    """Write rows in which every column that may has values that are equal, that differ, and none."""
    for number in range(1, COUNT + 1):
        moment = datetime(2026, 1, 1 + number % 3)  # noqa: DTZ001 (as upstream stores them)
        life = {"id": number, "created_at": moment, "updated_at": moment if number % 2 else None, "deleted": 0}
        flag = [True, False, None][number % 3]
        segment = {"uuid": f"segment-{number}", "name": f"s{number % 4}{number}", "service_type": "compute"}
        host = {"uuid": f"host-{number}", "name": f"h{number % 4}{number}", "type": "A", "control_attributes": "x"}
        notification = {"notification_uuid": f"notification-{number}", "source_host_uuid": "h", "type": "VM"}
        move = {"uuid": f"move-{number}", "notification_uuid": "notification-1", "instance_uuid": "i"}
        rows: tuple[tuple[Any, dict[str, Any]], ...] = (
            (schema.failover_segments, {**segment, "recovery_method": RECOVERY_METHODS[number % 4], "enabled": flag}),
            (schema.hosts, {**host, "failover_segment_id": "segment-1", "reserved": flag, "on_maintenance": flag}),
            (
                schema.notifications,
                {**notification, "generated_time": moment, "payload": "{}", "status": STATUSES[number % 6]},
            ),
            (schema.vmoves, {**move, "instance_name": "vm", "start_time": life["updated_at"], "type": "evacuation"}),
        )
        with transaction(engine) as connection:
            for table, row in rows:
                connection.execute(insert(table).values(**life, **row))
            connection.execute(
                schema.notifications.update().where(schema.notifications.c.id == 1).values(type="COMPUTE_HOST")
            )


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("path", list(LISTS))
def test_pages_join_whatever_the_list_is_sorted_by(world: World, path: str, direction: str) -> None:
    """For each column of each list, pages of two rows have the same rows in the same order as the list as a whole."""
    wrong = []
    for column in LISTS[path].c:
        query = f"{path}?sort_key={column.name}&sort_dir={direction}"
        ((_, whole),) = world.call("GET", query).json.items()
        found: list[Any] = []
        page = True
        while page:
            marker = f"&marker={found[-1]['id']}" if found else ""
            answer = world.call("GET", f"{query}&limit=2{marker}")
            ((_, page),) = answer.json.items()
            found += page if answer.status_int == 200 and len(found) <= COUNT else []
            page = page if answer.status_int == 200 and len(found) <= COUNT else []
        if found != whole or len(whole) != COUNT:
            wrong.append(f"{column.name}: {[row['id'] for row in found]}, not {[row['id'] for row in whole]}")
    assert not wrong
