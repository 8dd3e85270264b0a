"""No two scenarios take the same branches to the same effects, and no branch of a decision is in none of them."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from unit_tests.scenarios.branches import Branch, Played, all_branches, forks_in, play
from unit_tests.scenarios.unplayed import ALIKE, CANNOT, Named

FILES = sorted(Path(__file__).parent.glob("*.scenario"))
# One worker for all of them, since to play every scenario is most of it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("branches")]


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    """Play every scenario."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return dict(zip([path.stem for path in FILES], pool.map(play, FILES, chunksize=4), strict=True))


def test_every_branch_is_played(played: dict[str, Played]) -> None:
    """Each branch of `decide()`, of each kind of incident, is taken by a scenario, or stands in `unplayed.py`."""
    taken = {branch for each in played.values() for branch in each.decided}
    unplayed = {_named(branch) for branch in all_branches() - taken}
    assert sorted(unplayed - CANNOT.keys()) == [], "let a scenario take it, or say in unplayed.py why none can"
    assert sorted(CANNOT.keys() - unplayed) == [], "it is played, or is there no more: take it out of unplayed.py"


def test_what_is_left_out_grows_shorter() -> None:
    """The list of what cannot be played is short."""
    assert len(CANNOT) <= 19


def test_no_two_scenarios_are_alike(played: dict[str, Played]) -> None:
    """Two scenarios that take the same branches to the same orders and alerts are one too many, but for those with a reason."""
    alike = defaultdict[Played, list[str]](list)
    for name, each in played.items():
        alike[each].append(name)
    twins = [set(pair) for names in alike.values() for pair in combinations(sorted(names), 2)]
    assert [sorted(pair) for pair in twins if not _has_reason(pair, alike)] == []


def _has_reason(pair: set[str], alike: dict[Played, list[str]]) -> bool:
    """Tell whether both stand in a group with a reason, or each in one with a third that they are both like."""
    (names,) = (names for names in alike.values() if pair <= set(names))
    excused = {name for group in ALIKE if group <= set(names) for name in group}
    return pair <= excused


def test_a_branch_is_what_follows_its_test() -> None:
    """A branching statement is found with its words and where its body begins."""
    (fork,) = (fork for fork in forks_in("core/recovery") if fork.words == "not moving.end_if_settled(draft)")
    assert fork.first == fork.last == fork.body - 1


def _named(branch: Branch) -> Named:
    return branch.module, branch.test, branch.way
