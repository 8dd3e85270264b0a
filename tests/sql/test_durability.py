"""Whether an acknowledged commit outlives a power cut, read from the settings of real servers.

The servers of this folder are tuned to lose commits, since their data goes anyway: that must be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from tests.sql.servers import PostgreSql, Server, running
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.durability import durability


class CarefulPostgreSql(PostgreSql):
    """PostgreSQL as it ships, as far as commits go; of two settings on a command line the last one holds."""

    def _serve(self) -> list[str]:
        return [*super()._serve(), "-c", "fsync=on", "-c", "synchronous_commit=on"]


@pytest.fixture(scope="module")
def careful() -> Iterator[Server]:
    """A private PostgreSQL that waits for its disk."""
    yield from running(CarefulPostgreSql)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """Open a database as the service does."""
    engine = open_database(url)
    yield engine
    engine.dispose()


@contextmanager
def flushing(engine: Engine, value: int) -> Iterator[None]:
    """Let MariaDB flush at each commit (1), or seldom."""
    with engine.begin() as connection:
        connection.execute(text(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("SET GLOBAL innodb_flush_log_at_trx_commit = 0"))


@pytest.mark.parametrize("value", [0, 2])
def test_mariadb_that_flushes_seldom_is_found(value: int, mariadb_url: str) -> None:
    """A commit of the last second would be lost: the setting is named, and the cure."""
    with opened(mariadb_url) as engine, flushing(engine, value):
        found = durability(engine)
    assert found.is_durable is False
    assert f"innodb_flush_log_at_trx_commit = {value}" in found.says
    assert "innodb_flush_log_at_trx_commit = 1" in found.do


def test_mariadb_that_flushes_each_commit_is_durable(mariadb_url: str) -> None:
    """Without a binary log the one setting is enough."""
    with opened(mariadb_url) as engine, flushing(engine, 1):
        found = durability(engine)
    assert found.is_durable is True


def test_postgresql_that_does_not_wait_is_found(postgresql_url: str) -> None:
    """A server without fsync loses what it acknowledged."""
    with opened(postgresql_url) as engine:
        found = durability(engine)
    assert found.is_durable is False
    assert "fsync = off" in found.says


def test_postgresql_that_waits_is_durable(careful: Server) -> None:
    """With the settings that it ships with, it is; that no standby is waited for is said."""
    with opened(careful.create_database("careful")) as engine:
        found = durability(engine)
    assert found.is_durable is True
    assert "synchronous_standby_names is empty" in found.says
