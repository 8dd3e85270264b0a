"""Runs the demo as a person would, a few runs at a time: most of a run is waiting."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import vmha
from unit_tests.mutations.table import Edit

SOURCE = Path(vmha.__file__).parent
AT_ONCE = 3
"""On two cores: a run needs a few seconds of one, and most of that at its start."""

SECONDS = 500
"""Far more than any run takes, with its set-up, on a machine that has nothing else to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One run: its fault, the changes in a copy of the source that it runs on, the terminal's columns (0: a pipe)."""

    name: str
    fault: str = ""
    edits: tuple[Edit, ...] = ()
    columns: int = 0
    is_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a run, and what it left behind in its folder and among the processes."""

    code: int
    output: str
    errors: str
    left: tuple[str, ...]


class Plays:
    """Starts all runs that will be asked for and keeps what came of them."""

    def __init__(self, plays: list[Play], folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._results: dict[str, Future[Played]] = {
            play.name: self._pool.submit(self._run, play) for play in mixed(plays)
        }

    def of(self, play: Play) -> Played:
        """Wait for a run."""
        return self._results[play.name].result()

    def close(self) -> None:
        """End what still runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        self._pool.shutdown(wait=True)

    def _run(self, play: Play) -> Played:
        folder = self._folder / play.name
        scratch = folder / "tmp"
        scratch.mkdir(parents=True)
        source = SOURCE.parent if not play.edits else copy_of_the_source(folder, play.edits)
        command = [sys.executable, "-m", "vmha.sim.demo", *([play.fault] if play.fault else [])]
        environment = demo_environment(source, scratch)
        if play.columns:
            code, output = self._on_a_terminal(command, environment, play.columns)
            errors = ""
        else:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            self._running.append(process)
            out, err = process.communicate(timeout=SECONDS)
            code, output, errors = process.returncode, out.decode(), err.decode()
        return Played(code=code, output=output, errors=errors, left=left_behind(scratch))

    def _on_a_terminal(self, command: list[str], environment: dict[str, str], columns: int) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        self._running.append(process)
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
        os.close(ours)
        return process.wait(SECONDS), said.decode()


def mixed(plays: list[Play]) -> list[Play]:
    """Put the long runs first, each before a few short ones: several of them at once would start many processes at once."""
    long, short = ([play for play in plays if play.is_long is kind] for kind in (True, False))
    groups = zip_longest(long, *(short[number :: AT_ONCE - 1] for number in range(AT_ONCE - 1)))
    return [play for group in groups for play in group if play is not None]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how a terminal says that nobody writes to it any more
        return b""


def copy_of_the_source(folder: Path, edits: tuple[Edit, ...]) -> Path:
    """Copy the service and apply the edits; a text that is not there exactly once fails the test."""
    shutil.copytree(SOURCE, folder / "vmha", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        path = folder / "vmha" / edit.file
        text = path.read_text()
        assert text.count(edit.old) == 1, f"{edit.file} holds this {text.count(edit.old)} times, not once:\n{edit.old}"
        path.write_text(text.replace(edit.old, edit.new))
    return folder


def demo_environment(source: Path, scratch: Path) -> dict[str, str]:
    """Return an environment that reads the service from `source` and keeps temporary files in `scratch`."""
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    more = {"PYTHONPATH": str(source), "TMPDIR": str(scratch), "TERM": "xterm", "PYTHONUTF8": "1"}
    return {**kept, **more}


def left_behind(scratch: Path) -> tuple[str, ...]:
    """Name the files in `scratch`, and the processes that still work there."""
    files = [str(path) for path in scratch.iterdir()]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(scratch) in words:
            files.append(words.replace("\0", " "))
    return tuple(files)
