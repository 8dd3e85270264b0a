"""An engine of the commit before and one of this commit work on one database: each is killed at a step, and the other one finishes.

The schema is this commit's, since an upgrade begins with `masakari-manage db sync`. The commit before comes from the history that every
clone has. In a shallow clone, which ends with this commit, two trees of this one stand for the versions, and a warning says so; without
any history (an archive of the source) the test fails in CI, and is skipped elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.crash.rig import ROOT, Case, Cloud, played
from tests.sql.servers import Server
from unit_tests.adapters.db.rig import SqlRig
from vmha.sim.checker import check

BEFORE_FIRST, THIS_FIRST = "before-then-this", "this-then-before"
CASES = tuple(
    (order, step) for order in (BEFORE_FIRST, THIS_FIRST) for step in ("commit fencing:1:after", "evacuate:2:after")
)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the commit before; while something is changed and not committed, that of the last one."""
    is_changed = bool(_git("status", "--porcelain", "--", "src"))
    commits = _git("rev-list", "--first-parent", "--max-count=2", "HEAD").decode().split()
    if not commits:
        why = "there is no history here, so no commit before; clone the repository"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    commit = commits[0] if is_changed else commits[-1]
    if len(commits) == 1:
        warnings.warn("no commit before in this shallow clone; this one stands in for it", stacklevel=1)
    tree = tmp_path_factory.mktemp("before")
    archive = subprocess.run(
        ("git", "archive", commit, "src", "tests", "unit_tests"), cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    subprocess.run(("tar", "-x", "-C", str(tree)), input=archive.stdout, check=True)
    return tree


def _git(*words: str) -> bytes:
    """Ask git; no answer where this is no clone."""
    return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, check=False).stdout


@pytest.fixture(scope="module")
def cases(mariadb: Server, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[object, Case]]:
    """Run all cases to their ends."""
    trees = {BEFORE_FIRST: (before, ROOT), THIS_FIRST: (ROOT, before)}
    make = [partial(_case, step, trees[order]) for order, step in CASES]
    with played(mariadb, tmp_path_factory.mktemp("rolling"), make) as made:
        yield dict(zip(CASES, made, strict=True))


def _case(step: str, trees: tuple[Path, Path], cloud: Cloud, victim: str, rig: SqlRig) -> Case:
    return Case(cloud, step, victim, rig, trees)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_other_version_finishes(cases: dict[object, Case], case: tuple[str, str]) -> None:
    """What an engine of one version began, one of the other reads and ends, with one evacuation per instance."""
    assert cases[case].was_killed, cases[case].last_words()
    cases[case].see_it_recovered()


def test_each_engine_ran_its_own_version(cases: dict[object, Case], before: Path) -> None:
    """What was imported is of the tree that the case names, and not of the environment that both share."""
    order, step = CASES[0]
    environment = {**os.environ, "PYTHONPATH": f"{before / 'src'}"}
    program = str(cases[(order, step)].engines["engine-1"].args[0])  # type: ignore[index]
    where = subprocess.run(
        (program, "-c", "import vmha; print(vmha.__file__)"), env=environment, capture_output=True, check=True
    )
    assert Path(where.stdout.decode().strip()).is_relative_to(before)


def test_no_promise_was_broken(cases: dict[object, Case]) -> None:
    """The record of the whole cloud shows no broken promise, on no host."""
    assert [str(violation) for violation in check(cases[CASES[0]].cloud.facts())] == []
