"""Servers of our own for the tests of this folder: one MariaDB and one PostgreSQL, started at most once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.sql.servers import MariaDb, PostgreSql, Server, make_database, running
from unit_tests.adapters.db.rig import SqlRig, rigged


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A private MariaDB."""
    yield from running(MariaDb)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A private PostgreSQL."""
    yield from running(PostgreSql)


@pytest.fixture(scope="session")
def mariadb_url(mariadb: Server) -> str:
    """A database on MariaDB with all tables."""
    return make_database(mariadb, "vmha", "CHARACTER SET utf8mb4")


@pytest.fixture(scope="session")
def postgresql_url(postgresql: Server) -> str:
    """A database on PostgreSQL with all tables."""
    return make_database(postgresql, "vmha")


NUMBERS = count()


def fresh_databases(server: Server) -> Callable[[], str]:
    """Return what makes one empty database after the other."""
    return lambda: server.create_database(f"fresh_{next(NUMBERS)}")


def rig_on(url: str) -> Iterator[SqlRig]:
    """Give a rig."""
    with rigged(url) as rig:
        yield rig
