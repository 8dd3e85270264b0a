"""`python -m vmha sim` as a person at a terminal meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vmha.sim import storm
from vmha.sim.command import main

SCENARIOS = Path(__file__).parents[1] / "scenarios"
SCRIPT = """why: A host dies.
cloud: hosts=3 instances=3

100    host_crashes host=c1
100    report c1
300    end
"""


def test_a_scenario_is_played_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A recorded scenario is shown from report to end, says that it is simulated, and exits 0 where it comes out as recorded."""
    file = SCENARIOS / "brake.scenario"
    assert main([str(file)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{file} (simulated)\nrecovery of ")
    assert "guests\n" in out


def test_a_script_of_ones_own_needs_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new script plays as it stands; one that holds another outcome exits 1 and says so."""
    file = tmp_path / "mine.scenario"
    file.write_text(SCRIPT)
    assert main([str(file)]) == 0
    assert "recovery of c1: ended as recovered" in capsys.readouterr().out
    file.write_text(f"{SCRIPT}\n---\nrecovery of c1: unproven\n")
    assert main([str(file)]) == 1
    assert "This is not what stands below" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SCRIPT.replace("report c1", "shout c1"), "line 5: 'shout c1' cannot be done"),
        (SCRIPT.replace("why: A host dies.\n", ""), "the file says not why it exists"),
        (None, "No such file"),
    ],
)
def test_what_cannot_be_played_is_one_line(
    text: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in a script is named with its line, exit 2; the other files are played all the same."""
    broken, good = tmp_path / "broken.scenario", tmp_path / "good.scenario"
    good.write_text(SCRIPT)
    if text is not None:
        broken.write_text(text)
    assert main([str(broken), str(good)]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert f"{good} (simulated)" in told.out


def test_nothing_to_play_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file and without --storm there is nothing to do: exit 2."""
    assert main([]) == 2
    assert capsys.readouterr().err == "python -m vmha sim: name scenario files, or say --storm\n"


def test_a_seed_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """One seed shows the timelines of its recoveries; its exit code is 1 where a promise broke."""
    assert main(["--storm", "--seed", "7"]) == 0
    assert "recovery of c" in capsys.readouterr().out


def test_a_violation_says_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The report of a storm names the command that replays the first seed that failed."""
    storm.report(storm.Result(runs=1, violations=["seed 41: two guests"]), 1.0)
    assert "replay: python -m vmha sim --storm --seed 41" in capsys.readouterr().out


def test_the_module_starts_it() -> None:
    """`python -m vmha sim` reaches all this; without the word it is the service."""
    done = subprocess.run(
        [sys.executable, "-m", "vmha", "sim", str(SCENARIOS / "brake.scenario")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "(simulated)" in done.stdout) == (0, True)
