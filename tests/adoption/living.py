"""Our service on an adopted database: the API takes reports, and the production engine works in a simulated cloud.

Of what upstream left, c-waits was never begun. It is dead, with two guests. Two more hosts die: one has nothing on it, the other has no
fence device, so that its recovery waits for a human.
"""

from __future__ import annotations

import time
from dataclasses import replace

from tests.adoption.clouds import Ours
from unit_tests.adapters.db.rig import DatabaseClock, prepare_clock
from unit_tests.engine.crash_rig import QUICK
from unit_tests.engine.loop_rig import HandClock
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.leftovers import LeftoverWatch
from vmha.adapters.db.store import SqlStore
from vmha.sim.faults import inject
from vmha.sim.rig import Rig
from vmha.sim.world import Timing, World

LEFT, EMPTY, BARE = "c-waits", "empty-rh_priority", "empty-auto_priority"
POLICY = replace(QUICK, dispute_seconds=60.0)
SECONDS = 120.0
"""Virtual time for all of it, false alarms too; what is left then waits for a human."""


class WorldsTime(DatabaseClock):
    """The database's clock: the world's time, from now on."""

    def __init__(self, world: World) -> None:
        self._world, self._began = world, time.time()

    @property
    def now(self) -> float:  # type: ignore[override]
        """Return the time."""
        return self._began + self._world.now


def live(ours: Ours, url: str, hosts: list[str]) -> list[str]:
    """Report two of the hosts, and let an engine do its work; return the uuids of the notifications."""
    world = World(7, timing=Timing(report_seconds=1.0, service_down_seconds=4.0, spawn_seconds=1.0))
    for name in hosts:
        world.add_host(name)
    for number in (1, 2):
        world.add_server(LEFT, name=f"gäst-{number}")
    world.advance(10.0)
    for name in (LEFT, EMPTY, BARE):
        inject(world, "host_crashes", host=name)
    reported = [ours.report(name) for name in (EMPTY, BARE)]
    prepare_clock(ours.engine)
    database = open_database(url)
    WorldsTime(world).wind(database)
    LeftoverWatch(database, HandClock()).look()
    fenced = frozenset(world.hosts) - {BARE}
    Rig(world, store=SqlStore(database), policy=POLICY, poll_seconds=4.0, inventory=fenced)
    world.advance(world.now + SECONDS)
    database.dispose()
    return reported
