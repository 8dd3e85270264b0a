"""The doorbell over a RabbitMQ that is late, that dies, and that comes back."""

from __future__ import annotations

import functools
import logging
import queue
import time
from typing import TYPE_CHECKING

import pytest

from tests.cloud.rig import layout
from vmha.adapters.messaging import BrokerDoorbell, DoorbellListener
from vmha.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oslo_config import cfg

    from tests.cloud.rig.brokers import Broker

PING_SECONDS = 1.0
# RabbitMQ needs 15 s on a machine that has nothing else to do.
PATIENCE_SECONDS = 60.0
AWAY, BACK = "broker is away", "broker is back"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> cfg.ConfigOpts:
    """Read a masakari.conf that names the broker."""
    path = tmp_path / "masakari.conf"
    path.write_text(f"[DEFAULT]\ntransport_url = {layout.broker_url(broker.settings, broker.name)}\n")
    return load(["--config-file", str(path)], "test").config


class Engines:
    """Two engines that hear rings, and one API that rings."""

    def __init__(self, config: cfg.ConfigOpts) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self.bell = BrokerDoorbell(config)
        self.listeners = [
            DoorbellListener(
                config, engine=name, on_ring=functools.partial(self.heard.put, name), ping_seconds=PING_SECONDS
            )
            for name in ("e1", "e2")
        ]

    def hear(self, within_seconds: float = 2.0) -> set[str]:
        """Ring once and return who heard it in time."""
        while not self.heard.empty():
            self.heard.get()
        began = time.monotonic()
        self.bell.ring()
        names: set[str] = set()
        while names != {"e1", "e2"} and time.monotonic() - began < within_seconds:
            try:
                names.add(self.heard.get(timeout=0.1))
            except queue.Empty:
                continue
        return names

    def wait_until_heard(self) -> None:
        """Ring until both engines hear one ring."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.hear() != {"e1", "e2"}:
            assert time.monotonic() < end, "rings do not arrive"


@pytest.fixture
def engines(config: cfg.ConfigOpts) -> Iterator[Engines]:
    """Start the engines, whatever the broker does."""
    engines = Engines(config)
    for listener in engines.listeners:
        listener.start()
    yield engines
    for listener in engines.listeners:
        listener.stop()


def test_rings_survive_a_broker_that_comes_late_and_dies(
    broker: Broker, engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    """Engines start without a broker, hear rings when it comes, and again after it died; each change is one line each."""
    with caplog.at_level(logging.INFO, logger="vmha"):
        wait_for(caplog, AWAY, by=2, times=1)
        assert engines.hear() == set()

        broker.start()
        engines.wait_until_heard()
        wait_for(caplog, BACK, by=3, times=1)

        broker.daemon().kill()
        wait_for(caplog, AWAY, by=2, times=2)
        assert engines.hear() == set()
        time.sleep(4 * PING_SECONDS)

        broker.start()
        engines.wait_until_heard()
        wait_for(caplog, BACK, by=3, times=2)

    # Two engines and one API; each was away twice, or more often where the machine stood still for longer than two pings.
    said = changes(caplog)
    assert len(said) == 3
    assert all(lines == [(AWAY, BACK)[number % 2] for number in range(len(lines))] for lines in said), said
    assert all("rig-secret" not in str(vars(record)) for record in caplog.records)


def test_a_ring_is_heard_at_once(broker: Broker, engines: Engines) -> None:
    """Once all stand, each ring arrives, and nothing in its way waits: the quickest of ten has not even the time between two pings."""
    if not broker.daemon().alive():
        broker.start()
    engines.wait_until_heard()
    seconds = []
    for _ in range(10):
        began = time.monotonic()
        assert engines.hear(within_seconds=PATIENCE_SECONDS) == {"e1", "e2"}
        seconds.append(time.monotonic() - began)

    assert min(seconds) < PING_SECONDS / 2


def wait_for(caplog: pytest.LogCaptureFixture, line: str, *, by: int, times: int) -> None:
    """Wait until so many of the engines and the API have each said `line` so often."""
    end = time.monotonic() + PATIENCE_SECONDS
    while sum(lines.count(line) >= times for lines in changes(caplog)) < by:
        assert time.monotonic() < end, f"{by} did not say '{line}' {times} times: {changes(caplog)}"
        time.sleep(0.1)


def changes(caplog: pytest.LogCaptureFixture) -> list[list[str]]:
    """Return what each engine and the API said of the broker; each has a thread of its own that does."""
    said: dict[int | None, list[str]] = {}
    for record in list(caplog.records):
        if record.getMessage() in (AWAY, BACK):
            said.setdefault(record.thread, []).append(record.getMessage())
    return list(said.values())
