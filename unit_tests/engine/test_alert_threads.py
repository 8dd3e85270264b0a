"""The threads that deliver, on a real database and with real receivers: nobody waits for them, and they wait for nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from unit_tests.adapters.db.rig import DatabaseClock, SqlRig
from unit_tests.adapters.receiver import Receiver, hangs, patiently, receiving, slow, status, takes
from unit_tests.ports.outbox_contract import tell
from unit_tests.ports.store_contract import TERMS as LEASES
from unit_tests.ports.store_contract import Owner, own
from vmha.adapters.clock import SystemClock
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.outbox import SqlOutbox
from vmha.adapters.db.store import SqlStore
from vmha.adapters.webhook_settings import load_webhooks
from vmha.adapters.webhooks import HttpWebhook
from vmha.alert_settings import AlertSettings
from vmha.core.alerting import RetryTerms
from vmha.core.effects import Alert
from vmha.core.explain import Code, because
from vmha.engine.alert_threads import AlertThreads
from vmha.engine.couriers import Courier, Dispatcher
from vmha.ports import Order

QUICK = RetryTerms(retry_seconds=0.2, longest_retry_seconds=0.4, give_up_seconds=3600.0)
POST_SECONDS = 60.0
"""Much more than a machine that does other things needs; who hangs here hangs for the whole test."""
LOOK_SECONDS = 0.1


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file with all tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('alerts')}/vmha.sqlite"
    migrate.sync(open_database(url))
    return url


class MachineClock(DatabaseClock):
    """The time of this machine, as a database has it that nobody winds."""

    def __init__(self) -> None:
        """Need no start."""

    @property
    def now(self) -> float:  # type: ignore[override]
        """The time."""
        return time.time()


@pytest.fixture
def rig(url: str) -> Iterator[SqlRig]:
    """A store with three hosts, on the time of the machine."""
    rig = SqlRig(url, MachineClock())
    yield rig
    rig.close()


def webhooks(*urls: str) -> tuple[HttpWebhook, ...]:
    """Build webhooks."""
    plain = {"secret_file": None, "ca_file": None, "proxy": None}
    times = {"post_seconds": POST_SECONDS, "retry_seconds": 1.0, "longest_retry_seconds": 1.0, "give_up_seconds": 60.0}
    return load_webhooks(AlertSettings(webhooks=urls, **plain, **times), clock=SystemClock())  # type: ignore[arg-type]


def threads_of(rig: SqlRig, engine: str, *urls: str) -> AlertThreads:
    """Build the threads of an engine."""
    outbox = SqlOutbox(rig.open())
    couriers = {
        webhook.key: Courier(
            webhook=webhook,
            outbox=outbox,
            engine=engine,
            clock=SystemClock(),
            terms=QUICK,
            post_seconds=POST_SECONDS,
        )
        for webhook in webhooks(*urls)
    }
    return AlertThreads(Dispatcher(outbox=outbox, couriers=couriers, terms=QUICK), look_seconds=LOOK_SECONDS)


@contextmanager
def running(rig: SqlRig, *urls: str, engines: int = 1) -> Iterator[list[AlertThreads]]:
    """Run the threads of some engines until the end of the block."""
    made = [threads_of(rig, f"engine-{number}", *urls) for number in range(1, engines + 1)]
    for threads in made:
        threads.start()
    try:
        yield made
    finally:
        for threads in made:
            threads.stop(timeout_seconds=POST_SECONDS)


def told(receiver: Receiver) -> list[str]:
    """Return the ids of the alerts that arrived."""
    return [posted.headers["x-vmha-alert"] for posted in receiver.posted]


def is_empty(rig: SqlRig) -> bool:
    """Tell whether everything was addressed, and nothing is on its way."""
    waiting = rig.read(select(schema.alerts.c.id).where(schema.alerts.c.spread_at.is_(None)))
    return not waiting and not rig.read(
        select(schema.alert_deliveries.c.id).where(schema.alert_deliveries.c.next_at.is_not(None))
    )


def test_what_is_stored_arrives(rig: SqlRig) -> None:
    """The document that arrives is the one that was stored with the decision."""
    with receiving() as receiver, running(rig, receiver.url):
        owner = own(rig)
        tell(owner)
        receiver.wait_for(2)
        patiently(lambda: is_empty(rig), "everything settled")
    assert [posted.alert for posted in receiver.posted] == rig.told(owner.state.uuid)


def test_two_engines_deliver_each_alert_once(rig: SqlRig) -> None:
    """Two engines share the work: no alert arrives twice, and no two posts of one are ever under way at once."""
    with receiving(slow(0.01)) as receiver, running(rig, receiver.url, engines=2):
        owners = [own(rig, host) for host in ("c1", "c2", "c3")]
        for _ in range(8):
            for owner in owners:
                tell(owner)
        receiver.wait_for(27)
        patiently(lambda: is_empty(rig), "everything settled")
    assert Counter(told(receiver)).most_common(1)[0][1] == 1
    assert len(told(receiver)) == 27
    engines = {row["claimed_by"] for row in rig.read(select(schema.alert_deliveries.c.claimed_by))}
    assert engines <= {"engine-1", "engine-2"}


def test_one_that_hangs_holds_up_nobody(rig: SqlRig) -> None:
    """While one receiver hangs in mid-request, the other has everything, and commits of recoveries are as quick as ever."""
    with receiving(hangs) as mute, receiving() as well, running(rig, mute.url, well.url):
        owner = own(rig)
        mute.wait_for(1)
        began = time.monotonic()
        for _ in range(20):
            tell(owner)
        seconds = time.monotonic() - began
        well.wait_for(21)
        assert len(mute.posted) == 1
        # It still hangs: nothing of it has come to an end.
        assert {row["last_error"] for row in rig.read(select(schema.alert_deliveries.c.last_error))} == {None}
        assert seconds < POST_SECONDS / 2
        mute.release()


def test_a_receiver_that_comes_back_gets_what_it_missed(rig: SqlRig) -> None:
    """After 500 and a refused redirect the third attempt is taken; each says its number, and all have one id."""
    with receiving(status(500), status(302, Location="http://127.0.0.1:1/"), takes) as receiver:
        with running(rig, receiver.url):
            own(rig)
            receiver.wait_for(3)
            patiently(lambda: is_empty(rig), "everything settled")
        assert [posted.headers["x-vmha-attempt"] for posted in receiver.posted] == ["1", "2", "3"]
        assert len(set(told(receiver))) == 1


def test_a_commit_rings(rig: SqlRig) -> None:
    """An engine's own alert leaves at once, long before the next look."""
    with receiving() as receiver:
        threads = threads_of(rig, "engine-1", receiver.url)
        threads._look_seconds = 3600.0
        store = SqlStore(rig.engine, on_commit=threads.committed)
        recovery = rig.report("c1").recovery
        threads.start()
        receiver.wait_for(1)
        (claimed,) = store.claim("engine-1", LEASES, limit=1)
        owner = Owner(rig, claimed, store)
        reason = because(Code.NO_DEVICE, host="c1")
        order = Order(id=str(uuid4()), recovery=recovery, effect=Alert("c1", reason))
        owner.commit(owner.change(orders=(order,), told=Code.NO_DEVICE))
        assert [posted.alert["kind"] for posted in receiver.wait_for(2)] == ["opened", "waits"]
        threads.stop(timeout_seconds=POST_SECONDS)


def test_without_webhooks_there_are_no_threads(rig: SqlRig) -> None:
    """Who configured nothing runs nothing, and alerts wait for an engine that has a webhook."""
    own(rig)
    before = threading.active_count()
    with running(rig) as (threads,):
        assert threading.active_count() == before
        assert threads.stop(timeout_seconds=0)
    with receiving() as receiver, running(rig, receiver.url):
        receiver.wait_for(1)


def test_a_stop_waits_no_longer_than_it_may(rig: SqlRig) -> None:
    """A receiver that hangs does not hold the engine's end; what was on its way is due again for the next engine."""
    with receiving(hangs, takes) as receiver:
        threads = threads_of(rig, "engine-1", receiver.url)
        threads.start()
        own(rig)
        receiver.wait_for(1)
        began = time.monotonic()
        assert threads.stop(timeout_seconds=0.3) is False
        assert time.monotonic() - began < POST_SECONDS / 2
        assert not is_empty(rig)
        receiver.release()
        assert threads.stop(timeout_seconds=POST_SECONDS)


def test_a_database_that_is_away_is_said_once(rig: SqlRig, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Threads without a database say so once and go on looking; nothing of it ends them."""
    empty = open_database(f"sqlite:///{tmp_path}/empty.sqlite")
    outbox = SqlOutbox(empty)
    with receiving() as receiver:
        (webhook,) = webhooks(receiver.url)
        one = Courier(
            webhook=webhook,
            outbox=outbox,
            engine="engine-1",
            clock=SystemClock(),
            terms=QUICK,
            post_seconds=POST_SECONDS,
        )
        looks = Looks(outbox)
        threads = AlertThreads(Dispatcher(outbox=looks, couriers={webhook.key: one}, terms=QUICK), look_seconds=0.01)
        with caplog.at_level(logging.WARNING, logger="vmha"):
            threads.start()
            patiently(lambda: looks.count >= 5, "some looks")
        told = [(record.message, record.levelno) for record in caplog.records]
        assert told == [("alerts-not-looked-at", logging.WARNING)]
        migrate.sync(empty)
        before = looks.count
        patiently(lambda: looks.count > before + 1, "a look after the tables were made")
        assert threads.stop(timeout_seconds=POST_SECONDS)
    empty.dispose()


class Looks:
    """Counts looks at an outbox."""

    def __init__(self, inner: SqlOutbox) -> None:
        self._inner = inner
        self.count = 0

    def __getattr__(self, name: str) -> object:
        """Pass on."""
        return getattr(self._inner, name)

    def look(self, webhooks: object, terms: object) -> object:
        """Count, and look."""
        self.count += 1
        return self._inner.look(webhooks, terms)  # type: ignore[arg-type]
