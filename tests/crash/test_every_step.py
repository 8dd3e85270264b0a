"""The engine dies before and after every step of a recovery on MariaDB, and another one finishes (P4, P5). In process, in virtual time."""

from __future__ import annotations

import pytest

from tests.sql.servers import Server, make_database
from unit_tests.engine.crash_rig import OpenMemory, count_steps, crash_at, in_sql


@pytest.fixture(scope="module")
def in_mariadb(mariadb: Server) -> OpenMemory:
    """Open a database on MariaDB."""
    return in_sql(make_database(mariadb, "every_step", "CHARACTER SET utf8mb4"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step(in_mariadb: OpenMemory, after: bool) -> None:
    """Wherever the engine dies, another one ends the recovery with one evacuation per instance, and no promise is broken."""
    steps = count_steps(in_mariadb)
    assert crash_at(in_mariadb, range(len(steps)), after=after) == len(steps)
