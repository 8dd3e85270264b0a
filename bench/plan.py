"""The order of the runs: warm up, choose the bare loop's concurrency, then rounds in which each side has its turn.

A run on a machine that others used is measured again, as long as repeats are left; a run that failed too. Both are told.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from bench import machine
from bench.run import BARE, Run, measure_bare
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.errors import RigError

CONCURRENCIES = (1, 4, 8)
WARM_UP = 4
"""Concurrency of the first run, which does not count: Nova's connections are cold."""
NOISY_SHARE = 0.10
"""Which part of the machine others may use during a run."""
QUIET_SECONDS = 60.0
"""Longest wait for others to be quiet before a run."""

Say = Callable[[str], None]
Leg = Callable[[int], Run]
Round = Mapping[str, Run]


@dataclass(slots=True)
class Recorder:
    """Measures one leg after another, writes each down at once, and keeps what was thrown away."""

    cloud: Cloud
    file: Path
    say: Say
    repeats: int
    thrown_away: list[str] = field(default_factory=list)

    def measure(self, name: str, leg: Leg, size: int) -> Run:
        """Measure, until a run has neither failed nor been disturbed, or no repeats are left."""
        while True:
            try:
                done = self._once(leg, size)
            except (RigError, AssertionError) as error:
                if not self._may_repeat(f"{name}: failed: {str(error).splitlines()[0]}"):
                    raise
                continue
            self._write(name, done)
            if done.foreign_share < NOISY_SHARE or not self._may_repeat(
                f"{name}: {done.seconds:.1f} s while others used {done.foreign_share:.0%} of the machine"
            ):
                return done

    def _once(self, leg: Leg, size: int) -> Run:
        with alone(self.cloud, self.say):
            until = time.monotonic() + QUIET_SECONDS
            while (
                machine.use_now(self.cloud.settings.data / "run").foreign_share > NOISY_SHARE
                and time.monotonic() < until
            ):
                time.sleep(1)
            return leg(size)

    def _may_repeat(self, what: str) -> bool:
        if len(self.thrown_away) >= self.repeats:
            return False
        self.thrown_away.append(what)
        self.say(f"thrown away: {what}")
        return True

    def _write(self, name: str, done: Run) -> None:
        proof = f", {done.from_proof:.1f} s of them after the proof" if done.from_proof else ""
        others = f"others used {done.foreign_share:.0%} of the machine"
        self.say(f"{name}: {done.seconds:.1f} s{proof}; {done.nova_calls} calls to Nova; {others}")
        with self.file.open("a") as file:
            file.write(json.dumps({"name": name, **asdict(done)}) + "\n")


def choose_concurrency(recorder: Recorder, size: int) -> dict[int, Run]:
    """Warm up, then try each concurrency of the bare loop once."""
    recorder.measure("warming up", partial(measure_bare, recorder.cloud, WARM_UP), min(size, 10))
    return {
        tried: recorder.measure(f"trial, {BARE} x {tried}", partial(measure_bare, recorder.cloud, tried), size)
        for tried in CONCURRENCIES
    }


def play(recorder: Recorder, legs: Mapping[str, Leg], rounds: int, sizes: list[int]) -> dict[int, list[Round]]:
    """Let each side recover once per round and size, in alternating order: who comes second finds what the first left behind."""
    played: dict[int, list[Round]] = {size: [] for size in sizes}
    for number in range(1, rounds + 1):
        sides = list(legs) if number % 2 else list(legs)[::-1]
        for size in sizes:
            name = f"round {number} of {rounds}, {size} instances"
            played[size].append({side: recorder.measure(f"{name}, {side}", legs[side], size) for side in sides})
    return played


@contextmanager
def alone(cloud: Cloud, say: Say) -> Iterator[None]:
    """Keep out whoever else wants this cloud for itself, and wait for tests on it to end."""
    with (cloud.settings.data / "bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another user of this cloud")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if machine.runs("tests/cloud"):
            say("waiting for pytest tests/cloud")
        while machine.runs("tests/cloud"):
            time.sleep(2)
        yield
