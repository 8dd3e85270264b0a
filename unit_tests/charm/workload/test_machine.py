"""Commands as they are really run."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

import pytest

from masakari_charm.workload.machine import CommandFailed, Machine, Trouble, explained


def test_an_answer_has_code_and_words() -> None:
    """Exit code, output and error text come back as they are, whatever bytes they hold."""
    program = "import sys; print('out'); sys.stderr.buffer.write(b'\\xff err'); sys.exit(3)"
    answer = Machine().ask(sys.executable, "-c", program)
    assert (answer.code, answer.out, answer.err) == (3, "out\n", "\ufffd err")


def test_a_hooks_environment_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hook has in its environment reaches no command; what the machine is given does."""
    monkeypatch.setenv("PYTHONPATH", "/charm/lib")
    monkeypatch.setenv("PIP_INDEX_URL", "http://nowhere")
    answer = Machine(environment={"http_proxy": "http://proxy:1"}).run("/usr/bin/env")
    found = dict(line.partition("=")[::2] for line in answer.out.splitlines())
    assert not {"PYTHONPATH", "PIP_INDEX_URL"} & found.keys()
    assert (found["http_proxy"], found["DEBIAN_FRONTEND"]) == ("http://proxy:1", "noninteractive")


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """When its time is over nothing of it runs on: nobody has its pipe open any more."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ours = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        answer = Machine().ask("/bin/sh", "-c", f"sleep 60 > {pipe} & wait", timeout_seconds=1.0)
        assert answer.code is None
        select.select([ours], [], [], 30)  # until the last writer is gone; at once where none came so far
        assert os.read(ours, 1) == b""
    finally:
        os.close(ours)


def test_what_a_command_leaves_running_is_not_waited_for() -> None:
    """A server that a package's script started holds nobody up, though it still has the script's output open."""
    answer = Machine().run("/bin/sh", "-c", "setsid sleep 300 & echo $!", timeout_seconds=60.0)
    os.kill(int(answer.out), signal.SIGKILL)  # there is nobody to kill once it was waited for


def test_a_program_that_is_missing_is_named() -> None:
    """A program that is not there is a command that failed, and says so."""
    with pytest.raises(CommandFailed, match="nothing -c failed with 127: there is no /usr/bin/nothing"):
        Machine().run("/usr/bin/nothing", "-c")


def test_the_last_words_are_short() -> None:
    """A message has the last three lines of what a command said, on one line and bounded."""
    with pytest.raises(CommandFailed) as failed:
        Machine().run(
            sys.executable, "-c", "import sys; sys.exit('\\n'.join(['fir' + 'st', 'x' * 1000, 'E: the last']))"
        )
    assert str(failed.value).endswith("xx E: the last")
    assert "first" not in str(failed.value)
    assert len(str(failed.value)) < 600


def test_trouble_says_what_and_what_to_do() -> None:
    """What failed becomes a problem with a fix; a full disk has its own."""
    with pytest.raises(Trouble) as trouble, explained("cannot do it", fix="try again"):
        Machine().run("/bin/sh", "-c", "echo no >&2; exit 1")
    assert trouble.value.problem.what == "cannot do it: sh -c echo no >&2; exit 1 failed with 1: no"
    assert trouble.value.problem.fix == "try again"
    with pytest.raises(Trouble) as trouble, explained("cannot do it", fix="try again"):
        Machine().run("/bin/sh", "-c", "echo 'cp: No space left on device' >&2; exit 1")
    assert trouble.value.problem.fix.startswith("make room")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a command as somebody else")
def test_a_command_runs_as_its_user() -> None:
    """A command for the service's user has that user's rights, and no group of ours."""
    answer = Machine().run("/usr/bin/id", user="nobody")
    assert "(nobody)" in answer.out
    assert "root" not in answer.out
