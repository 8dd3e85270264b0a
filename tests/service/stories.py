"""Stories about the service among its neighbours: real processes on a simulated cloud, and something that goes wrong around them.

Each story is played once, a few at a time, since most of it is waiting; the tests then look at what came of it.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from tests.sql.servers import MariaDb, MissingServer
from unit_tests.adapters.receiver import Receiver, hangs, receiving, server_context, takes
from vmha.adapters.db import recovery_views, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.listing import Order, Page
from vmha.core.model import Outcome
from vmha.sim.record import Fact, read_lines
from vmha.sim.stage import Option, Stage, free_port

VICTIM = "c1"
INSTANCES = 6
AWAY_SECONDS = 20.0
PATIENCE_SECONDS = 200.0
AT_ONCE = 4
SLOW: tuple[Option, ...] = (("recovery", "moves_in_flight", "2"),)
"""So that a recovery lasts long enough for something to happen in the middle of it."""

NOWHERE = "rabbit://vmha:secret-of-broker@127.0.0.1:1/"
"""A broker that is not there: nobody listens on port 1."""


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """What came of a story: the cloud's record, the recovery and its timeline, the logs, and what the story noted itself."""

    facts: list[Fact] = field(default_factory=list)
    outcome: Outcome | None = None
    codes: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def evacuated(self) -> list[str]:
        """The instances of the evacuations that Nova took, each as often as it was taken."""
        return [fact["instance"] for fact in self.facts if fact["what"] == "evacuation" and fact["outcome"] == "taken"]

    def log_lines(self, event: str) -> list[str]:
        """All log lines with an event."""
        return [line for log in self.logs.values() for line in log.splitlines() if f" {event}" in line]


class Told:
    """A stage, the database beside it, and what is noted on the way."""

    def __init__(self, folder: Path, *, engines: int = 1, options: tuple[Option, ...] = ()) -> None:
        folder.mkdir(parents=True)
        self.stage = Stage(folder, say=lambda _: None, hosts=4, engines=engines, options=options)
        self.result = Outcomes()
        urls = [value for group, name, value in options if (group, name) == ("database", "connection")]
        self.database: Engine = open_database(urls[0] if urls else f"sqlite:///{self.stage.database}")

    def set_up(self) -> None:
        """Start everything."""
        self.stage.set_up(f"{VICTIM}={INSTANCES},c2=1")

    def lose_host(self) -> None:
        """Let the host die and be reported."""
        self.stage.inject("host_crashes", host=VICTIM)
        self.stage.report(VICTIM)

    def wait_until_recovered(self) -> None:
        """Wait until the recovery has ended, by the database alone: whatever is away may be the API's."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and (self._read() is None or self.result.outcome is None):
            self.stage.wait(0.3, "the end")

    def _read(self) -> object:
        newest = Page(limit=1, marker=None, order=(Order("id", descending=True),))
        with transaction(self.database) as connection:
            rows = recovery_views.listed(connection, [], newest)
            if rows:
                lines = recovery_views.timeline_of(connection, rows[0].uuid)
                self.result.outcome = rows[0].outcome
                self.result.codes = [line.code for line in lines]
                self.result.sentences = [line.sentence for line in lines]
            return rows or None

    def finish(self) -> Outcomes:
        """Collect what came of it."""
        self.result.facts = read_lines(self.stage.record) if self.stage.record.exists() else []
        for path in sorted(self.stage.folder.glob("*.log")):
            self.result.logs[path.stem] = path.read_text()
        return self.result

    def close(self) -> None:
        """End everything."""
        self.stage.tear_down()
        self.database.dispose()


@contextmanager
def told(folder: Path, *, engines: int = 1, options: tuple[Option, ...] = ()) -> Iterator[Told]:
    """Give a stage for one story."""
    story = Told(folder, engines=engines, options=options)
    try:
        yield story
    finally:
        story.close()


def nova_away(folder: Path) -> Outcomes:
    """Nova and Placement do not answer for a while in the middle of a recovery."""
    with told(folder, options=SLOW) as story:
        story.set_up()
        story.lose_host()
        story.stage.wait_for_order("evacuation")
        story.stage.inject("nova_away", seconds=AWAY_SECONDS)
        story.wait_until_recovered()
        return story.finish()


def keystone_away(folder: Path) -> Outcomes:
    """Keystone forgets all tokens and does not answer for a while in the middle of a recovery."""
    with told(folder, options=SLOW) as story:
        story.set_up()
        story.lose_host()
        story.stage.wait_for_order("evacuation")
        story.stage.inject("keystone_away", seconds=AWAY_SECONDS)
        story.stage.inject("tokens_revoked")
        story.wait_until_recovered()
        return story.finish()


def restarted(folder: Path) -> Outcomes:
    """masakari-standalone is asked to end in the middle of a recovery, and started again."""
    with told(folder, options=SLOW) as story:
        story.set_up()
        story.lose_host()
        engine = story.stage.wait_for_order("evacuation")["caller"]
        began = time.monotonic()
        story.result.notes["code"] = story.stage.terminate(engine)
        story.result.notes["leave_seconds"] = time.monotonic() - began
        story.result.notes["before"] = len(read_lines(story.stage.record))
        story.stage.start_service()
        story.wait_until_recovered()
        return story.finish()


def restarted_while_nova_hangs(folder: Path) -> Outcomes:
    """Nova and the BMCs take connections and say nothing; masakari-standalone is asked to end, and started when they go on."""
    with told(folder, options=SLOW) as story:
        story.set_up()
        story.lose_host()
        engine = story.stage.wait_for_order("evacuation")["caller"]
        story.stage.pause("cloud")
        story.stage.wait(3.0, "calls that hang")
        began = time.monotonic()
        story.result.notes["code"] = story.stage.terminate(engine)
        story.result.notes["leave_seconds"] = time.monotonic() - began
        story.stage.wake("cloud")
        story.stage.start_service()
        story.wait_until_recovered()
        return story.finish()


def broker_away(folder: Path) -> Outcomes:
    """API and engines are told of a broker that is not there, neither at their start nor later, and announce to one that says nothing."""
    with silent_server() as silent, told(folder, engines=2, options=two_brokers(silent)) as story:
        story.set_up()
        story.stage.inject("host_crashes", host=VICTIM)
        began = time.monotonic()
        story.stage.report(VICTIM)
        story.result.notes["report_seconds"] = time.monotonic() - began
        story.wait_until_recovered()
        story.result.notes["announced"] = has_callers(silent)
        story.result.notes["leave"] = [leave(story.stage, name) for name in ("engine-1", "engine-2", "api")]
        return story.finish()


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """Listen on a port, let clients connect, and never say a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.setblocking(False)
        yield server


def two_brokers(silent: socket.socket) -> tuple[Option, ...]:
    """Name one that is not there for the doorbell, and one that says nothing for announcements."""
    url = NOWHERE.replace(":1/", f":{silent.getsockname()[1]}/")
    announces = ("oslo_messaging_notifications", "driver", "messagingv2")
    return ("DEFAULT", "transport_url", NOWHERE), announces, ("oslo_messaging_notifications", "transport_url", url)


def has_callers(server: socket.socket) -> bool:
    """Tell whether anybody has connected."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def leave(stage: Stage, name: str) -> tuple[int, float]:
    """Ask a process to end; return its exit code and the seconds it took."""
    began = time.monotonic()
    return stage.terminate(name), time.monotonic() - began


def database_away(folder: Path) -> Outcomes:
    """MariaDB is not there when masakari-standalone starts, comes, is killed in the middle of a recovery, and comes back."""
    server = MariaDb()
    try:
        options = (("database", "connection", server.url("masakari")), *SLOW)
        with told(folder, options=options) as story:
            story.stage.start_cloud(f"{VICTIM}={INSTANCES},c2=1")
            story.stage.start_service()
            story.stage.wait(2.0, "a database that is away")
            story.result.notes["without"] = get(story.stage, "/segments")
            server.start()
            server.create_database("masakari")
            log = story.stage.folder / "engine-1.log"
            wait_for(lambda: "engine-started" in log.read_text())
            story.stage.make_segment()
            story.lose_host()
            story.stage.wait_for_order("evacuation")
            server.stop()
            story.stage.wait(AWAY_SECONDS / 2, "the database is away")
            story.result.notes["meanwhile"] = get(story.stage, "/segments")
            server.start()
            story.wait_until_recovered()
            return story.finish()
    finally:
        server.remove()


def database_locked(folder: Path) -> Outcomes:
    """Somebody else holds SQLite's only lock in the middle of a recovery, for longer than anybody waits for it."""
    with told(folder, options=SLOW) as story:
        story.set_up()
        story.lose_host()
        story.stage.wait_for_order("evacuation")
        with closing(sqlite3.connect(story.stage.database, timeout=30, isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            story.result.notes["meanwhile"] = get(
                story.stage, "/segments"
            )  # answered when the wait for the lock is over
            story.stage.wait(5.0, "the engine has waited as long")
            somebody.execute("ROLLBACK")
        story.wait_until_recovered()
        return story.finish()


def killed_while_posting(folder: Path) -> Outcomes:
    """An engine is killed while it posts the first alert; of its other webhooks one hangs for ever and one has a wrong certificate."""
    secret = folder.with_suffix(".secret")
    secret.write_text(ALERT_SECRET)
    secret.chmod(0o600)
    context, _ = server_context(folder.parent, "elsewhere.example.org")
    with receiving(hangs, takes) as well, receiving(hangs) as mute, receiving(tls=context) as strange:
        port = free_port()
        options = (
            ("alerts", "webhooks", ", ".join(receiver.url for receiver in (well, mute, strange))),
            ("alerts", "secret_file", str(secret)),
            ("alerts", "post_seconds", "15"),
            ("alerts", "retry_seconds", "1"),
            ("metrics", "engine_port", str(port)),
            ("metrics", "api_enabled", "true"),
        )
        with told(folder, engines=2, options=(*SLOW, *options)) as story:
            story.set_up()
            story.lose_host()
            well.wait_for(1)
            killed = posting(story.database)
            story.stage.kill(killed)
            well.release()
            story.wait_until_recovered()
            # The first one comes again when the time of who was killed is over, perhaps as the last.
            wait_for(lambda: knows_the_end(well) and not undelivered(story.database, well.url))
            wait_for(lambda: any("did not answer within" in log.read_text() for log in folder.glob("*.log")))
            story.result.notes |= {
                "killed": killed,
                "posted": well.posted,
                "strange": strange.posted,
                "mute": mute.posted,
            }
            story.result.notes["api"] = requests.get(f"{story.stage.url}/metrics", timeout=20).text
            story.result.notes["stored"] = stored_alerts(story.database)
            return story.finish()


ALERT_SECRET = "secret-of-alerts-0123456789"


def posting(database: Engine) -> str:
    """Name the engine that posts the first alert to the first webhook now."""
    with transaction(database) as connection:
        row = select(schema.alert_deliveries.c.claimed_by).order_by(schema.alert_deliveries.c.id).limit(1)
        return str(connection.scalar(row))


def knows_the_end(receiver: Receiver) -> bool:
    """Tell whether a webhook has heard of the end."""
    return any(each.alert["kind"] == "ended" for each in list(receiver.posted))


def undelivered(database: Engine, url: str) -> bool:
    """Tell whether something is on its way to this webhook."""
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    table = schema.alert_deliveries.c
    with transaction(database) as connection:
        return bool(connection.scalar(select(func.count()).where(table.webhook == key, table.delivered_at.is_(None))))


def stored_alerts(database: Engine) -> list[dict[str, Any]]:
    """Return what was stored, oldest first."""
    with transaction(database) as connection:
        return [
            json.loads(text)
            for text in connection.scalars(select(schema.alerts.c.document).order_by(schema.alerts.c.id))
        ]


def get(stage: Stage, path: str) -> tuple[int, Any]:
    """Ask the API as the cloud's administrator; return status and body."""
    answer = stage.client().get(path)
    return answer.status_code, answer.json()


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.3)


STORIES = {
    story.__name__: story
    for story in (
        database_away,
        database_locked,
        broker_away,
        nova_away,
        keystone_away,
        restarted,
        restarted_while_nova_hangs,
        killed_while_posting,
    )
}


class Stories:
    """Plays all stories that will be asked for."""

    def __init__(self, names: list[str], folder: Path) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._results: dict[str, Future[Outcomes]] = {
            name: self._pool.submit(STORIES[name], folder / name) for name in STORIES if name in names
        }

    def of(self, name: str) -> Outcomes:
        """Wait for a story. Raises `MissingServer` where this machine lacks what it needs."""
        return self._results[name].result()

    def close(self) -> None:
        """Begin no other one, and wait for those that are being played: each ends what it started."""
        self._pool.shutdown(wait=True, cancel_futures=True)


__all__ = ["INSTANCES", "STORIES", "VICTIM", "MissingServer", "Outcomes", "Stories", "told"]
