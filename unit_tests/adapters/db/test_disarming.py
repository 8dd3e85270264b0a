"""The contract of orders to disarm, held on SQLite; and the watch that tells their end."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import NoReturn

import pytest
from sqlalchemy import select
from sqlalchemy.engine import Engine

from unit_tests.adapters.db.disarm_contract import DisarmContract
from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.alert_schema import validate
from unit_tests.engine.loop_rig import HandClock
from vmha.adapters.db import disarming, migrate, schema
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


@pytest.mark.parametrize(
    ("kind", "name", "host", "segment"),
    [("all", "", None, None), ("segment", "segment", None, "segment"), ("host", "c1", "c1", None)],
)
def test_the_end_is_one_alert(rig: SqlRig, kind: str, name: str, host: str | None, segment: str | None) -> None:
    """However many engines look, one alert for webhooks is stored when it has run out, and none before; it says whose, of what, and why."""
    clock = HandClock()
    watches = [DisarmWatch(engine, clock) for engine in (rig.engine, rig.open())]
    rig.disarm(kind, name, seconds=10.0)
    alerts = []
    for seconds in (0.0, 10.0, 0.0):
        rig.pass_time(seconds)
        clock.sleep(LOOK_SECONDS)
        for watch in watches:
            watch.look()
        alerts.append(rig.read(select(schema.alerts)))
    assert list(map(len, alerts)) == [0, 1, 1]
    ((stored,), told) = alerts[-1], json.loads(alerts[-1][0]["document"])
    validate(told)
    assert (told["kind"], told["severity"], told["incident"]) == ("armed", "warning", None)
    assert (told["host"], told["segment"], told["code"]) == (host, segment, "DISARM_OVER")
    assert (stored["host_name"], stored["segment_uuid"], stored["spread_at"]) == (host, segment, None)
    assert (told["facts"]["by"], told["facts"]["why"]) == ("ann", "because")


def test_an_arming_by_hand_is_no_alert(rig: SqlRig) -> None:
    """Who arms knows it; nothing runs out then."""
    clock = HandClock()
    rig.disarm("all", "", seconds=10.0)
    with disarming.transaction(rig.engine) as connection:
        disarming.arm(connection, disarming.ALL, because="ann armed it")
    rig.pass_time(10.0)
    DisarmWatch(rig.engine, clock).look()
    assert rig.read(select(schema.alerts)) == []


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
