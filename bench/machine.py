"""The machine under the measurement: what it is, who used its processors, and whether it was quiet."""

from __future__ import annotations

import bisect
import collections
import contextlib
import json
import os
import platform
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
SAMPLE_SECONDS = 1.0
PROBE_STEPS = 30_000  # some 3 ms: too little to disturb what is measured
OURSELVES = "bench and service"


@dataclass(frozen=True, slots=True)
class Use:
    """Seconds of processor time: of each part of the cloud, and of processes that have nothing to do with the measurement.

    `niced` is that of work at lowered priority, which is not in `foreign`.
    `probe_milliseconds` is what a fixed piece of work cost meanwhile: on a virtual machine it grows when its host is busy with others,
    which nothing inside the machine shows otherwise.
    """

    elapsed: float
    parts: Mapping[str, float]
    foreign: float
    niced: float
    probe_milliseconds: float

    @property
    def foreign_share(self) -> float:
        """Return which part of the machine others used."""
        return self.foreign / (self.elapsed * CORES)

    @property
    def share_of_all_others(self) -> float:
        """Return which part of the machine others used at any priority."""
        return (self.foreign + self.niced) / (self.elapsed * CORES)


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds of processor time since the machine's start, all together and by part."""

    at: float
    busy: float
    niced: float
    parts: Mapping[str, float]
    probe: float = 0.0


class Meter:
    """Samples in a thread while the block runs, so that the window may be chosen when the run is over."""

    def __init__(self, pid_files: Path) -> None:
        self._pid_files = pid_files
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)

    def __enter__(self) -> Meter:
        """Begin to sample."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def between(self, begin: float, end: float) -> Use:
        """Return what was used between two times within the block."""
        first, last = self._at(begin), self._at(end)
        parts = {name: max(0.0, last.parts[name] - first.parts.get(name, 0.0)) for name in last.parts}
        probes = [
            sample.probe for sample in self._samples if begin - SAMPLE_SECONDS <= sample.at <= end + SAMPLE_SECONDS
        ]
        foreign = max(0.0, last.busy - first.busy - sum(parts.values()))
        niced = last.niced - first.niced
        return Use(end - begin, parts, foreign, niced, 1000 * sum(probes) / len(probes))

    def _sample(self) -> None:
        groups = _groups(self._pid_files)
        while True:
            is_last = self._stop.is_set()
            busy, niced = busy_seconds()
            self._samples.append(Sample(time.time(), busy, niced, _seconds_by_part(groups), _probe_seconds()))
            if is_last:
                return
            self._stop.wait(SAMPLE_SECONDS)

    def _at(self, moment: float) -> Sample:
        """Return the counters at a time between two samples."""
        after = min(
            max(bisect.bisect_left(self._samples, moment, key=lambda sample: sample.at), 1), len(self._samples) - 1
        )
        a, b = self._samples[after - 1], self._samples[after]
        part = min(max((moment - a.at) / (b.at - a.at), 0.0), 1.0)
        parts = {name: b.parts[name] * part + a.parts.get(name, b.parts[name]) * (1 - part) for name in b.parts}
        busy, niced = (y * part + x * (1 - part) for x, y in ((a.busy, b.busy), (a.niced, b.niced)))
        return Sample(moment, busy, niced, parts)


def use_now(pid_files: Path, seconds: float = 2.0) -> Use:
    """Return who uses the machine at this moment."""
    with Meter(pid_files) as meter:
        began = time.time()
        time.sleep(seconds)
    return meter.between(began, began + seconds)


def runs(argument: str) -> bool:
    """Tell whether a pytest with this argument runs on the machine."""
    for path in PROC.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if any(word.endswith("pytest") for word in words) and any(word.startswith(argument) for word in words):
                return True
    return False


def busy_seconds() -> tuple[float, float]:
    """Return for how many seconds all processors together have worked since the machine's start, and for how many more at lowered priority.

    The latter gives way to the measurement at once.
    """
    fields = (PROC / "stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + system + irq + softirq + steal) / TICK, nice / TICK


def describe() -> dict[str, str]:
    """Say what the machine is, for the report."""
    memory = int((PROC / "meminfo").read_text().split()[1]) / 2**20
    models = re.findall(r"^model name\s*: (.*)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    return {
        "cores": f"{CORES} ({models[0] if models else platform.machine()})",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def commit() -> str:
    """Name the commit under the measurement, and whether the sources were changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()

    changed = git("status", "--porcelain", "--", "src")
    return f"{git('rev-parse', '--short', 'HEAD') or 'no commit'}{' with changes' if changed else ''}"


def _probe_seconds() -> float:
    """Return the processor time of a fixed piece of work; waiting for a processor does not count."""
    began, total = time.thread_time(), 0
    for number in range(PROBE_STEPS):
        total += number * number
    return time.thread_time() - began


def _groups(pid_files: Path) -> dict[int, str]:
    """Name the process groups that belong to the measurement: each daemon leads one, the bench and the service are in ours."""
    groups = {os.getpgrp(): OURSELVES}
    for path in pid_files.glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            identity: dict[str, Any] = json.loads(path.read_text())
            groups[int(identity["pid"])] = re.sub(r"-host-\d+$", "", path.stem)
    return groups


def _seconds_by_part(groups: Mapping[int, str]) -> dict[str, float]:
    seconds: dict[str, float] = collections.defaultdict(float)
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name in brackets: state, parent, group, ..., user, system, and the same of children that ended.
            fields = stat.read_text().rpartition(")")[2].split()
            if name := groups.get(int(fields[2])):
                seconds[name] += sum(map(int, fields[11:15])) / TICK
    return dict(seconds)
