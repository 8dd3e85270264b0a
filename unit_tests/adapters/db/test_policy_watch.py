"""An engine warns of workflows that are written for segments which are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.engine.loop_rig import HandClock
from vmha.adapters.db import migrate, policy_watch, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.policy_watch import LOOK_SECONDS, PolicyWatch
from vmha.core.workflows import Choice, Failure, Workflow, Workflows
from vmha.errors import StoreUnavailable

FILE = Path("/etc/masakari/recovery.yaml")
CHOSEN = Workflows(tuple(Choice(name, Failure.HOST, Workflow.REPORT) for name in (None, "segment", "segmnet")))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SqlRig]:
    """The segment "segment" with three hosts."""
    url = f"sqlite:///{tmp_path}/vmha.sqlite"
    migrate.sync(open_database(url))
    with rigged(url) as rig:
        yield rig


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of, and forget it."""
    told = [record.__dict__["fields"]["segments"] for record in caplog.records if "unknown" in record.getMessage()]
    caplog.clear()
    return told


def test_a_misspelt_segment_is_told_once(rig: SqlRig, caplog: pytest.LogCaptureFixture) -> None:
    """It is told at the start and not again, until a segment that is named is renamed."""
    clock = HandClock()
    watch = PolicyWatch(rig.engine, clock, CHOSEN, FILE)
    for _ in range(2):
        watch.look()
        clock.sleep(LOOK_SECONDS)
    assert warned(caplog) == ["segmnet"]
    with transaction(rig.engine) as connection:
        connection.execute(update(schema.failover_segments).values(name="rack-1"))
    watch.look()
    watch.look()
    assert warned(caplog) == ["segment, segmnet"]


def test_a_database_that_is_away_is_asked_again(
    rig: SqlRig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch raises nothing, and tells as soon as it can look."""
    watch = PolicyWatch(rig.engine, HandClock(), CHOSEN, FILE)

    def away(_engine: object) -> object:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(policy_watch, "reading", away)
        watch.look()
    assert warned(caplog) == []
    watch.look()
    assert warned(caplog) == ["segmnet"]
