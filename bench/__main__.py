"""The command line of the bench."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

from bench import machine, ours, plan, results, upstream
from bench.run import BARE, OURS, UPSTREAM, measure_bare, measure_ours
from tests.cloud.rig import databases
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.settings import load
from vmha import __version__

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "RESULTS.md"
FREEZE = ROOT / "tests" / "cloud" / "rig" / "freeze"
SHOWN = {"nova": "nova", "keystone": "keystone", "placement": "openstack-placement", "glance": "glance"}
SMALL, LARGE = 10, 50


def main() -> int:
    """Measure, print progress, write RESULTS.md."""
    arguments = _arguments()
    changed = _options(arguments.set)
    with _cloud() as cloud:
        folder = cloud.settings.data / "bench" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder.mkdir(parents=True)
        recorder = plan.Recorder(cloud, folder / "runs.jsonl", _say, arguments.repeats)
        trials = {} if arguments.concurrency else plan.choose_concurrency(recorder, max(arguments.instances))
        best = arguments.concurrency or min(trials, key=lambda tried: trials[tried].seconds)
        _say(f"the bare loop posts {best} at a time")
        legs: dict[str, plan.Leg] = {
            OURS: partial(measure_ours, cloud, folder, changed),
            BARE: partial(measure_bare, cloud, best),
        }
        if arguments.upstream:
            upstream.install(_say)
            legs[UPSTREAM] = partial(upstream.measure, cloud, folder)
        rounds = plan.play(recorder, legs, arguments.rounds, arguments.instances)
        report = results.Report(
            command=" ".join(["python -m bench", *sys.argv[1:]]),
            when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            machine=machine.describe(),
            versions=_versions(cloud, with_upstream=arguments.upstream),
            settings=ours.settings_used(changed),
            concurrency=best,
            trials=trials,
            rounds=rounds,
            thrown_away=recorder.thrown_away,
        )
    arguments.output.write_text(results.render(report))
    _say(f"wrote {arguments.output}; every run is in {folder}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure recoveries beside the bare loop.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds, each side once in each (default 5)")
    parser.add_argument("--instances", type=_sizes, default=[SMALL, LARGE], metavar="N,N", help="sizes (default 10,50)")
    parser.add_argument("--concurrency", type=int, metavar="N", help="of the bare loop, instead of trying 1, 4 and 8")
    parser.add_argument(
        "--repeats", type=int, default=4, metavar="N", help="disturbed or failed runs to repeat, in all (default 4)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="GROUP.OPTION=VALUE", help="change an option of ours"
    )
    parser.add_argument(
        "--upstream", action="store_true", help="also measure masakari 22.0.0, tuned, in an environment of its own"
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="FILE", help="where to write (default bench/RESULTS.md)"
    )
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def _options(given: list[str]) -> dict[str, dict[str, str]]:
    options: dict[str, dict[str, str]] = {}
    for text in given:
        name, _, value = text.partition("=")
        group, _, option = name.partition(".")
        options.setdefault(group, {})[option] = value
    return options


@contextmanager
def _cloud() -> Iterator[Cloud]:
    """Take the cloud that runs, or start one and end it afterwards; its data stays."""
    ran_before = _rig("status").returncode == 0
    if not ran_before:
        _say("starting the cloud; installing it takes some minutes on the first time")
        started = _rig("up")
        if started.returncode:
            raise SystemExit(f"the cloud did not start:\n{started.stdout[-2000:]}{started.stderr[-2000:]}")
    try:
        yield Cloud(load())
    finally:
        if not ran_before:
            _rig("down")


def _rig(verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.cloud.rig", verb], capture_output=True, text=True, check=False, cwd=ROOT
    )


def _versions(cloud: Cloud, *, with_upstream: bool) -> dict[str, str]:
    """Name what ran, from the pins that it was installed from."""
    versions = {"vmha": f"{__version__} at {machine.commit()}", "Python": sys.version.split()[0]}
    for project, package in SHOWN.items():
        pins = (FREEZE / f"{project}.txt").read_text().splitlines()
        versions[project] = next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{package}=="))
    versions["MariaDB"] = databases.cloud_database(cloud.settings).sql("SELECT VERSION()").strip()
    versions["openstacksdk"] = metadata.version("openstacksdk")
    if with_upstream:
        versions["masakari"] = upstream.VERSION
    return versions


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
