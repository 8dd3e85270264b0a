"""The doorbell over oslo.messaging's in-memory broker, and over one that is not there."""

from __future__ import annotations

import functools
import logging
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from vmha.adapters import messaging
from vmha.adapters.messaging import TOPIC, BrokerDoorbell, DoorbellListener, InProcessDoorbell
from vmha.errors import ConfigurationError
from vmha.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from oslo_config import cfg


def config(folder: Path, url: str) -> cfg.ConfigOpts:
    """Read a masakari.conf with this broker in it."""
    path = folder / "masakari.conf"
    path.write_text(f"[DEFAULT]\ntransport_url = {url}\n[oslo_messaging_rabbit]\nrabbit_retry_interval = 1\n")
    return load(["--config-file", str(path)], "test").config


def nobody() -> str:
    """Return the URL of a broker that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"rabbit://user:not-a-secret@127.0.0.1:{taken.getsockname()[1]}/"


def test_a_ring_reaches_every_engine(tmp_path: Path) -> None:
    """Each engine hears each ring, for the topic is fanned out."""
    options = config(tmp_path, "fake://")
    heard: queue.Queue[str] = queue.Queue()
    listeners = [
        DoorbellListener(options, engine=name, on_ring=functools.partial(heard.put, name), ping_seconds=0.2)
        for name in ("e1", "e2")
    ]
    for listener in listeners:
        listener.start()
    bell = BrokerDoorbell(options)
    names: set[str] = set()
    try:
        for _ in range(50):
            bell.ring()
            try:
                names.add(heard.get(timeout=0.1))
            except queue.Empty:
                continue
            if names == {"e1", "e2"}:
                break
    finally:
        for listener in listeners:
            listener.stop()

    assert names == {"e1", "e2"}


def test_the_topic_is_not_upstreams() -> None:
    """An engine of upstream that shares the broker never hears us."""
    assert TOPIC != "ha_engine"


def test_a_ring_does_not_wait_for_a_broker_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand rings without a broker wait for nothing, raise nothing, and are one line in the log."""
    bell = BrokerDoorbell(config(tmp_path, nobody()))
    began = time.monotonic()

    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            bell.ring()
        took = time.monotonic() - began
        wait_for_line(caplog, "broker is away")
        bell.ring()
        time.sleep(0.2)

    assert took < 30, "a thousand that waited would take minutes"
    assert [record.message for record in caplog.records] == ["broker is away"]
    assert "not-a-secret" not in str(vars(caplog.records[0]))


def test_rings_share_one_thread(tmp_path: Path) -> None:
    """Many callers at once start a single thread between them."""
    bell = BrokerDoorbell(config(tmp_path, "fake://"))
    before = threading.active_count()
    callers = [threading.Thread(target=bell.ring) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert threading.active_count() == before + 1


class Broker:
    """Takes what oslo.messaging's client would send."""

    def __init__(self) -> None:
        self.taken: queue.Queue[str] = queue.Queue()

    def prepare(self, *, fanout: bool) -> Broker:
        """Return the client for all engines."""
        assert fanout
        return self

    def cast(self, context: dict[str, str], method: str) -> None:
        """Take a message."""
        self.taken.put(method)


def test_a_burst_of_rings_is_few_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ring of a burst leaves at once, those within the rest after it are one, and none that comes later is lost."""
    rest, broker = threading.Event(), Broker()
    monkeypatch.setattr(messaging, "_rest", lambda: rest.wait(60))
    bell = BrokerDoorbell(config(tmp_path, "fake://"))
    bell._client = broker
    bell.ring()
    assert broker.taken.get(timeout=60) == "wake"
    for _ in range(1000):
        bell.ring()
    with pytest.raises(queue.Empty):
        broker.taken.get(timeout=0.1)
    rest.set()
    assert broker.taken.get(timeout=60) == "wake"
    with pytest.raises(queue.Empty):
        broker.taken.get(timeout=0.1)
    bell.ring()
    assert broker.taken.get(timeout=60) == "wake"


@pytest.mark.slow
def test_a_listener_starts_without_a_broker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An engine whose broker is down at start goes on, says so once, and ends when it is told to."""
    listener = DoorbellListener(config(tmp_path, nobody()), engine="e1", on_ring=lambda: None, ping_seconds=0.1)

    with caplog.at_level(logging.INFO):
        listener.start()  # nobody ever comes: who waited for the broker, here or at the stop, would not return
        wait_for_line(caplog, "broker is away")
    listener.stop()

    assert [record.message for record in caplog.records] == ["broker is away"]


def test_an_engine_that_hears_itself_is_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ping that comes back is one line, and further ones are none."""
    heard, hear = threading.Semaphore(0), messaging._Ears.ping

    def ping(ears: messaging._Ears, context: dict[str, str]) -> None:
        hear(ears, context)
        heard.release()

    monkeypatch.setattr(messaging._Ears, "ping", ping)
    monkeypatch.setattr(messaging, "MISSED_PINGS", 10_000)  # a slow machine's pings are late, not lost
    listener = DoorbellListener(config(tmp_path, "fake://"), engine="e3", on_ring=lambda: None, ping_seconds=0.2)

    with caplog.at_level(logging.INFO, logger="vmha"):
        listener.start()
        wait_for_line(caplog, "doorbell ready")
        for _ in range(3):  # each is sent after the one before was noted
            assert heard.acquire(timeout=60)
    listener.stop()

    assert [record.message for record in caplog.records] == ["doorbell ready"]


@pytest.mark.parametrize("url", ["carrier-pigeon://host/", "rabbit://u:not-a-secret@host:notaport/"])
def test_a_broker_url_that_makes_no_sense_is_named(tmp_path: Path, url: str) -> None:
    """The message names the option and its form, and keeps the password to itself."""
    with pytest.raises(ConfigurationError, match="transport_url") as caught:
        BrokerDoorbell(config(tmp_path, url))

    assert "not-a-secret" not in str(caught.value)


def test_one_process_rings_itself() -> None:
    """In a process with API and engine the ring is a call."""
    rings: list[int] = []

    InProcessDoorbell(lambda: rings.append(1)).ring()

    assert rings == [1]


def wait_for_line(caplog: pytest.LogCaptureFixture, line: str) -> None:
    """Wait until the log has `line`."""
    end = time.monotonic() + 60
    while line not in caplog.messages:
        assert time.monotonic() < end, f"no line '{line}' in {caplog.messages}"
        time.sleep(0.02)
