"""The contract of `purge`, held on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from unit_tests.adapters.db.purge_contract import PurgeContract


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], str]:
    """Files that do not exist yet."""
    numbers = count()
    return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.sqlite"


class TestSqlitePurge(PurgeContract):
    """SQLite."""
