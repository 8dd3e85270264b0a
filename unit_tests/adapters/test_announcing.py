"""Announcements have upstream's shapes to the letter, go out on upstream's topic, and hurt nobody who makes one."""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from vmha.adapters import announcing_broker
from vmha.adapters.announcing import SilentAnnouncer, fault_of, host_payload, notification_payload, segment_payload
from vmha.adapters.announcing_broker import BrokerAnnouncer, open_announcer, oslo_messaging
from vmha.errors import ConfigurationError
from vmha.ports import Announcement
from vmha.settings import load

UPSTREAM = json.loads((Path(__file__).parent / "upstream_payloads.json").read_text())
ROOT = Path(__file__).parents[2]
CREATED = datetime(2026, 3, 1, 3, 0, 0)  # noqa: DTZ001 - naive UTC, as rows are
STAMPS = {"created_at": CREATED, "updated_at": None, "deleted_at": None, "deleted": 0}
SECONDS = 60.0


def theirs(event_type: str) -> dict[str, Any]:
    """Return upstream's payload of an event."""
    (payload,) = [each["payload"] for each in UPSTREAM if each["event_type"] == event_type]
    return dict(payload)


def data(payload: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in a payload."""
    return dict(payload["masakari_object.data"])


def segment_row() -> dict[str, Any]:
    """Return upstream's segment as a row of ours."""
    return {**data(theirs("segment.create.end")), **STAMPS}


def config(folder: Path, text: str) -> cfg.ConfigOpts:
    """Read a masakari.conf."""
    (folder / "masakari.conf").write_text(text)
    return load(["--config-file", str(folder / "masakari.conf")], "masakari-api").config


def test_a_segment_is_shown_as_upstream_does() -> None:
    """Every key, name and version is upstream's."""
    assert segment_payload(segment_row()) == theirs("segment.create.end")


def test_a_host_is_shown_as_upstream_does() -> None:
    """So is the segment in it, with its times."""
    sample = theirs("host.update.end")
    row = {name: value for name, value in data(sample).items() if name not in ("fault", "failover_segment")}
    assert host_payload({**row, "failover_segment_id": "x", **STAMPS}, segment_row()) == sample


@pytest.mark.parametrize("event_type", ["notification.create.end", "notification.process.start"])
def test_a_notification_is_shown_as_upstream_does(event_type: str) -> None:
    """API and engine show it alike."""
    sample = theirs(event_type)
    assert notification_payload({**data(sample), **STAMPS, "generated_time": CREATED, "message": "x"}) == sample


def test_a_fault_is_shown_as_upstream_does() -> None:
    """The error's class, text, module, function and traceback stand in upstream's shape."""
    sample = theirs("segment.create.error")
    try:
        raise ValueError("what happened")
    except ValueError as error:
        ours = segment_payload(segment_row(), fault_of(error))
    fault = data(ours)["fault"]
    assert ours.keys() == sample.keys()
    assert fault.keys() == data(sample)["fault"].keys()
    assert data(fault).keys() == data(data(sample)["fault"]).keys()
    assert {name: data(fault)[name] for name in ("exception", "exception_message", "module_name", "function_name")} == {
        "exception": "ValueError",
        "exception_message": "what happened",
        "module_name": __name__,
        "function_name": "test_a_fault_is_shown_as_upstream_does",
    }
    assert 'raise ValueError("what happened")' in data(fault)["traceback"]


def test_passwords_are_not_told() -> None:
    """What stands for a password in a host's control_attributes, or in an error, is masked; the rest is told."""
    sample = data(theirs("host.update.end"))
    told = host_payload({**sample, "control_attributes": '{"address": "10.0.0.7", "password": "hunter2"}'}, None)
    assert data(told)["control_attributes"] == '{"address": "10.0.0.7", "password": "***"}'
    assert "hunter2" not in json.dumps(fault_of(ValueError("password=hunter2 was refused")))


@pytest.mark.parametrize(
    "text", ["", "[oslo_messaging_notifications]\ndriver = noop\n", "[DEFAULT]\ntransport_url = fake://\n"]
)
def test_without_a_driver_nobody_is_told(text: str, tmp_path: Path) -> None:
    """No driver, or noop, is silence, whether there is a broker or not."""
    assert isinstance(open_announcer(config(tmp_path, text)), SilentAnnouncer)


def test_a_url_that_is_none_is_refused(tmp_path: Path) -> None:
    """A transport_url that cannot be used keeps the service from starting, and the message has no password in it."""
    text = "[oslo_messaging_notifications]\ndriver = messagingv2\ntransport_url = pigeon://user:hunter2@nowhere/\n"
    with pytest.raises(ConfigurationError, match=r"\[oslo_messaging_notifications\] transport_url") as refused:
        open_announcer(config(tmp_path, text))
    assert "hunter2" not in str(refused.value)


class Listener:
    """An endpoint of oslo.messaging's own listener."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, dict[str, Any], str, str, Any]] = queue.Queue()

    def info(self, context: dict[str, Any], publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        """Hear it."""
        self.heard.put(("info", context, publisher, event_type, payload))

    def error(self, context: dict[str, Any], publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        """Hear it."""
        self.heard.put(("error", context, publisher, event_type, payload))


@pytest.mark.parametrize("driver", ["messaging", "messagingv2"])
def test_a_consumer_of_upstreams_hears_it(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrives on upstream's topic, in upstream's exchange, with publisher, priority, context and payload."""
    monkeypatch.setattr(announcing_broker.socket, "gethostname", lambda: "controller-1")
    text = f"[oslo_messaging_notifications]\ndriver = {driver}\ntransport_url = fake://\ntopics = notifications\n"
    ours = config(tmp_path, text)
    announcer, listener = open_announcer(ours), Listener()
    server = oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(ours),
        [oslo_messaging.Target(exchange="masakari", topic="versioned_notifications")],
        [listener],
        executor="threading",
    )
    server.start()
    try:
        context = {"user_id": "u", "request_id": "req-1", "project_id": "p", "roles": ["admin"], "is_admin": True}
        good, bad = theirs("segment.create.end"), theirs("segment.create.error")
        announcer.announce(
            Announcement(binary="masakari-api", event_type="segment.create.end", payload=good, context=context)
        )
        announcer.announce(
            Announcement(binary="masakari-engine", event_type="segment.create.error", payload=bad, is_error=True)
        )
        heard = {told[0]: told for told in (listener.heard.get(timeout=SECONDS) for _ in range(2))}
    finally:
        server.stop()
        server.wait()
    (_, told, *info), (_, _, *error) = heard["info"], heard["error"]
    assert {name: told.get(name) for name in context} == context
    assert info == ["masakari-api:controller-1", "segment.create.end", good]
    assert error == ["masakari-engine:controller-1", "segment.create.error", bad]


class Notifier:
    """Stands where oslo.messaging's notifier does, and does with each announcement what the test says."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send

    def prepare(self, publisher_id: str) -> Notifier:
        """Take any publisher."""
        return self

    def info(self, context: object, event_type: str, payload: object) -> None:
        """Send it."""
        self._send()


def test_a_broker_that_is_away_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While one cannot leave others wait, up to a bound; what is dropped is told once, and nobody waits for it."""
    monkeypatch.setattr(announcing_broker, "WAITING", 3)
    gate, sent = threading.Event(), threading.Semaphore(0)

    def send() -> None:
        gate.wait()
        sent.release()

    announcer = BrokerAnnouncer(Notifier(send))
    announcement = Announcement(binary="masakari-api", event_type="x", payload={})
    with caplog.at_level(logging.WARNING, "vmha"):
        for _ in range(20):
            announcer.announce(announcement)  # who waited would wait for ever: the gate is shut
    assert [record.getMessage() for record in caplog.records] == ["announcements dropped"]
    gate.set()
    for _ in range(3):
        assert sent.acquire(timeout=SECONDS)


def test_what_a_driver_raises_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A driver that raises loses the announcement; the next ones are tried, and one line says so."""
    tried = threading.Semaphore(0)

    def send() -> None:
        tried.release()
        raise RuntimeError("no such exchange")

    announcer = BrokerAnnouncer(Notifier(send))
    with caplog.at_level(logging.WARNING, "vmha"):
        for _ in range(3):
            announcer.announce(Announcement(binary="masakari-api", event_type="x", payload={}))
        for _ in range(3):
            assert tried.acquire(timeout=SECONDS)
    assert [record.getMessage() for record in caplog.records] == ["announcement lost"]


def test_a_process_that_ends_lets_them_leave() -> None:
    """What was announced just before the end of a process still leaves, and a broker that is away keeps it no longer than a bound."""
    code = (
        "import sys, time\n"
        "from unit_tests.adapters.test_announcing import Notifier\n"
        "from vmha.adapters import announcing_broker\n"
        "from vmha.ports import Announcement\n"
        "seconds, announcing_broker.SETTLE_SECONDS = map(float, sys.argv[1:])\n"
        "announcer = announcing_broker.BrokerAnnouncer(Notifier(lambda: (time.sleep(seconds), print('sent', flush=True))))\n"
        "for _ in range(2):\n"
        "    announcer.announce(Announcement(binary='masakari-api', event_type='x', payload={}))\n"
    )
    said = []
    for seconds, settle_seconds in (("0.1", "60"), ("300", "1")):
        command = [sys.executable, "-c", code, seconds, settle_seconds]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT)
        said.append(done.stdout.splitlines())
    assert said == [["sent", "sent"], []]
