"""Each engine, a real process, is killed at a step, and another one finishes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.crash.rig import Case, Cloud, played
from tests.sql.servers import Server
from unit_tests.adapters.db.rig import SqlRig
from vmha.sim.checker import check

STEPS = (
    "claim:1:after",
    "commit witnessing:2:before",
    "admit PowerOff:1:after",
    "off:1:after",
    "commit forcing_down:1:after",
    "force_down:1:after",
    "evacuate:2:after",  # between Nova's acceptance and the stored answer
    "commit ended:1:before",
)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cases(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """Run all cases to their ends."""
    make = [partial(_case, step) for step in STEPS]
    with played(mariadb, tmp_path_factory.mktemp("killed"), make) as made:
        yield {case.step: case for case in made}


def _case(step: str, cloud: Cloud, victim: str, rig: SqlRig) -> Case:
    return Case(cloud, step, victim, rig)


@pytest.mark.parametrize("step", STEPS)
def test_another_engine_finishes(cases: dict[str, Case], step: str) -> None:
    """An engine that is killed at this step is followed by another, which ends the recovery with one evacuation per instance."""
    assert cases[step].was_killed, cases[step].last_words()
    cases[step].see_it_recovered()


def test_no_promise_was_broken(cases: dict[str, Case]) -> None:
    """The record of the whole cloud shows no broken promise, on no host."""
    cloud = next(iter(cases.values())).cloud
    assert [str(violation) for violation in check(cloud.facts())] == []
