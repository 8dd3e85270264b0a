"""The contracts of `Store` and `Returns`, held by SQL on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.adapters.db.sql_returns_contract import SqlReturnsContract
from unit_tests.adapters.db.sql_store_contract import SqlStoreContract
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.store import SqlStore
from vmha.errors import StoreUnavailable


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file with all tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/vmha.sqlite"
    migrate.sync(open_database(url))
    return url


@pytest.fixture
def rig(url: str) -> Iterator[SqlRig]:
    """A store with three hosts."""
    with rigged(url) as rig:
        yield rig


class TestSqliteStore(SqlStoreContract):
    """The SQL store on SQLite."""


class TestSqliteReturns(SqlReturnsContract):
    """What lets hosts back, on SQLite."""


def test_a_database_without_tables_is_away_until_they_are_made(tmp_path: Path) -> None:
    """Whoever asks before `db sync` has run is told so, and may ask again."""
    engine = open_database(f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(StoreUnavailable, match="masakari-manage db sync"):
        SqlStore(engine).sign_on("engine-1")
    migrate.sync(engine)
    SqlStore(engine).sign_on("engine-1")
