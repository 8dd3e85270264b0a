"""The contract of `migrate`, held on SQLite."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from unit_tests.adapters.db.migration_contract import Fresh, MigrationContract


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    """Files that do not exist yet."""
    numbers = count()
    return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.sqlite"


class TestSqliteMigrations(MigrationContract):
    """SQLite."""
