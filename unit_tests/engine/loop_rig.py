"""An engine over the store in memory whose two clocks, orders and answers the test moves by hand."""

from __future__ import annotations

from uuid import uuid4

from vmha.core.policy import Policy
from vmha.engine.loop import Engine, Reply
from vmha.ports import Lease, LeaseTerms, Order
from vmha.sim.store import MemoryStore, host_on

TERMS = LeaseTerms(lease_seconds=8.0, claim_after_seconds=15.0)


class Collector:
    """An executor that sends nothing, and gives the answers that the test puts into it."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.replies: list[Reply] = []

    def submit(self, order: Order, lease: Lease) -> None:
        """Keep the order."""
        self.orders.append(order)

    def drain(self) -> list[Reply]:
        """Return what was put in."""
        replies, self.replies = self.replies, []
        return replies


class HandClock:
    """A local clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class LoopRig:
    """Hosts in one segment, and one engine."""

    def __init__(self, *hosts: str, limit: int = 64) -> None:
        self.clock = HandClock()
        self.ahead = 1_000_000.0
        self.store = MemoryStore(lambda: self.clock.now + self.ahead, lambda: str(uuid4()))
        for name in hosts:
            self.store.hosts[name] = host_on("segment", name)
        self.executor = Collector()
        self.engine = self.another("engine-1", limit=limit)
        self.engine.executor = self.executor

    def another(self, name: str, *, limit: int = 64) -> Engine:
        """Build an engine over the same store."""
        return Engine(
            name=name,
            store=self.store,
            executor=Collector(),
            clock=self.clock,
            policy=Policy(),
            terms=TERMS,
            new_uuid=lambda: str(uuid4()),
            limit=limit,
        )

    def report(self, host: str) -> str:
        """Open a recovery."""
        return self.store.report(host, f"notification of {host}")

    def run(self, seconds: float = 0.0, *engines: Engine) -> None:
        """Let rounds of a second pass, at least one."""
        for _ in range(max(round(seconds), 1)):
            for engine in engines or (self.engine,):
                engine.run_once()
            self.clock.now += min(seconds, 1.0)
