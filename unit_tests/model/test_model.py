"""In no interleaving of the small world is a promise broken; where one is broken on purpose, the model finds a way to it.

What it may find in the product becomes a scenario: each path is a list of steps that a scenario's commands can follow. That it can find
something is shown by mutations of `unit_tests/mutations/table.py`, each of which has its scenario there already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.model.explore import explore
from unit_tests.model.world import FAULTS, SmallWorld
from unit_tests.mutations.table import MUTATIONS
from unit_tests.mutations.test_mutations import copy_of_the_source, run

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("lost", "late", "fall", "power-on")
"""Faults that lead to a few thousand states; the others lead to ten or twenty thousand."""

CAUGHT = {
    "one-witness-unchecked": (),
    "deaf-witness-unchecked": (),
    "unanswered-repeated": ("--only", "lost"),
    "pin-ignored-unchecked": ("--only", "fall"),
}
"""Mutations that the model finds, with the fault that it takes, if any."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the engines' log out of it: it would be most of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "fault", [fault if fault in QUICK else pytest.param(fault, marks=pytest.mark.slow) for fault in FAULTS]
)
@pytest.mark.timeout(300)
def test_every_interleaving_with_one_fault(fault: str) -> None:
    """Whenever the fault comes, and however two engines and Nova go on then, no guest runs twice and none is lost."""
    explored = explore(SmallWorld(only=fault))
    assert explored.found == {}
    assert explored.is_whole
    assert explored.states > 1000
    assert explored.ends["recovered"] > 50


@pytest.mark.parametrize("fault", ["lost", pytest.param("pause", marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_a_healthy_host_is_left_alone(fault: str) -> None:
    """A host that Nova hears is never ordered off, in no interleaving."""
    explored = explore(SmallWorld(only=fault, is_false_alarm=True))
    assert explored.found == {}
    assert explored.is_whole
    assert set(explored.ends) == {"disputed"}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_broken_promise_is_found(name: str, tmp_path: Path) -> None:
    """The model finds the deed of a mutation, and prints the way to it."""
    (mutation,) = (mutation for mutation in MUTATIONS if mutation.name == name)
    folder = copy_of_the_source(tmp_path, mutation.edits)
    (folder / "unit_tests").symlink_to(ROOT / "unit_tests")
    answer = run(folder, "-m", "unit_tests.model.explore", "--first", *(CAUGHT[name] or ("--faults", "0")))
    assert answer.returncode == 1, f"the model does not see that {mutation.why}\n{answer.stderr}"
    assert "VIOLATION" in answer.stdout
    assert "round A; leave A 0" in answer.stdout


def test_a_state_can_be_gone_back_to() -> None:
    """What was kept is as it was, whatever happened since."""
    world = SmallWorld()
    before, kept = world.fingerprint(), world.save()
    world.load(kept)
    for _ in range(30):
        world.go(next(iter(world.ways())))
    assert world.fingerprint() != before
    world.load(kept)
    assert world.fingerprint() == before
