"""A database that upstream made and filled is ours after `db sync`, and still upstream's."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.adoption.conftest import Adopted
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import transaction

# The first test of a machine installs three releases of upstream before it begins.
pytestmark = pytest.mark.timeout(600)
HEAD = "13adff5efb9a"


def test_every_row_is_shown(adopted: Adopted) -> None:
    """Whatever upstream's API showed before, ours shows with the same values, progress details of its task flows too."""
    assert len(adopted.before) > 40
    for path, body in adopted.before.items():
        answer = adopted.ours.call("GET", path)
        assert answer.status_int == 200, path
        assert differences(body, answer.json) == [], path


def test_the_past_is_there(adopted: Adopted) -> None:
    """What is compared is worth it: flows that succeeded, fell back and were reverted; rows in most statuses; moves where upstream has them."""
    shown = [body["notification"] for path, body in adopted.before.items() if "notification" in body]
    details = [row["recovery_workflow_details"] for row in shown]
    assert {task["state"] for tasks in details for task in tasks} >= {"SUCCESS", "REVERTED"}
    assert max(map(len, details)) == 6
    assert {row["status"] for row in shown} >= {"new", "error", "ignored", "finished"}
    moves = [path for path, body in adopted.before.items() if "vmove" in body]
    assert bool(moves) == (adopted.cloud.release != "14.0.2")


def test_tables_stand_at_upstreams_head(adopted: Adopted) -> None:
    """Upstream's tables have its newest revision and our own ours, after upstream's own `db sync` too; our `db version` prints upstream's."""
    assert migrate.upstream_version(adopted.ours.engine) == HEAD
    assert not migrate.standing(adopted.ours.engine).is_behind
    migrate.sync(adopted.ours.engine)
    assert adopted.cloud.manage("db", "version") == f"{HEAD}\n"


def test_upstream_goes_on(adopted: Adopted) -> None:
    """Upstream's own API shows what it showed before, and its `db version` still works: Masakari 14 finds its own count."""
    assert adopted.after == adopted.before
    assert adopted.version_after == ("7" if adopted.cloud.release == "14.0.2" else HEAD)


def test_new_rows_go_beside_the_old(adopted: Adopted) -> None:
    """A host that failed under upstream may fail again: the report is accepted, a recovery opens, and lists show old and new."""
    before = len(adopted.before["/notifications"]["notifications"])
    segment = next(row for row in adopted.before["/segments"]["segments"] if row["name"] == "s-rh_priority")
    hosts = adopted.before[f"/segments/{segment['uuid']}/hosts"]["hosts"]
    host = next(host for host in hosts if host["name"] == "empty-rh_priority")
    payload = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}
    report = {
        "type": "COMPUTE_HOST",
        "hostname": host["name"],
        "generated_time": "2026-11-20T03:00:00",
        "payload": payload,
    }
    answer = adopted.ours.call("POST", "/notifications", {"notification": report})
    assert answer.status_int == 202
    assert adopted.ours.call("POST", "/notifications", {"notification": report}).status_int == 409
    assert len(adopted.ours.call("GET", "/notifications").json["notifications"]) == before + 1
    with transaction(adopted.ours.engine) as connection:
        opened = connection.execute(
            select(func.count()).where(schema.recoveries.c.host_uuid == host["uuid"])
        ).scalar_one()
    assert opened == 1


def differences(theirs: Any, ours: Any, where: str = "") -> list[str]:
    """Say where ours lacks, or changes, something that upstream showed; a key that a later upstream added may be there."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            line
            for key, value in theirs.items()
            for line in differences(value, ours.get(key, "(none)"), f"{where}.{key}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = enumerate(zip(theirs, ours, strict=True))
        return [line for number, (one, other) in pairs for line in differences(one, other, f"{where}[{number}]")]
    return [] if theirs == ours else [f"{where}: {theirs!r} became {ours!r}"]
