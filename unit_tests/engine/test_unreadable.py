"""What one engine cannot read, store or fetch costs that recovery a delay, and no other one anything."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from unit_tests.engine.loop_rig import LoopRig
from vmha.core.events import Confirmed
from vmha.core.model import Phase
from vmha.ports import Change, Lease, Store
from vmha.sim.store import MemoryStore


class Failing:
    """A store one of whose methods raises what no port promises, for as long as the test wants."""

    def __init__(self, inner: MemoryStore, method: str, recovery: str | None = None) -> None:
        self._inner = inner
        self._method = method
        self._recovery = recovery
        self.is_failing = True

    def __getattr__(self, name: str) -> Any:
        """Pass everything on but what fails."""
        if name == self._method and self.is_failing and self._recovery is None:
            raise RuntimeError("(1366, 'Incorrect string value')")
        return getattr(self._inner, name)

    def commit(self, lease: Lease, version: int, change: Change) -> int:
        """Fail for one recovery."""
        if self.is_failing and lease.recovery == self._recovery:
            raise RuntimeError("(1366, 'Incorrect string value')")
        return self._inner.commit(lease, version, change)


def critical(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the events that were logged for a human."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]


def test_neighbours_of_what_cannot_be_read_go_on() -> None:
    """A recovery that only a newer version can read stays unclaimed, with its letters, and its neighbour is recovered."""
    rig = LoopRig("c1", "c2")
    newer, good = rig.report("c1"), rig.report("c2")
    rig.store.unreadable.add(newer)
    rig.store.say(newer, Confirmed(by="ann", why="it is off"))
    rig.run(5.0)
    assert set(rig.engine.held) == {good}
    assert rig.store.rows[newer].epoch == 0
    assert rig.store.rows[newer].inbox


def test_what_can_not_be_stored_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Where not even the stop of a recovery can be stored, it is told once, tried with each round, and the neighbour goes on."""
    rig = LoopRig("c1", "c2")
    bad, good = rig.report("c1"), rig.report("c2")
    store = Failing(rig.store, "commit", bad)
    rig.engine.store = cast("Store", store)
    rig.run(5.0)
    assert critical(caplog) == ["promise-broken", "stop-not-stored"]
    assert {order.recovery for order in rig.executor.orders} == {good}
    assert rig.engine.run_once() > 0.5
    store.is_failing = False
    rig.run(2.0)
    assert rig.engine.held[bad].state.phase is Phase.WITNESSING
    assert {order.recovery for order in rig.executor.orders} == {good, bad}


@pytest.mark.parametrize("method", ["claim", "inbox", "renew", "sign_on"])
def test_what_is_held_goes_on(caplog: pytest.LogCaptureFixture, method: str) -> None:
    """An engine that cannot claim, renew or fetch letters for a reason that nobody thought of goes on with what it holds."""
    rig = LoopRig("c1", "c2")
    held = rig.report("c1")
    rig.run(1.0)
    store = Failing(rig.store, method)
    rig.engine.store = cast("Store", store)
    later, before = rig.report("c2"), rig.store.rows[held].version
    rig.executor.orders.clear()
    rig.run(5.0)
    assert rig.store.rows[held].version > before or method in ("renew", "sign_on")
    assert critical(caplog) == ["look-failed"]
    store.is_failing = False
    rig.run(30.0)
    assert set(rig.engine.held) == {held, later}
