"""What befalls several parts at once in a storm, and answers that come late or twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from vmha.core.model import Outcome
from vmha.sim import checker
from vmha.sim.faults import inject
from vmha.sim.rig import Rig
from vmha.sim.storm import Storm, missing
from vmha.sim.storm_parts import LATE_SECONDS, PARTS
from vmha.sim.storm_verdict import Result
from vmha.sim.world import small_cloud


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the engines' log out of it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("delays", [(LATE_SECONDS,), (0.0, 0.0), (0.0, LATE_SECONDS)], ids=["late", "twice", "again"])
def test_answers_that_are_late_or_doubled_do_no_harm(delays: tuple[float, ...]) -> None:
    """Where each answer is late, or comes twice, the host is recovered with one evacuation per instance."""
    world = small_cloud(7, instances=6)
    rig = Rig(world, engines=2)
    for actor in rig.actors.values():
        actor.delays = [delays] * 1000
    world.advance(100.0)
    inject(world, "host_crashes", host="c1")
    rig.memory.report("c1", "n1")
    world.advance(600.0)
    (recovery,) = rig.memory.failures
    assert recovery.outcome is Outcome.RECOVERED
    assert [record.status for record in world.nova.migrations] == ["done", "done"]
    assert checker.check(world.record.facts) == []
    assert all(len(actor.delays) < 1000 for actor in rig.actors.values() if actor.engine and actor.name == "engine-1")


@pytest.mark.parametrize("name", PARTS)
def test_each_of_them_can_be_missed(name: str) -> None:
    """A run of storms in which one of them never occurred says so."""
    assert name in missing(Result())


def test_they_come_with_some_seeds() -> None:
    """Some storms have two of them, at times of their own, and what befalls the cloud otherwise is what it was."""
    found = Result()
    for seed in range(12):
        found.add(Storm(seed).run())
    assert sum(found.faults[name] for name in PARTS) >= 4
    assert found.violations == []
