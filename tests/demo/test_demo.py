"""`make demo` and each of its faults: the exit code, what is shown, and what is left behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.demo.plays import SOURCE, Play, Plays, demo_environment, left_behind
from vmha.sim.demo import CASES, TWELVE

pytestmark = pytest.mark.timeout(600)

MINUTE = 60.0
ENGINE_KILLED = "engine-killed"
PLAYS = [Play(name=fault or "no-fault", fault=fault, is_long=fault == ENGINE_KILLED) for fault in CASES]
ON_A_TERMINAL = Play(name="terminal", columns=80)
STAMPED = re.compile(r"^ +(\d+\.\d) s ", re.MULTILINE)
ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def ids(play: Play) -> str:
    """Name a test after its run."""
    return play.name


@pytest.mark.parametrize("play", PLAYS, ids=ids)
def test_the_promise_holds_within_a_minute(play: Play, plays: Plays) -> None:
    """The run exits 0 at most a minute after its set-up, and says where the recovery stands."""
    played = plays.of(play)
    assert played.code == 0, played.output + played.errors
    before, _, after = played.output.partition("what happens\n")
    assert "a client (openstacksdk) makes a segment" in before
    assert max(float(seconds) for seconds in STAMPED.findall(after)) <= MINUTE
    standing = " or ".join(CASES[play.fault].ends_in)
    assert re.search(rf"^every promise held; the recovery of c1.*: {standing}$", played.output, re.MULTILINE)
    assert played.errors == ""


@pytest.mark.parametrize("play", PLAYS, ids=ids)
def test_timeline_table_and_proof_are_shown(play: Play, plays: Plays) -> None:
    """The end shows how long each step took, where each of the twelve instances runs, and the proof or that there is none."""
    output, case = plays.of(play).output, CASES[play.fault]
    assert "how long each step took for c1" in output
    assert re.search(r"^  witness  .* \d+\.\d s", output, re.MULTILINE)
    rows = re.findall(r"^  vm(\d+) +c1 +(\S+) +(\S+)$", output, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, TWELVE + 1))
    moved = [where for _, where, _ in rows if where not in ("stays", "waits")]
    if "recovered" in case.ends_in:
        assert len(moved) == TWELVE
    else:
        assert (0 < len(moved) < TWELVE) if case.moves else not moved
    has_proof = re.search(r"^  proof by ipmi: OFF at .*, OFF at ", output, re.MULTILINE) is not None
    assert has_proof == case.moves
    assert ("no proof: nothing of it may run elsewhere" in output) != case.moves
    assert ("masakari-manage recovery confirm" in output) == ("recovered" not in case.ends_in)


@pytest.mark.parametrize("play", PLAYS, ids=ids)
def test_nothing_is_left_behind(play: Play, plays: Plays) -> None:
    """No process and no file outlives the run."""
    assert plays.of(play).left == ()


@pytest.mark.parametrize("play", [PLAYS[0]], ids=ids)
def test_a_pipe_gets_plain_lines(play: Play, plays: Plays) -> None:
    """Without a terminal each step and each change of the moves is a line, uncoloured and whole."""
    output = plays.of(play).output
    assert "\x1b" not in output
    assert "\r" not in output
    for words in ("step 1 of 4, witness", "step 4 of 4, moves", "12 of 12 instances moved", "ended: recovered"):
        assert words in output


@pytest.mark.parametrize("play", [play for play in PLAYS if play.fault == ENGINE_KILLED], ids=ids)
def test_the_stopped_engine_had_orders_in_hand(play: Play, plays: Plays) -> None:
    """The engine that is stopped wakes with orders that were stored and not sent: the case that a lease is for."""
    in_hand = re.search(r"with (\d+) orders in hand", plays.of(play).output)
    assert in_hand is not None
    assert int(in_hand[1]) > 0


@pytest.mark.parametrize("play", [ON_A_TERMINAL], ids=ids)
def test_a_terminal_shows_it_live(play: Play, plays: Plays) -> None:
    """On a terminal a bar follows the moves in colour, and no line is wider than the terminal."""
    played = plays.of(play)
    assert played.code == 0, played.output
    assert "\x1b[32m" in played.output
    lines = [ESCAPE.sub("", line) for line in played.output.split("\r\n")]
    assert max(len(line) for line in lines if "masakari-manage" not in line) < play.columns
    assert any("step 2 of 4, fence" in line for line in lines)
    assert any("✓ force-down" in line and "━" in line and "12/12" in line for line in lines)
    assert "every promise held; the recovery of c1: recovered" in lines


def test_an_unknown_fault_is_told_the_known_ones() -> None:
    """A fault that does not exist exits 2 at once and lists those that do."""
    command = (sys.executable, "-m", "vmha.sim.demo", "coffee-spilt")
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert answer.returncode == 2
    assert answer.stdout == ""
    known = ", ".join(fault for fault in CASES if fault)
    assert answer.stderr == f"unknown FAULT coffee-spilt; known are: {known}\n"


def test_the_issue_s_faults_exist() -> None:
    """The faults that were promised are there."""
    promised = ("bmc-silent", "bmc-lies", "bmc-bad-password", "disputed", "host-returns", "engine-killed", "storm")
    assert set(CASES) >= {"", *promised}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_demo_cleans_up(number: signal.Signals, tmp_path: Path) -> None:
    """A demo that is interrupted ends its processes and exits 130 without a traceback."""
    command = (sys.executable, "-m", "vmha.sim.demo", "disputed")
    process = subprocess.Popen(
        command,
        env=demo_environment(SOURCE.parent, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while len(list(tmp_path.rglob("*.log"))) == 0:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            pytest.fail(f"it started no program: {process.communicate()}")
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == ""
    assert left_behind(tmp_path) == ()
