"""Announcements over a RabbitMQ that comes late."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.rig import layout
from vmha.adapters.announcing_broker import open_announcer, oslo_messaging
from vmha.ports import Announcement
from vmha.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.rig.brokers import Broker

# RabbitMQ needs 15 s on a machine that has nothing else to do.
PATIENCE_SECONDS = 90.0

pytestmark = pytest.mark.timeout(240)


class Consumer:
    """What upstream's consumers are: an endpoint of a listener on the topic."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, str, Any]] = queue.Queue()

    def info(self, context: Any, publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        """Hear it."""
        self.heard.put((event_type, context["request_id"], payload))


def test_what_is_announced_arrives_when_the_broker_comes(broker: Broker, tmp_path: Path) -> None:
    """Nobody waits while the broker is away; what was announced meanwhile arrives in order when it is there, and so does the next."""
    path = tmp_path / "masakari.conf"
    url = layout.broker_url(broker.settings, broker.name)
    path.write_text(f"[DEFAULT]\ntransport_url = {url}\n[oslo_messaging_notifications]\ndriver = messagingv2\n")
    config = load(["--config-file", str(path)], "test").config
    announcer = open_announcer(config)
    broker.daemon().kill()
    began = time.monotonic()
    for number in range(3):
        announcer.announce(announcement(number))
    assert time.monotonic() - began < 1
    broker.start()
    consumer = Consumer()
    server = oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(config),
        [oslo_messaging.Target(topic="versioned_notifications")],
        [consumer],
        executor="threading",
    )
    server.start(override_pool_size=1)
    try:
        announcer.announce(announcement(3))
        heard = [consumer.heard.get(timeout=PATIENCE_SECONDS) for _ in range(4)]
    finally:
        server.stop()
        server.wait()
    assert heard == [("segment.create.end", f"req-{number}", {"number": number}) for number in range(4)]


def announcement(number: int) -> Announcement:
    """Make one of many."""
    context = {"request_id": f"req-{number}"}
    return Announcement(
        binary="masakari-api", event_type="segment.create.end", payload={"number": number}, context=context
    )
