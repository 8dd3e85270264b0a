"""What befalls several parts at once in a storm, and what lies between them: racks, answers, the scheduler, the database's servers.

It draws from a source of its own, so that what befalls the cloud otherwise stays what it was for a seed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.storm import Storm

SHARE = 0.5
"""In how many of the storms something of this happens."""

LATE_SECONDS = 6.0
"""By how much an answer is late: with what it takes anyhow it keeps within the shortest deadline, that of a call to a BMC."""


def plan(storm: Storm, *, begin: float, end: float) -> None:
    """Let something befall the storm between two times, or nothing."""
    chance = random.Random(storm.seed + 2_000_003)
    if chance.random() < SHARE:
        for name in chance.sample(sorted(PARTS), 2):
            storm.world.at(chance.uniform(begin, end), lambda name=name: PARTS[name](storm, name, chance))  # type: ignore[misc]


def rack_fails(storm: Storm, name: str, chance: random.Random) -> None:
    """Let two hosts lose their power in the same moment, with their BMCs or without, and be reported."""
    storm.result.faults[name] += 1
    way = chance.choice(("mains_lost", "power_lost"))
    for host in chance.sample(storm.hosts, 2):
        storm.inject(way, host=host)
        storm.report_at(storm.world.now + chance.uniform(1.0, 20.0), host)


def answers_late(storm: Storm, name: str, chance: random.Random) -> None:
    """Let some of the next answers of Nova and of BMCs reach an engine late, in another order than they were given."""
    _spoil(storm, name, chance, (LATE_SECONDS,))


def answers_doubled(storm: Storm, name: str, chance: random.Random) -> None:
    """Let some of the next answers reach an engine twice."""
    _spoil(storm, name, chance, (0.0, LATE_SECONDS))


def _spoil(storm: Storm, name: str, chance: random.Random, delays: tuple[float, ...]) -> None:
    storm.result.faults[name] += 1
    actor = storm.rig.actors[chance.choice(list(storm.rig.actors))]
    actor.delays += [delays, (0.0,), delays, delays]


def mains_back(storm: Storm, name: str, chance: random.Random) -> None:
    """Let a host lose its power together with its BMC, and both have it again in the middle of its recovery."""
    host = chance.choice(storm.hosts)
    storm.inject("mains_lost", host=host)
    storm.report_at(storm.world.now + chance.uniform(1.0, 20.0), host)
    storm.world.after(chance.uniform(20.0, 200.0), lambda: storm.inject(name, host=host))


def scheduler_filters(storm: Storm, name: str, chance: random.Random) -> None:
    """Let the scheduler's filters leave out one host or all, though there is room, until somebody changes the aggregate back."""
    for host in chance.sample(storm.hosts, chance.choice((1, 2, 3))):
        storm.inject(name, host=host)
    storm.world.after(chance.uniform(20.0, 200.0), lambda: storm.inject("scheduler_takes_all"))


def nova_orders_slow(storm: Storm, name: str, chance: random.Random) -> None:
    """Let Nova take its time to answer evacuation orders, for a while."""
    storm.inject(name, seconds=chance.choice((1.0, 8.0)))
    storm.world.after(chance.uniform(20.0, 120.0), lambda: storm.inject(name, seconds=0.0))


def database_fails_over(storm: Storm, name: str, chance: random.Random) -> None:
    """Let another server take over the database, as such take-overs go: away, there for a moment, and away once more."""
    storm.result.faults[name] += 1
    first, second = chance.choice((1.0, 5.0)), chance.choice((2.0, 25.0))
    _away(storm, first)
    storm.world.after(first + chance.uniform(0.1, 3.0), lambda: _away(storm, second))


def _away(storm: Storm, seconds: float) -> None:
    storm.rig.memory.away_until = storm.world.now + seconds


PARTS: dict[str, Callable[[Storm, str, random.Random], None]] = {
    "rack_fails": rack_fails,
    "mains_back": mains_back,
    "scheduler_filters": scheduler_filters,
    "nova_orders_slow": nova_orders_slow,
    "answers_late": answers_late,
    "answers_doubled": answers_doubled,
    "database_fails_over": database_fails_over,
}

BEYOND = {
    "bmc_always_off": "docs/operate/limits.md names it: where Nova does not hear the host either, nobody can tell that from the truth.",
    "operator_adds_to_aggregate": "Storms have no aggregates; scenarios and unit_tests/adapters do.",
    "operator_deletes_service": "Nova refuses it while instances are there, as in a storm they are on every host.",
    "operator_evacuates": "Who evacuates by hand answers for the host being off; the checker would blame us for two guests.",
    "operator_resets_state": "It hides from Nova what is under way: an operator's promise that nothing is.",
    "tokens_revoked": "In virtual time nobody holds tokens; unit_tests/adapters and the demo meet it over HTTP.",
}
"""Faults that storms leave out, and why."""
