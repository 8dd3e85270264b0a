"""The contract of orders to disarm, held on SQLite; and the watch that tells their end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NoReturn

import pytest
from sqlalchemy.engine import Engine

from unit_tests.adapters.db.disarm_contract import DisarmContract
from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.engine.loop_rig import HandClock
from vmha.adapters.db import disarming, migrate
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.disarming import LOOK_SECONDS, DisarmWatch
from vmha.errors import StoreUnavailable


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file with all tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('disarming')}/vmha.sqlite"
    migrate.sync(open_database(url))
    return url


@pytest.fixture
def rig(url: str) -> Iterator[SqlRig]:
    """Three hosts."""
    with rigged(url) as rig:
        yield rig


class TestSqliteDisarming(DisarmContract):
    """SQLite."""


def test_the_end_is_told_once(rig: SqlRig, caplog: pytest.LogCaptureFixture) -> None:
    """Of two engines one says that a disarming is over, with whose and why, and says it once."""
    clock = HandClock()
    watches = [DisarmWatch(rig.engine, clock), DisarmWatch(rig.open(), clock)]
    rig.disarm("all", "", seconds=10.0)
    with caplog.at_level(logging.WARNING):
        for seconds in (0.0, 10.0, 0.0):
            rig.pass_time(seconds)
            clock.sleep(LOOK_SECONDS)
            for watch in watches:
                watch.look()
    (record,) = (record for record in caplog.records if "armed-again" in record.getMessage())
    says = "all hosts: armed again, since the time is over for which ann disarmed it (because)"
    assert record.__dict__["fields"]["says"] == says


def test_a_database_that_is_away_is_asked_with_the_next_round(
    rig: SqlRig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch raises nothing, and does not wait for its next time: what ended meanwhile is told as soon as it can be."""
    watch = DisarmWatch(rig.engine, HandClock())
    rig.disarm("host", "c1", seconds=1.0)
    rig.pass_time(1.0)
    with monkeypatch.context() as patch:
        patch.setattr(disarming, "transaction", _away)
        watch.look()
    with caplog.at_level(logging.WARNING):
        watch.look()
    assert [record for record in caplog.records if "armed-again" in record.getMessage()]


def _away(_engine: Engine) -> NoReturn:
    raise StoreUnavailable("away")
