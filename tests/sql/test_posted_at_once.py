"""Several monitors report one failure to several API processes at the same moment."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from unit_tests.api.world import World
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database

PROCESSES = 10
ROUNDS = 200
START_SECONDS = 60
DATABASES = ("sqlite", "mariadb", "postgresql")
CREATED = datetime(2026, 3, 14, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/vmha.sqlite"
    server = request.getfixturevalue(request.param)
    database: str = server.create_database("at_once")
    return database


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_one_of_ten_is_accepted(url: str, tmp_path: Path) -> None:
    """Each time one process accepts the report and nine call it a duplicate; each host has one recovery."""
    fill(url)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    gate, answers = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=post_all, args=(url, tmp_path / str(number), gate, answers), daemon=True)
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    by_process: list[list[int]] = [answers.get(timeout=100) for _ in processes]
    for process in processes:
        process.join(START_SECONDS)
    rounds = [Counter(statuses) for statuses in zip(*by_process, strict=True)]
    assert Counter(map(str, rounds)) == {str(Counter({409: PROCESSES - 1, 202: 1})): ROUNDS}
    assert recovered(url) == {f"c{number}": 1 for number in range(ROUNDS)}


def fill(url: str) -> None:
    """Make the tables, and a segment with a host for each round."""
    engine = open_database(url)
    schema.upstream.create_all(engine)
    schema.ours.create_all(engine)
    life = {"created_at": CREATED, "deleted": 0}
    segment = {"uuid": "s1", "name": "s1", "service_type": "x", "recovery_method": "auto", "enabled": True, **life}
    host = {
        "type": "x",
        "control_attributes": "x",
        "failover_segment_id": "s1",
        "reserved": False,
        "on_maintenance": False,
        **life,
    }
    with engine.begin() as connection:
        connection.execute(insert(schema.failover_segments), [segment])
        connection.execute(insert(schema.hosts), [{**host, "uuid": f"h{n}", "name": f"c{n}"} for n in range(ROUNDS)])
    engine.dispose()


def post_all(url: str, folder: Path, gate: Any, answers: Any) -> None:
    """Be an API process: report one host after the other, each at the moment when the others report it too."""
    folder.mkdir()
    world = World(folder, database=url)
    statuses = []
    for number in range(ROUNDS):
        body = {"event": "STOPPED", "host_status": "NORMAL"}
        report = {
            "type": "COMPUTE_HOST",
            "hostname": f"c{number}",
            "generated_time": "2026-03-14T03:00:00",
            "payload": body,
        }
        gate.wait(START_SECONDS)
        statuses.append(world.call("POST", "/v1/notifications", send={"notification": report}).status_int)
    world.engine.dispose()
    answers.put(statuses)


def recovered(url: str) -> dict[str, int]:
    """Count the recoveries of each host."""
    engine = open_database(url)
    with engine.connect() as connection:
        counted = select(schema.recoveries.c.host_name, func.count()).group_by(schema.recoveries.c.host_name)
        found = {str(name): int(count) for name, count in connection.execute(counted)}
        notifications = connection.execute(select(func.count()).select_from(schema.notifications)).scalar_one()
    engine.dispose()
    assert notifications == ROUNDS
    return found
