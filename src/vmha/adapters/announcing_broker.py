"""Announcements over oslo.messaging, on the topic that upstream's consumers listen on.

Rules:
1. Nobody waits for the broker: announcements leave from a thread of their own. What does not fit into the queue is dropped and told.
2. What a driver raises loses one announcement and nothing else.
"""

from __future__ import annotations

import atexit
import logging
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

from vmha.adapters.announcing import SilentAnnouncer
from vmha.adapters.messaging import EXCHANGE, prepare_config
from vmha.errors import ConfigurationError
from vmha.logs import log
from vmha.threads import choose_threads

choose_threads()

import oslo_messaging  # noqa: E402 (it loads eventlet where nobody chose threads before)
from oslo_context.context import RequestContext  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oslo_config import cfg

    from vmha.ports import Announcement, Announcer

LOGGER = logging.getLogger(__name__)
TOPIC = "versioned_notifications"
FOR_EVER = -1
SETTLE_SECONDS = 2.0
"""What a process that ends grants announcements that wait."""
WAITING = 1000
"""Announcements that wait for a broker that is away; more than a cloud makes in an hour."""


def open_announcer(config: cfg.ConfigOpts) -> Announcer:
    """Build what sends, as [oslo_messaging_notifications] says. Raises `ConfigurationError`."""
    prepare_config(config)
    # Here it says what was lost, and only then.
    logging.getLogger("oslo_messaging.notify").setLevel(logging.ERROR)
    # Upstream's default; [DEFAULT] control_exchange goes before it.
    oslo_messaging.set_transport_defaults(EXCHANGE)
    try:
        transport = oslo_messaging.get_notification_transport(config)
    except (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure, ValueError) as error:
        # The error itself carries the URL, and the URL the password.
        own = config.oslo_messaging_notifications.transport_url
        raise ConfigurationError(
            f"[{'oslo_messaging_notifications' if own else 'DEFAULT'}] transport_url cannot be used ({type(error).__name__}): it must be like "
            "rabbit://user:password@host:5672/vhost"
        ) from None
    if not set(config.oslo_messaging_notifications.driver) - {"noop"}:
        return SilentAnnouncer()
    notifier = oslo_messaging.Notifier(transport, topics=[TOPIC], serializer=Contexts())
    if notifier.retry == FOR_EVER:
        # Both mean to try for ever, but kombu takes the number for less than one try where there is no connection yet.
        notifier.retry = None
    return BrokerAnnouncer(notifier)


class Contexts(oslo_messaging.NoOpSerializer):  # type: ignore[misc] # oslo.messaging has no types
    """Sends a context as a dict, with the keys that upstream adds."""

    def serialize_context(self, context: Any) -> dict[str, Any]:
        """Return what goes over the wire."""
        more = {name: getattr(context, name) for name in ("user_id", "user_name", "project_name")}
        return {**context.to_dict(), **more}


class BrokerAnnouncer:
    """Sends announcements one after the other."""

    def __init__(self, notifier: Any) -> None:
        self._notifier = notifier
        self._waiting: queue.Queue[Announcement] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_dropping = False
        self._is_failing = False

    def announce(self, announcement: Announcement) -> None:
        """Queue it; the sending thread is started by the first one, after a web server has forked."""
        try:
            self._waiting.put_nowait(announcement)
        except queue.Full:
            if not self._is_dropping:
                log(LOGGER, "announcements dropped", level=logging.WARNING, why=f"{WAITING} wait; is the broker away?")
            self._is_dropping = True
            return
        self._is_dropping = False
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="announcer", daemon=True)
                self._thread.start()
                atexit.register(self._settle)

    def _serve(self) -> None:
        while True:
            self._send(self._waiting.get())
            self._waiting.task_done()

    def _settle(self) -> None:
        """Let what waits leave before the process ends."""
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, SETTLE_SECONDS)

    def _send(self, announcement: Announcement) -> None:
        notifier = self._notifier.prepare(publisher_id=f"{announcement.binary}:{socket.gethostname()}")
        send = notifier.error if announcement.is_error else notifier.info
        try:
            send(_context(announcement.context), announcement.event_type, announcement.payload)
        except Exception as error:  # noqa: BLE001 (drivers raise what they like, and an announcement must hurt nobody)
            if not self._is_failing:
                log(LOGGER, "announcement lost", level=logging.WARNING, type=announcement.event_type, error=str(error))
            self._is_failing = True
            return
        self._is_failing = False


def _context(known: Mapping[str, Any]) -> RequestContext:
    """Make what oslo.messaging takes for a context, and would not send if it were a dict."""
    return RequestContext(overwrite=False, **known)
