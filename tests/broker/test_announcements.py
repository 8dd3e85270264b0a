"""Announcements over a real RabbitMQ: upstream's own classes read them, and a broker that is away, or hangs, holds up nobody."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.adoption import environments
from tests.cloud.rig import layout
from unit_tests.adapters.test_announcing_engine import Story
from unit_tests.api.test_telling import HOST, REPORT, SEGMENT
from unit_tests.api.world import World
from vmha.adapters.announcing_broker import open_announcer, oslo_messaging
from vmha.api.app import create_app
from vmha.ports import Announcement
from vmha.settings import load
from vmha.sim.faults import inject

if TYPE_CHECKING:
    from oslo_config import cfg

    from tests.cloud.rig.brokers import Broker
    from vmha.ports import Announcer

# RabbitMQ needs 15 s on a machine that has nothing else to do, and the first test of a machine installs upstream.
PATIENCE_SECONDS = 90.0
AT_ONCE_SECONDS = 30.0
"""More than twenty answers and a recovery in virtual time take on a busy machine; who waited for the broker once would wait for longer."""

pytestmark = pytest.mark.timeout(400)
RELEASE = "22.0.0"
CONSUMER = Path(__file__).with_name("upstream_consumer.py")
HEADERS = {"X-User-Id": "ann", "X-Project-Id": "p", "X-Auth-Token": "a-secret-token"}


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> cfg.ConfigOpts:
    """Read a masakari.conf that announces over the broker."""
    path = tmp_path / "masakari.conf"
    path.write_text(
        f"[DEFAULT]\ntransport_url = {broker_url(broker)}\n[oslo_messaging_notifications]\ndriver = messagingv2\n"
    )
    return load(["--config-file", str(path)], "test").config


def broker_url(broker: Broker) -> str:
    """Return where the broker is."""
    return layout.broker_url(broker.settings, broker.name)


class Consumer:
    """What a consumer is: an endpoint of a listener on the topic."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, str, Any]] = queue.Queue()

    def info(self, context: Any, publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        """Hear it."""
        self.heard.put((event_type, context["request_id"], payload))


@contextmanager
def listening(config: cfg.ConfigOpts) -> Iterator[Consumer]:
    """Hear what is announced until the end of the block."""
    consumer = Consumer()
    server = oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(config),
        [oslo_messaging.Target(topic="versioned_notifications")],
        [consumer],
        executor="threading",
    )
    server.start(override_pool_size=1)
    try:
        yield consumer
    finally:
        server.stop()
        server.wait()


def test_what_is_announced_arrives_when_the_broker_comes(broker: Broker, config: cfg.ConfigOpts) -> None:
    """Nobody waits while the broker is away; what was announced meanwhile arrives in order when it is there, and so does the next."""
    announcer = open_announcer(config)
    broker.daemon().kill()
    for number in range(3):
        announcer.announce(announcement(number))  # who waited for the broker would never get to its start
    broker.start()
    with listening(config) as consumer:
        announcer.announce(announcement(3))
        heard = [consumer.heard.get(timeout=PATIENCE_SECONDS) for _ in range(4)]
    assert heard == [("segment.create.end", f"req-{number}", {"number": number}) for number in range(4)]


def announcement(number: int) -> Announcement:
    """Make one of many."""
    context = {"request_id": f"req-{number}"}
    return Announcement(
        binary="masakari-api", event_type="segment.create.end", payload={"number": number}, context=context
    )


def test_a_broker_that_hangs_holds_up_nobody(broker: Broker, config: cfg.ConfigOpts, tmp_path: Path) -> None:
    """A broker that takes bytes and answers none delays no answer of the API and no recovery; what they announced arrives in the end."""
    if not broker.daemon().alive():
        broker.start()
    announcer = open_announcer(config)
    world = World(tmp_path)
    world.app = create_app(replace(world.parts(), announcer=announcer))
    with listening(config) as consumer:
        announcer.announce(announcement(0))
        assert consumer.heard.get(timeout=PATIENCE_SECONDS)[1] == "req-0"
        broker.daemon().signal(signal.SIGSTOP)
        try:
            slowest = max(seconds_to_make(world, number) for number in range(20))
            recovered = seconds_to_recover(tmp_path, config)
            assert consumer.heard.empty()
        finally:
            broker.daemon().signal(signal.SIGCONT)
        assert slowest < AT_ONCE_SECONDS
        assert recovered < AT_ONCE_SECONDS
        heard = [consumer.heard.get(timeout=PATIENCE_SECONDS)[0] for _ in range(2 * 20 + 4)]
    assert heard.count("segment.create.start") == heard.count("segment.create.end") == 20
    assert sorted(kind for kind in heard if not kind.startswith("segment")) == [
        *("host.update.end", "host.update.start", "notification.process.end", "notification.process.start")
    ]


def seconds_to_make(world: World, number: int) -> float:
    """Make a segment; return how long the answer took."""
    began = time.monotonic()
    answer = world.call("POST", "/v1/segments", send={"segment": {**SEGMENT["segment"], "name": f"s{number}"}})
    assert answer.status_int == 201
    return time.monotonic() - began


def seconds_to_recover(folder: Path, config: cfg.ConfigOpts) -> float:
    """Let a host be recovered in virtual time, by an engine that announces over the same broker; return how long it took in truth."""
    (folder / "engine").mkdir()
    story = Story(folder / "engine", open_announcer(config))
    story.world.advance(10.0)
    inject(story.world, "host_crashes", host="c1")
    notification = story.sql.report("c1").notification
    began = time.monotonic()
    story.run()
    assert story.sql.status(notification) == "finished"
    story.sql.close()
    return time.monotonic() - began


def test_upstreams_own_classes_read_what_is_announced(broker: Broker, config: cfg.ConfigOpts, tmp_path: Path) -> None:
    """Each payload is one that upstream's objects take and write again unchanged, with ids, the real fault, and a context without a token."""
    if not broker.daemon().alive():
        broker.start()
    with upstreams_consumer(broker, 22) as hear:
        announcer = open_announcer(config)  # one for both, so that what they say has one order
        announce_from_the_api(announcer, tmp_path)
        announce_from_an_engine(announcer, tmp_path)
        heard = hear()
    kinds = [kind for _, _, kind, _, _ in heard]
    assert (kinds[:-3], sorted(kinds[-3:])) == (EXPECTED, AT_THE_END)
    for number, (priority, publisher, kind, payload, caller) in enumerate(heard):
        data, is_error = payload["masakari_object.data"], kind.endswith(".error")
        assert priority == ("error" if is_error else "info")
        assert publisher.startswith("masakari-engine:" if "process" in kind else "masakari-api:")
        assert caller["token"] is None
        assert bool(data["fault"]) is is_error
        assert ("id" in data and data["id"] > 0) is (number not in REFUSED)
    told = {kind: (payload["masakari_object.data"], caller) for _, _, kind, payload, caller in heard}
    assert told["segment.create.end"][1]["user_id"] == "ann"
    assert told["segment.create.end"][1]["request_id"].startswith("req-")
    refused = told["segment.create.error"][0]["fault"]["masakari_object.data"]
    assert (refused["exception"], "insert" in refused["traceback"]) == ("NameTaken", True)
    failed = told["notification.process.error"][0]["fault"]["masakari_object.data"]
    assert failed["exception"].isupper()
    assert failed["exception_message"] in failed["traceback"]
    assert told["host.update.end"][0]["failover_segment"]["masakari_object.data"]["name"]


EXPECTED = [
    *(f"segment.{phase}" for phase in ("create.start", "create.end", "create.start", "create.error")),
    *(f"segment.update.{phase}" for phase in ("start", "end")),
    *(f"host.create.{phase}" for phase in ("start", "end")),
    *(f"host.update.{phase}" for phase in ("start", "end")),
    *(f"notification.create.{phase}" for phase in ("start", "end")),
    *(f"host.delete.{phase}" for phase in ("start", "end")),
    *(f"segment.delete.{phase}" for phase in ("start", "end")),
    *("notification.process.start", "host.update.start", "host.update.end"),
]
REFUSED = (2, 3)
"""Where the segment stands that was never made, so that there is no id to tell."""
AT_THE_END = ["notification.process.error", "notification.process.error", "notification.process.start"]
"""Of the two reports that joined one recovery: which of them comes first is the database's choice."""


def announce_from_the_api(announcer: Announcer, folder: Path) -> None:
    """Make, refuse, change and delete something of each kind, as a client does."""
    world = World(folder)
    world.app = create_app(replace(world.parts(), announcer=announcer))
    uuid = world.call("POST", "/v1/segments", send=SEGMENT, headers=HEADERS).json["segment"]["uuid"]
    assert world.call("POST", "/v1/segments", send=SEGMENT, headers=HEADERS).status_int == 409
    segment = f"/v1/segments/{uuid}"
    world.call("PUT", segment, send={"segment": {"description": "in Zürich"}}, headers=HEADERS)
    host = world.call("POST", f"{segment}/hosts", send=HOST, headers=HEADERS).json["host"]["uuid"]
    world.call("PUT", f"{segment}/hosts/{host}", send={"host": {"type": "KVM"}}, headers=HEADERS)
    assert world.call("POST", "/v1/notifications", send=REPORT, headers=HEADERS).status_int == 202
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update notifications set status = 'finished'")
        connection.exec_driver_sql("update recoveries set open_key = null, phase = 'ended', outcome = 'rejected'")
    assert world.call("DELETE", f"{segment}/hosts/{host}", headers=HEADERS).status_int == 204
    assert world.call("DELETE", segment, headers=HEADERS).status_int == 204


def announce_from_an_engine(announcer: Announcer, folder: Path) -> None:
    """Let a recovery fail that two reports joined."""
    (folder / "engine").mkdir()
    story = Story(folder / "engine", announcer)
    story.world.advance(10.0)
    inject(story.world, "host_crashes", host="c1")
    for _ in range(2):
        story.sql.report("c1")
    for name in ("c2", "c3"):
        inject(story.world, "spawn_fails", host=name)
    story.run(600.0)
    story.sql.close()


@contextmanager
def upstreams_consumer(broker: Broker, number: int) -> Iterator[Any]:
    """Run upstream's own listener; what is yielded waits for so many notifications and returns them."""
    python = environments.make(RELEASE) / "bin" / "python"
    command = (str(python), str(CONSUMER), broker_url(broker), str(number), str(PATIENCE_SECONDS))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def hear() -> list[Any]:
        out, err = process.communicate(timeout=2 * PATIENCE_SECONDS)
        assert process.returncode == 0, err[-3000:]
        found: list[Any] = json.loads(out)
        return found

    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield hear
    finally:
        process.kill()
        process.wait()
