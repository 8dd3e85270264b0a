"""A database server that is not there, goes away, hangs, and comes back: the engine waits and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import select

from tests.sql.servers import MariaDb, PostgreSql, Server, make_database, running
from unit_tests.adapters.db.rig import SqlRig
from unit_tests.ports.store_contract import Owner
from vmha.adapters.clock import SystemClock
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.store import SqlStore
from vmha.core.effects import PowerOff
from vmha.core.events import HeartbeatsUnreadable
from vmha.core.model import Phase
from vmha.core.policy import Policy
from vmha.engine.loop import Engine, Reply
from vmha.errors import StoreUnavailable
from vmha.ports import Lease, LeaseTerms, Order

TERMS = LeaseTerms(lease_seconds=90.0, claim_after_seconds=20.0)
"""Longer than these tests take: the leases hold all the while."""

AT_ONCE_SECONDS = 15.0
"""Less than who waits for an answer would take (20 s), and much more than a busy machine makes of a connection that is refused."""


@dataclass(frozen=True, slots=True)
class Weak:
    """A server that the test may stop, with a database on it."""

    server: Server
    url: str


@pytest.fixture(scope="module", params=[MariaDb, PostgreSql], ids=["mariadb", "postgresql"])
def weak(request: pytest.FixtureRequest) -> Iterator[Weak]:
    """A server of these tests' own."""
    for server in running(request.param):
        yield Weak(server, make_database(server, "vmha"))


@pytest.fixture
def rig(weak: Weak) -> Iterator[SqlRig]:
    """A database with three hosts; its clock stands at the present."""
    rig = SqlRig(weak.url)
    rig.clock.now = time.time()
    yield rig
    weak.server.start()
    rig.close()


class Collector:
    """An executor that sends nothing; the answers come from the test."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.replies: list[Reply] = []

    def submit(self, order: Order, lease: Lease) -> None:
        """Keep the order."""
        self.orders.append(order)

    def drain(self) -> list[Reply]:
        """Return what the test put there."""
        replies, self.replies = self.replies, []
        return replies


def engine_on(url: str, executor: Collector) -> Engine:
    """Build an engine over the database."""
    return Engine(
        name="engine-1",
        store=SqlStore(open_database(url)),
        executor=executor,
        clock=SystemClock(),
        policy=Policy(),
        terms=TERMS,
        new_uuid=lambda: str(uuid4()),
    )


def test_every_call_says_at_once_that_the_server_is_away(weak: Weak, rig: SqlRig) -> None:
    """While the server is away each call is `StoreUnavailable` within seconds; when it is back the same objects work again."""
    rig.report("c1")
    (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
    owner = Owner(rig, claimed)
    order = owner.order(PowerOff("c1", 1))
    owner.commit(phase=Phase.FENCING, orders=(order,))
    change = owner.change(verified=True)
    store, lease, uuid = rig.store, owner.lease, owner.state.uuid
    calls: list[Callable[[], object]] = [
        store.now,
        lambda: store.sign_on("engine-1"),
        lambda: store.claim("engine-1", TERMS, limit=8),
        lambda: store.renew([lease], TERMS),
        lambda: store.inbox([uuid]),
        lambda: store.surroundings(owner.state, brake_window_seconds=300.0),
        lambda: store.commit(lease, owner.version, change),
        lambda: store.admit(lease, order, TERMS),
        lambda: store.release(lease),
        lambda: migrate.sync(open_database(rig.url)),
    ]
    before = rig.stored()
    weak.server.stop()
    for call in calls:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            call()
        assert time.monotonic() - began < AT_ONCE_SECONDS
    weak.server.start()
    assert rig.stored() == before
    for call in calls:
        call()


def test_an_engine_waits_for_its_database(weak: Weak, rig: SqlRig) -> None:
    """An engine whose database goes away keeps the answers in hand, and stores them when it is back, under the lease that it had."""
    executor = Collector()
    engine = engine_on(weak.url, executor)
    uuid = rig.report("c1").recovery
    engine.run_once()
    asked = next(order for order in executor.orders if order.effect.key == "heartbeats")
    weak.server.stop()
    answer = HeartbeatsUnreadable(answers="heartbeats", detail="no answer in 20 s")
    executor.replies.append(Reply(recovery=uuid, order=asked.id, event=answer))
    for _ in range(3):
        began = time.monotonic()
        assert engine.run_once() == engine.poll_seconds
        assert time.monotonic() - began < AT_ONCE_SECONDS
    weak.server.start()
    rig.engine.dispose()  # its own connections are to the server that was stopped, and may not have rested long enough to be asked
    mine = select(schema.recoveries).where(schema.recoveries.c.uuid == uuid)
    assert answer.detail not in rig.read(mine)[0]["state"]
    engine.run_once()
    (row,) = rig.read(mine)
    assert answer.detail in row["state"]
    assert (row["owner"], row["epoch"]) == ("engine-1", 1)


def test_an_engine_that_starts_before_its_database(weak: Weak, rig: SqlRig) -> None:
    """An engine that is started while the server is down polls on, and takes up what there is when the server comes."""
    uuid = rig.report("c1").recovery
    weak.server.stop()
    executor = Collector()
    engine = engine_on(weak.url, executor)
    assert [engine.run_once() for _ in range(2)] == [engine.poll_seconds] * 2
    weak.server.start()
    engine.run_once()
    assert {order.recovery for order in executor.orders} == {uuid}


def test_a_server_that_hangs(mariadb: Server, mariadb_url: str) -> None:
    """A server that takes a statement and never answers counts as away after a bounded time, and the next call finds it again."""
    store = SqlStore(open_database(mariadb_url, answer_seconds=5))
    store.now()
    mariadb.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.now()
        assert time.monotonic() - began < AT_ONCE_SECONDS
    finally:
        mariadb.thaw()
    store.now()
