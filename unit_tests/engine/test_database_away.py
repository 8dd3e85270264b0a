"""A database that does not answer costs the engine a round, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from unit_tests.engine.crash_rig import LIMIT_SECONDS, QUICK, InMemory, broken_cloud, see_that_all_is_well
from vmha.errors import StoreUnavailable
from vmha.ports import Store
from vmha.sim.rig import Rig

STRIDE = 2
"""Every so-manieth call is tried; a run takes some hundred of them."""


OFTEN = replace(QUICK, progress_seconds=4.0, progress_end_seconds=4.0)
"""Looks so often at the moves that a round more or less shows, and not when the next look happened to be."""


class FailingStore:
    """A store that fails in one call, counted over all of its methods: before anything was done, or after it."""

    def __init__(self, inner: Store, at: int | None, *, after: bool) -> None:
        self._inner = inner
        self._at = at
        self._after = after
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Pass a call on, or fail in it."""
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            number = len(self.calls)
            self.calls.append(name)
            if number == self._at and not self._after:
                raise StoreUnavailable("the database did not get it")
            answer = method(*arguments, **named)
            if number == self._at:
                raise StoreUnavailable("the answer got lost")
            return answer

        return call


def recover(at: int | None, *, after: bool) -> tuple[list[str], float]:
    """Run a recovery whose database fails in one call; return the calls, and the seconds it took beside Nova's own work."""
    world = broken_cloud()
    memory = InMemory(world)
    store = FailingStore(memory.store, at, after=after)
    rig = Rig(world, store=cast("Store", store), policy=OFTEN, poll_seconds=2.0)
    notification = memory.report("c1")
    began = world.now
    while memory.status(notification) == "running" and world.now < began + LIMIT_SECONDS:
        world.advance(world.now + 1.0)
    ordered = max(fact["at"] for fact in world.record.facts if fact["what"] == "evacuation")
    landed = max(fact["at"] for fact in world.record.facts if fact["what"] == "guest" and fact["runs"])
    seconds = (ordered - began) + (world.now - landed)
    where = f"call {at}: {store.calls[at] if at is not None else 'none'}, {'after' if after else 'before'}"
    assert memory.status(notification) == "finished", where
    see_that_all_is_well(rig, where)
    return store.calls, seconds


@pytest.mark.parametrize("after", [False, True], ids=["not-done", "answer-lost"])
def test_any_call_may_fail(after: bool) -> None:
    """Wherever the database fails, done or not, the same engine ends the recovery with one evacuation per instance."""
    calls, _ = recover(None, after=after)
    for number in range(0, len(calls), STRIDE):
        recover(number, after=after)


@pytest.mark.parametrize("name", ["now", "sign_on", "claim", "renew", "inbox", "surroundings", "commit", "admit"])
def test_a_call_that_was_not_done_costs_a_round(name: str) -> None:
    """A call that the database never got delays the recovery by seconds, not by the time until a lease has run out."""
    calls, seconds = recover(None, after=False)
    first = calls.index(name)
    last = len(calls) - 1 - calls[::-1].index(name)
    for number in {first, last}:
        _, longer = recover(number, after=False)
        assert longer <= seconds + 12.0, (name, number)


@pytest.mark.parametrize("away_at", [0.5, 5.0, 12.0, 14.0, 16.0, 18.0, 20.0])
def test_a_minute_without_a_database(away_at: float) -> None:
    """A database that is away for a minute, at whatever moment, neither loses a recovery nor lets the engine spin."""
    world = broken_cloud()
    memory = InMemory(world)
    rig = Rig(world, store=memory.store, policy=QUICK, poll_seconds=2.0)
    notification = memory.report("c1")
    world.advance(world.now + away_at)
    engine = rig.actors["engine-1"].engine
    assert engine is not None
    store = FailingStore(memory.store, None, after=False)
    engine.store = cast("Store", store)
    memory.store.away_until = world.now + 60.0
    world.advance(world.now + 60.0)
    assert len(store.calls) <= 60
    limit = world.now + 120.0
    while memory.status(notification) == "running" and world.now < limit:
        world.advance(world.now + 1.0)
    assert memory.status(notification) == "finished"
    see_that_all_is_well(rig, f"away at {away_at}")
