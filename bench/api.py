"""How fast the API is beside upstream's: `make bench-api`. Both run as they would in production, one worker each, in alternating rounds."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from bench import api_load, api_results, api_where, api_work, machine
from bench.api_results import NOISY_SHARE, Report, Round, Run
from bench.api_servers import OURS, UPSTREAM, Servers, servers, versions
from bench.api_work import WORKLOADS, Workload
from bench.machine import Meter
from tests.differential import environment

RESULTS = Path(__file__).resolve().parent / "API.md"
WARM_UP_SECONDS = 2.0
Pair = Callable[[Workload, Sequence[str]], Round]


def main() -> int:
    """Measure, print progress, write API.md."""
    arguments = _arguments()
    environment.install(_say)
    folder = Path(tempfile.mkdtemp(prefix="vmha-bench-"))
    try:
        with servers(folder) as running:
            report = _measure(running, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    arguments.output.write_text(api_results.render(report))
    _say(f"wrote {arguments.output}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.api", description="Measure the API beside upstream's.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds, each side once in each (default 5)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="N", help="length of a run (default 8)")
    parser.add_argument("--connections", type=int, default=8, metavar="N", help="of the client (default 8)")
    parser.add_argument(
        "--patience",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="in all, for waiting until others are quiet and for repeating disturbed pairs (default 600)",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE", help="default: bench/API.md")
    return parser.parse_args()


def _measure(running: Servers, arguments: argparse.Namespace) -> Report:
    answers = api_work.compare(running)
    top_speed = api_load.top_speed(answers[0].sent, connections=arguments.connections)
    _say(f"the load generator alone: {top_speed:,.0f} requests/s")
    recorder = Recorder(running, arguments.seconds, arguments.connections, arguments.patience)
    rounds = play(recorder.pair, arguments.rounds)
    return Report(
        command=" ".join(["python -m bench.api", *sys.argv[1:]]),
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine.describe(),
        versions=versions(running),
        connections=arguments.connections,
        seconds=arguments.seconds,
        warm_up_seconds=WARM_UP_SECONDS,
        top_speed=top_speed,
        answers=answers,
        rounds=rounds,
        disturbed=recorder.disturbed,
        where=api_where.of(running),
    )


def play(pair: Pair, rounds: int) -> dict[str, list[Round]]:
    """Let both sides do each work once per round, one right after the other, in alternating order."""
    played: dict[str, list[Round]] = {work.name: [] for work in WORKLOADS}
    for number in range(1, rounds + 1):
        sides = (OURS, UPSTREAM) if number % 2 else (UPSTREAM, OURS)
        for work in WORKLOADS:
            _say(f"round {number} of {rounds}: {work.name}")
            played[work.name].append(pair(work, sides))
    return played


@dataclass(slots=True)
class Recorder:
    """Measures pairs, again where others disturbed one, as long as the patience lasts."""

    running: Servers
    seconds: float
    connections: int
    patience_seconds: float
    disturbed: list[str] = field(default_factory=list)

    def pair(self, work: Workload, sides: Sequence[str]) -> Round:
        """Measure both sides, one right after the other."""
        while True:
            began = time.monotonic()
            self._await_quiet()
            found = {side: self._run(work, side) for side in sides}
            worst = max(run.others_share for run in found.values())
            if worst <= NOISY_SHARE or self.patience_seconds <= 0:
                return found
            self.patience_seconds -= time.monotonic() - began
            self.disturbed.append(f"{work.name} ({worst:.0%})")
            _say(f"disturbed: others used {worst:.0%} of the machine")

    def _await_quiet(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < self.patience_seconds:
            if machine.use_now(self.running.pid_files).share_of_all_others <= NOISY_SHARE:
                break
        self.patience_seconds -= time.monotonic() - began

    def _run(self, work: Workload, name: str) -> Run:
        side = self.running.sides[name, work.size]
        plan = api_load.Plan(
            port=side.port,
            requests=api_work.requests_of(work, self.running.token()),
            status=api_work.status_of(work),
            connections=self.connections,
            keep_alive=False,
            once=work.method == "POST",
            warm_up_seconds=WARM_UP_SECONDS,
            seconds=self.seconds,
        )
        load, _, _ = os.getloadavg()
        with Meter(self.running.pid_files) as meter:
            outcome = api_load.send(plan)
        api_work.check_rows(self.running, work, side, outcome.answered_in_all)
        use = meter.between(outcome.began, outcome.ended)
        hundredths = quantiles(outcome.latencies_seconds, n=100)
        run = Run(
            per_second=outcome.per_second,
            answers=outcome.answered_in_all,
            median_milliseconds=1000 * hundredths[49],
            late_milliseconds=1000 * hundredths[98],
            api_share=use.parts[side.database] / use.elapsed,
            database_share=use.parts["ha-database"] / use.elapsed,
            generator_share=outcome.processor_seconds / use.elapsed,
            others_share=use.share_of_all_others,
            load=load,
        )
        _say(f"  {name}: {run.per_second:.1f} requests/s, others used {run.others_share:.0%} of the machine")
        return run


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
