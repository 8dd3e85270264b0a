"""The database decides what is a duplicate: without a lock service and without a sleep, among any number of API processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.sql import racing
from tests.sql.conftest import fresh_databases
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import open_database, transaction

ROUNDS = 200


@pytest.fixture(params=["mariadb", "postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/masakari.sqlite"
    fresh: Callable[[], str] = fresh_databases(request.getfixturevalue(request.param))
    return fresh()


@pytest.mark.timeout(300)
def test_one_of_ten_equal_reports_is_accepted(url: str, tmp_path: Path) -> None:
    """Ten API processes post the same report at once, 200 times: each time one gets 202, nine get 409, and one recovery opens."""
    engine = open_database(url)
    migrate.sync(engine)
    hosts = racing.add_hosts(engine, ROUNDS)
    rounds = racing.race(url, tmp_path, hosts)
    assert [codes for codes in rounds if codes != {202: 1, 409: racing.PROCESSES - 1}] == []
    assert len(rounds) == ROUNDS
    with transaction(engine) as connection:
        for table in (schema.recoveries, schema.notifications, schema.recovery_notifications):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == ROUNDS
        hosts_recovered = select(func.count(schema.recoveries.c.host_uuid.distinct()))
        assert connection.execute(hosts_recovered).scalar_one() == ROUNDS
        assert connection.execute(select(func.count()).select_from(schema.inbox)).scalar_one() == 0
    engine.dispose()
