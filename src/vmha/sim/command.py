"""`python -m vmha sim FILE ...` plays scenarios, `python -m vmha sim --storm` many random ones. All of it is simulated, in virtual time.

What plays there is the engine of production; the cloud, the BMCs and the clock are simulated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vmha.sim import storm
from vmha.sim.scenario import LINE, Player, ScenarioError, parse

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Play and print; exit 1 where a promise broke, or the outcome is not the one that the file holds, 2 for what cannot be played."""
    options = _parser().parse_args(arguments)
    if options.storm:
        return storm.replay(options.seed) if options.seed is not None else storm.play(options.seeds)
    if not options.files:
        print("python -m vmha sim: name scenario files, or say --storm", file=sys.stderr)
        return 2
    return max(_play(path) for path in options.files)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vmha sim", description="play recoveries in a simulated cloud")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a scenario; see unit_tests/scenarios")
    parser.add_argument("--storm", action="store_true", help="play random faults instead")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", type=int, default=2000, help="how many storms, from seed 0 (default 2000)")
    which.add_argument("--seed", type=int, help="play this storm alone and print its timelines")
    return parser


def _play(path: Path) -> int:
    """Play one file, print what happened, and compare it with what the file says must happen, if it does."""
    try:
        scenario = parse(path.read_text())
        outcome = Player(scenario).play()
    except (OSError, UnicodeDecodeError, ScenarioError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    print(f"{path} (simulated)\n{outcome}", end="")
    differs = bool(scenario.expected) and outcome != scenario.expected
    if differs:
        print(f"This is not what stands below the {LINE} of the file.")
    return 1 if differs or any(line.startswith(("VIOLATION", "STOPPED")) for line in outcome.splitlines()) else 0
