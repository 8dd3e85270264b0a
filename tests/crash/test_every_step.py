"""The engine dies before and after every step of a recovery on MariaDB, and another one finishes (P4, P5). In virtual time.

Both halves run side by side, in processes of their own with a database each: the steps are many and the machine may have two cores.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from tests.sql.servers import Server, make_database
from unit_tests.engine.crash_rig import count_steps, crash_at, in_sql


def crash_everywhere(url: str, after: bool) -> tuple[int, int]:
    """Run the recovery once for each step; return how many steps there are and how many runs were made."""
    open_memory = in_sql(url)
    steps = count_steps(open_memory)
    return len(steps), crash_at(open_memory, range(len(steps)), after=after)


@pytest.fixture(scope="module")
def halves(mariadb: Server) -> Iterator[dict[bool, Future[tuple[int, int]]]]:
    """Begin both halves."""
    urls = {after: make_database(mariadb, f"every_step_{after}", "CHARACTER SET utf8mb4") for after in (False, True)}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield {after: pool.submit(crash_everywhere, url, after) for after, url in urls.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step(halves: dict[bool, Future[tuple[int, int]]], after: bool) -> None:
    """Wherever the engine dies, another one ends the recovery with one evacuation per instance, and no promise is broken."""
    steps, runs = halves[after].result()
    assert runs == steps > 40
