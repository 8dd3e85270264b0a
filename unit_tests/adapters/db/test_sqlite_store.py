"""The contract of `Store`, held by the SQL store on SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.adapters.db.sql_store_contract import SqlStoreContract
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database


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
