"""A database that upstream made and filled is ours after `db sync`, and still upstream's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adoption.conftest import Adopted
from tests.adoption.living import BARE, EMPTY, LEFT
from vmha.adapters.db import migrate

# The first test of a machine installs three releases of upstream before it begins.
pytestmark = pytest.mark.timeout(600)
HEAD = "13adff5efb9a"
FINAL = {"finished", "failed", "ignored"}


def test_every_row_is_shown(adopted: Adopted) -> None:
    """Whatever upstream's API showed before, ours shows with the same values, progress details of its task flows too."""
    assert len(adopted.before) > 40
    assert differences(adopted.before, adopted.shown) == []


def test_the_past_is_there(adopted: Adopted) -> None:
    """What is compared is worth it: flows that succeeded, fell back and were reverted; rows in most statuses; moves where upstream has them."""
    shown = notifications(adopted.before).values()
    details = [row["recovery_workflow_details"] for row in shown]
    assert {task["state"] for tasks in details for task in tasks} >= {"SUCCESS", "REVERTED"}
    assert max(map(len, details)) == 6
    assert {row["status"] for row in shown} >= {"new", "error", "ignored", "finished"}
    moves = [path for path, body in adopted.before.items() if "vmove" in body]
    assert bool(moves) == has_moves(adopted)


def test_tables_stand_at_upstreams_head(adopted: Adopted) -> None:
    """Upstream's tables have its newest revision and our own ours, after upstream's own `db sync` too, and ours may run again."""
    assert migrate.upstream_version(adopted.ours.engine) == HEAD
    assert not migrate.standing(adopted.ours.engine).is_behind
    migrate.sync(adopted.ours.engine)
    assert migrate.upstream_version(adopted.ours.engine) == HEAD


def test_what_upstream_left_unfinished_is_settled(adopted: Adopted) -> None:
    """Each notification that upstream had not ended is taken up or ended by our engine; the dead host among them is recovered."""
    rows = {uuid: row for uuid, row in notifications(adopted.before).items() if row["status"] not in FINAL}
    lived = notifications(adopted.lived)
    assert {lived[uuid]["status"] for uuid in rows} <= FINAL
    (left,) = [uuid for uuid, row in rows.items() if row["source_host_uuid"] == host_uuid(adopted, LEFT)]
    assert lived[left]["status"] == "finished"
    tasks = lived[left]["recovery_workflow_details"]
    assert [task["state"] for task in tasks] == ["SUCCESS"] * 3
    assert "left the report of c-waits unfinished" in tasks[0]["progress_details"][1]["message"]


def test_upstream_goes_on(adopted: Adopted) -> None:
    """Upstream's own programs work on the database again, and its API shows all that ours shows: its past, what we did, and what it does now."""
    assert adopted.version_after == ("7" if adopted.cloud.release == "14.0.2" else HEAD)
    assert set(adopted.after) > set(adopted.before)
    ours = adopted.ours.read(adopted.after)
    for uuid, row in notifications(adopted.after).items():
        # Upstream knows nothing of what our engine did after its own.
        del notifications(ours)[uuid]["recovery_workflow_details"][len(row["recovery_workflow_details"]) :]
    assert differences(adopted.after, ours) == []
    unchanged = {path: adopted.before[path] for path, body in adopted.lived.items() if body == adopted.shown[path]}
    assert len(unchanged) > 30
    assert differences(unchanged, {**adopted.after, "/segments": adopted.before["/segments"]}) == []


def test_upstream_shows_what_we_did(adopted: Adopted) -> None:
    """A recovery of ours is a notification like any other to upstream: its end, its moves; one that waits is left alone by upstream's engine."""
    after = notifications(adopted.after)
    by_host = {row["source_host_uuid"]: uuid for uuid, row in after.items() if uuid in adopted.reported}
    empty, bare = (by_host[host_uuid(adopted, name)] for name in (EMPTY, BARE))
    assert (after[empty]["status"], after[bare]["status"]) == ("finished", "running")
    assert (after[empty]["recovery_workflow_details"], after[bare]["recovery_workflow_details"]) == ([], [])
    (again,) = set(after) - set(notifications(adopted.before)) - set(adopted.reported)
    assert after[again]["status"] == "finished"
    assert after[again]["recovery_workflow_details"] != []
    if has_moves(adopted):
        left = [uuid for uuid, row in after.items() if row["source_host_uuid"] == host_uuid(adopted, LEFT)]
        moves = adopted.after[f"/notifications/{left[0]}/vmoves"]["vmoves"]
        assert sorted((move["instance_name"], move["status"]) for move in moves) == [
            ("gäst-1", "succeeded"),
            ("gäst-2", "succeeded"),
        ]


def has_moves(adopted: Adopted) -> bool:
    """Tell whether this release of upstream knows moves."""
    return adopted.cloud.release != "14.0.2"


def notifications(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the notifications that an API showed one by one, by uuid."""
    shown = [body["notification"] for body in answers.values() if "notification" in body]
    return {row["notification_uuid"]: row for row in shown}


def host_uuid(adopted: Adopted, name: str) -> str:
    """Find a host by its name."""
    hosts = (body["host"] for body in adopted.before.values() if "host" in body)
    return next(str(host["uuid"]) for host in hosts if host["name"] == name)


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
