"""The contract of `migrate`, held on SQLite."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from unit_tests.adapters.db.migration_contract import Fresh, MigrationContract
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    """Files that do not exist yet."""
    numbers = count()
    return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.sqlite"


class TestSqliteMigrations(MigrationContract):
    """SQLite."""


def test_a_new_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses to change how a file is written while somebody writes it; we wait, as everywhere else."""
    file = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("CREATE TABLE other (id INTEGER)")
        synced = pool.submit(migrate.sync, open_database(f"sqlite:///{file}"))
        try:
            assert not wait([synced], timeout=0.2).done
        finally:
            writer.execute("COMMIT")
        synced.result()
    with closing(sqlite3.connect(file)) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
