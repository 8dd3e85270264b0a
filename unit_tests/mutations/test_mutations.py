"""Each promise is broken on purpose in a copy of the source, and a named scenario or a storm must then fail.

The table is `table.py`. What fails here is not the product but its safety net: a promise could be broken and nobody would notice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import vmha
from unit_tests.mutations.incidents import INCIDENTS
from unit_tests.mutations.table import BY_STORM, DIFFERS, STOPPED, VIOLATION, Edit, Mutation
from unit_tests.mutations.table import MUTATIONS as HOSTS

MUTATIONS = (*HOSTS, *INCIDENTS)
SOURCE = Path(vmha.__file__).parent
SCENARIOS = Path(__file__).parents[1] / "scenarios"
SECONDS = 50
BROKEN = "going on would break a promise"


def copy_of_the_source(folder: Path, edits: tuple[Edit, ...] = ()) -> Path:
    """Copy the service and apply the edits; a text that is not there exactly once fails the test."""
    shutil.copytree(SOURCE, folder / "vmha")
    for edit in edits:
        path = folder / "vmha" / edit.file
        text = path.read_text()
        assert text.count(edit.old) == 1, f"{edit.file} holds this {text.count(edit.old)} times, not once:\n{edit.old}"
        path.write_text(text.replace(edit.old, edit.new))
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the copy."""
    command = (sys.executable, *arguments)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def play(folder: Path, names: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Play scenarios on the copy."""
    return run(folder, "-m", "vmha.sim.scenario", *(str(SCENARIOS / f"{name}.scenario") for name in names))


def deeds(output: str) -> set[str]:
    """Tell in which ways a run failed."""
    added = [line[1:] for line in output.splitlines() if line.startswith("+") and not line.startswith("+++")]
    found = {DIFFERS} if added else set()
    if any(line.startswith(VIOLATION) for line in added):
        found.add(VIOLATION)
    if any(BROKEN in line for line in added):
        found.add(STOPPED)
    return found


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.promise}-{mutation.name}")
def test_a_scenario_notices(mutation: Mutation, tmp_path: Path) -> None:
    """The scenario named in the table fails in the way that the table says, and does not just crash."""
    answer = play(copy_of_the_source(tmp_path, mutation.edits), mutation.scenarios)
    assert "Traceback" not in answer.stderr, answer.stderr
    assert answer.returncode == 1, f"nobody noticed that {mutation.why}"
    assert mutation.shows in deeds(answer.stdout), answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("mutation", BY_STORM, ids=lambda mutation: f"{mutation.promise}-{mutation.name}")
def test_a_storm_notices(mutation: Mutation, tmp_path: Path) -> None:
    """Within the seeds of the table a storm finds the deed, and does not just crash."""
    folder = copy_of_the_source(tmp_path, mutation.edits)
    answer = run(folder, "-m", "vmha.sim.storm", "--seeds", str(mutation.seeds))
    found = [line for line in answer.stdout.splitlines() if line.startswith(VIOLATION)]
    assert answer.returncode == 1, f"no seed noticed that {mutation.why}"
    assert found
    assert not any("crashed" in line for line in found), answer.stdout


def test_the_source_itself_passes(tmp_path: Path) -> None:
    """Unchanged, the copy plays every scenario of the table, and it is the copy that is played."""
    folder = copy_of_the_source(tmp_path)
    names = tuple(sorted({name for mutation in MUTATIONS for name in mutation.scenarios}))
    answer = play(folder, names)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    where = run(folder, "-c", "import vmha; print(vmha.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(folder)


def test_every_promise_is_broken_often_enough() -> None:
    """Each promise has its mutations: two and more for P0 to P3, and one for each other that this code keeps."""
    count = Counter(mutation.promise for mutation in MUTATIONS)
    assert all(count[promise] >= 2 for promise in ("P0", "P1", "P2", "P3"))
    assert all(count[promise] >= 1 for promise in ("P4", "P5", "P6", "P7", "P8"))


def test_names_are_unique() -> None:
    """No two mutations share a name."""
    names = [mutation.name for mutation in (*MUTATIONS, *BY_STORM)]
    assert len(set(names)) == len(names)
