"""The contract of leftovers, held on SQLite; and an engine of ours that finds some."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from unit_tests.adapters.db.leftover_contract import LeftoverContract, leave, look
from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.engine.crash_rig import QUICK, WorldClock
from unit_tests.engine.loop_rig import HandClock
from vmha.adapters.db import leftovers, migrate, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.sim.faults import inject
from vmha.sim.rig import Rig
from vmha.sim.world import Timing, World


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file with all tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('leftovers')}/vmha.sqlite"
    migrate.sync(open_database(url))
    return url


@pytest.fixture
def rig(url: str) -> Iterator[SqlRig]:
    """Three hosts."""
    with rigged(url) as rig:
        yield rig


class TestSqliteLeftovers(LeftoverContract):
    """SQLite."""


@pytest.mark.parametrize("is_dead", [True, False])
def test_the_engine_decides_by_its_proof(url: str, is_dead: bool) -> None:
    """A leftover of a dead host ends with its guests elsewhere; one of a host that Nova hears ends as a false alarm, with its power on."""
    clock = WorldClock()
    rig = SqlRig(url, clock)
    world = World(5, timing=Timing(report_seconds=1.0, service_down_seconds=4.0, spawn_seconds=1.0))
    for name in ("c1", "c2", "c3"):
        world.add_host(name)
    world.add_server("c1", name="web-1")
    clock.world = world
    world.advance(10.0)
    if is_dead:
        inject(world, "host_crashes", host="c1")
    uuid = leave(rig, "running", moves=("ongoing",))
    look(rig)
    Rig(world, store=rig.store, policy=QUICK, poll_seconds=2.0)
    world.advance(world.now + 900.0)
    assert rig.status(uuid) == ("finished" if is_dead else "ignored")
    assert world.hosts["c1"].powered is not is_dead
    rig.close()


def test_one_that_cannot_be_settled_is_told_once(rig: SqlRig, caplog: pytest.LogCaptureFixture) -> None:
    """A row that the code stumbles over is told at level CRITICAL, once; the others are settled all the same."""
    rig.add_host("odd", segment="odd")
    with transaction(rig.engine) as connection:  # no other database would take it
        connection.execute(text("UPDATE failover_segments SET recovery_method = 'pray' WHERE uuid = 'odd'"))
    stuck, other = leave(rig, host="odd"), leave(rig, host="c1")
    clock = HandClock()
    watch = leftovers.LeftoverWatch(rig.engine, clock)
    for _ in range(2):
        watch.look()
        clock.sleep(leftovers.LOOK_SECONDS)
    told = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert [record.__dict__["fields"]["notification"] for record in told] == [stuck]
    assert rig.read(schema.recovery_notifications.select())[0]["notification_uuid"] == other
