"""The engine dies before and after every step of a recovery, and another one finishes: nothing is doubled, nothing lost (P4, P5)."""

from __future__ import annotations

from collections import Counter

import pytest

from unit_tests.engine.crash_rig import INSTANCES, OpenMemory, count_steps, crash_at, in_memory, in_sql
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database

BEFORE_AND_AFTER = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
PARTS = 3
"""The runs on SQLite take a while: in so many parts they can run side by side."""
SAMPLE = 34
"""In `make check` every so-manieth step is tried on SQLite."""


@pytest.fixture(scope="module")
def in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> OpenMemory:
    """Open a SQLite file."""
    url = f"sqlite:///{tmp_path_factory.mktemp('crash')}/vmha.sqlite"
    migrate.sync(open_database(url))
    return in_sql(url)


def test_the_steps_are_all_there(in_sqlite: OpenMemory) -> None:
    """A clean run passes every kind of step, orders each move once, and takes the same path on SQLite as in memory."""
    steps = count_steps(in_sqlite)
    kinds = Counter(step.split()[0] for step in steps)
    assert (kinds["claim"], kinds["off"], kinds["force_down"], kinds["evacuate"]) == (1, 1, 1, INSTANCES)
    assert kinds["admit"] == 2 + INSTANCES
    assert kinds["renew"] > 1
    assert steps[-1] == "commit ended"
    assert set(steps) == set(count_steps(in_memory))


@BEFORE_AND_AFTER
def test_a_crash_at_any_step_in_memory(after: bool) -> None:
    """Wherever the engine dies, another one ends the recovery with one evacuation per instance, and no promise is broken."""
    steps = count_steps(in_memory)
    assert crash_at(in_memory, range(len(steps)), after=after) == len(steps)


@BEFORE_AND_AFTER
def test_a_crash_at_some_steps_on_sqlite(in_sqlite: OpenMemory, after: bool) -> None:
    """The same on SQLite, for a sample of the steps and for each moment in which Nova may have taken an order."""
    steps = count_steps(in_sqlite)
    chosen = {*range(after, len(steps), SAMPLE), steps.index("evacuate")}
    assert crash_at(in_sqlite, sorted(chosen), after=after) == len(chosen)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
@BEFORE_AND_AFTER
def test_a_crash_at_any_step_on_sqlite(in_sqlite: OpenMemory, after: bool, part: int) -> None:
    """The same on SQLite, for every step."""
    steps = range(part, len(count_steps(in_sqlite)), PARTS)
    assert crash_at(in_sqlite, steps, after=after) == len(steps)
