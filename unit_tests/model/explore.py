"""Goes through every interleaving of the small world, each state once: `python -m unit_tests.model.explore --faults 2`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass, field

from unit_tests.model.world import FAULTS, SmallWorld

Way = tuple[str, ...]


@dataclass(slots=True)
class Explored:
    """How many states there were, which ends they came to, and for each thing that must not happen one path that leads to it."""

    states: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    found: dict[str, list[Way]] = field(default_factory=dict)
    is_whole: bool = True


def explore(world: SmallWorld, *, limit: int = 10_000_000, stop_at_first: bool = False) -> Explored:
    """Visit every state that can be reached, depth first; `limit` bounds their number."""
    explored, seen = Explored(), {world.fingerprint()}
    paths: list[tuple[object, tuple[Way, ...]]] = [(world.save(), ())]
    while paths:
        state, path = paths.pop()
        world.load(state)
        for way in list(world.ways()):
            world.load(state)
            world.go(way)
            key = world.fingerprint()
            if key in seen and not world.blame:
                continue
            seen.add(key)
            done = (*path, way)
            blame = world.blame + (world.judge_end() if world.is_over() else [])
            if blame:
                explored.found.setdefault(blame[0], list(done))
                if stop_at_first:
                    explored.states = len(seen)
                    return explored
            elif world.is_over():
                end = world.state.outcome.value if world.state.outcome else world.state.phase.value
                explored.ends[end] = explored.ends.get(end, 0) + 1
            else:
                paths.append((world.save(), done))
        if len(seen) >= limit:
            explored.is_whole = False
            break
    explored.states = len(seen)
    return explored


def main() -> int:
    """Explore and say what was found; exit 1 where something must not have happened."""
    parser = argparse.ArgumentParser(prog="python -m unit_tests.model.explore")
    parser.add_argument("--faults", type=int, default=1, help="how many faults may befall one run (default 1)")
    parser.add_argument("--limit", type=int, default=10_000_000, help="how many states to visit at most")
    parser.add_argument("--first", action="store_true", help="stop at the first thing that must not have happened")
    parser.add_argument("--only", choices=FAULTS, help="the only kind of fault (default: each)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    bad = 0
    for is_false_alarm in (True, False):
        began = time.monotonic()
        world = SmallWorld(is_false_alarm=is_false_alarm, faults=options.faults, only=options.only)
        explored = explore(world, limit=options.limit, stop_at_first=options.first)
        name = "a healthy host is reported" if is_false_alarm else "a host is dead to Nova"
        whole = "" if explored.is_whole else ", not all"
        print(f"{name}: {explored.states} states{whole} in {time.monotonic() - began:.1f} s; ends {explored.ends}")
        for blame, path in explored.found.items():
            bad += 1
            print(f"VIOLATION {blame}")
            print("  " + "; ".join(" ".join(way) for way in path))
        if bad and options.first:
            break
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
