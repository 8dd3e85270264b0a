"""API processes that post the same notifications at the same moments; a process of its own for each, forked from one that has imported all.

Each has the whole WSGI application, and a pool of connections, to itself.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import webob
from sqlalchemy import insert
from sqlalchemy.engine import Engine

from unit_tests.api.world import World
from vmha.adapters.db import schema
from vmha.adapters.db.connection import transaction

PROCESSES = 10
RACE_SECONDS = 240
"""How long all rounds may take, and any of them; on two idle cores all take 10 seconds."""

SEGMENT = "5e9e5e9e-0000-4000-8000-000000000000"


def race(url: str, folder: Path, hosts: list[str]) -> list[Counter[int]]:
    """Let all processes report each host, one after the other and all at once; return the status codes of each round."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    begin, answers = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=_post, args=(url, folder / str(number), hosts, begin, answers), daemon=True)
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    try:
        statuses = [answers.get(timeout=RACE_SECONDS) for _ in processes]
    finally:
        for process in processes:
            process.join(timeout=1)
            process.kill()
    return [Counter(codes) for codes in zip(*statuses, strict=True)]


def _post(url: str, folder: Path, hosts: list[str], begin: Barrier, answers: Any) -> None:
    """Be one API process."""
    folder.mkdir()
    world = World(folder, database=url)
    statuses = []
    for host in hosts:
        report = {
            "type": "COMPUTE_HOST",
            "hostname": host,
            "generated_time": "2026-03-14T03:00:00",
            "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
        }
        begin.wait(RACE_SECONDS)
        request = webob.Request.blank("/v1/notifications", method="POST")
        request.body, request.content_type = json.dumps({"notification": report}).encode(), "application/json"
        statuses.append(request.get_response(world.app).status_int)
    answers.put(statuses)


def add_hosts(engine: Engine, count: int) -> list[str]:
    """Fill a segment with hosts and return their names."""
    names = [f"c{number}" for number in range(count)]
    common: dict[str, Any] = {"created_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0), "deleted": 0}
    segment = {"uuid": SEGMENT, "name": "s1", "service_type": "COMPUTE", "recovery_method": "auto", "enabled": True}
    host = {"type": "x", "control_attributes": "y", "reserved": False, "on_maintenance": False}
    with transaction(engine) as connection:
        connection.execute(insert(schema.failover_segments).values(**segment, **common))
        connection.execute(
            insert(schema.hosts),
            [
                {"uuid": f"host-{name}", "name": name, "failover_segment_id": SEGMENT, **host, **common}
                for name in names
            ],
        )
    return names
