"""A decision that would break a promise stops its recovery, pages a human, and leaves all other recoveries alone."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

import pytest

from vmha.adapters.clock import SystemClock
from vmha.core import invariants
from vmha.core.effects import Alert
from vmha.core.events import Confirmed, Rejected
from vmha.core.explain import Code
from vmha.core.invariants import Broken
from vmha.core.policy import Policy
from vmha.engine.loop import Engine, Reply
from vmha.errors import LeaseLost, StoreUnavailable, VmhaError
from vmha.ports import Change, Lease, LeaseTerms, Order, Store
from vmha.sim.store import MemoryStore, host_on

TERMS = LeaseTerms(lease_seconds=9.0, claim_after_seconds=20.0)


class Collector:
    """An executor that sends nothing."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def submit(self, order: Order, lease: Lease) -> None:
        """Keep the order."""
        self.orders.append(order)

    def drain(self) -> list[Reply]:
        """Return no answers."""
        return []


class FailingOnce:
    """A store whose next commit of one recovery fails."""

    def __init__(self, inner: MemoryStore, recovery: str, error: VmhaError) -> None:
        self._inner = inner
        self._recovery = recovery
        self._error: VmhaError | None = error

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on."""
        return getattr(self._inner, name)

    def commit(self, lease: Lease, version: int, change: Change) -> int:
        """Fail once."""
        if lease.recovery == self._recovery and self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._inner.commit(lease, version, change)


class Rig:
    """An engine with two recoveries; deciding on the one of c1 breaks a promise."""

    def __init__(self) -> None:
        self.now = 100.0
        self.store = MemoryStore(lambda: self.now, lambda: str(uuid4()))
        self.executor = Collector()
        for name in ("c1", "c2"):
            self.store.hosts[name] = host_on("segment", name)
        self.bad, self.good = self.store.report("c1", "n1"), self.store.report("c2", "n2")
        self.engine = Engine(
            name="engine-1",
            store=self.store,
            executor=self.executor,
            clock=SystemClock(),
            policy=Policy(),
            terms=TERMS,
            new_uuid=lambda: str(uuid4()),
        )

    def fail_once(self, error: VmhaError) -> None:
        """Let the next commit of c1's recovery fail."""
        self.engine.store = cast("Store", FailingOnce(self.store, self.bad, error))

    def alerts(self) -> list[Code]:
        """Return what the humans were told."""
        return [order.effect.reason.code for order in self.executor.orders if isinstance(order.effect, Alert)]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Break the promises of c1."""

    def check(before, decision, now, policy, around):  # type: ignore[no-untyped-def]
        for_real(before, decision, now, policy, around)
        if before.host == "c1":
            raise Broken("P1: evacuated without a proof")

    for_real = invariants.check
    monkeypatch.setattr(invariants, "check", check)
    return Rig()


def test_it_stops_and_pages(rig: Rig) -> None:
    """The recovery orders nothing, says so on its timeline, and a human is told once."""
    for _ in range(5):
        rig.engine.run_once()
        rig.now += 2.0
    assert rig.alerts() == [Code.PROMISE_BROKEN]
    assert [order.effect.key for order in rig.executor.orders if order.recovery == rig.bad] == ["alert"]
    assert rig.store.rows[rig.bad].timeline[-1].reason.code is Code.PROMISE_BROKEN


def test_others_go_on(rig: Rig) -> None:
    """The recovery beside it asks its questions."""
    rig.engine.run_once()
    assert {order.effect.key for order in rig.executor.orders if order.recovery == rig.good} == {"heartbeats", "power"}


def test_the_loop_does_not_spin(rig: Rig) -> None:
    """A stopped recovery, whose time to wake is over for ever, does not keep the loop awake."""
    rig.engine.run_once()
    rig.now += 0.1
    assert rig.engine.run_once() > 0.5


def test_the_page_is_not_lost_with_the_database(rig: Rig) -> None:
    """If the database is away at that moment, the promise is found broken again, and the human is told then."""
    rig.fail_once(StoreUnavailable("away"))
    rig.engine.run_once()
    assert rig.alerts() == []
    rig.now += 2.0
    rig.engine.run_once()
    assert rig.alerts() == [Code.PROMISE_BROKEN]


def test_a_lost_lease_ends_it_quietly(rig: Rig) -> None:
    """If another engine owns the recovery by then, it is that engine's affair, and the loop goes on."""
    rig.fail_once(LeaseLost("taken over"))
    rig.engine.run_once()
    assert rig.alerts() == []
    assert rig.bad not in rig.engine.held
    assert rig.good in rig.engine.held


def test_a_word_that_leads_nowhere_is_said(rig: Rig) -> None:
    """A confirm that came in the moment of the stop is taken from its inbox, and humans hear again that it stands still."""
    rig.engine.run_once()
    rig.store.say(rig.bad, Confirmed(by="ann", why="go on"))
    for _ in range(5):
        rig.now += 2.0
        rig.engine.run_once()
    assert rig.alerts() == [Code.PROMISE_BROKEN] * 2
    assert rig.store.inbox([rig.bad]) == {}
    rig.store.say(rig.bad, Rejected(by="ann", why="by hand"))
    rig.now += 2.0
    rig.engine.run_once()
    assert rig.alerts()[2:] == [Code.REJECTED]
