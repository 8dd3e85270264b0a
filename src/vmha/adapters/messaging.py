"""The doorbell: a word on the broker that there is something to do. The database is the memory; a lost ring costs a second.

Rules:
1. Nobody waits for the broker: rings leave from a thread of their own. While one is on its way, and for `REST_SECONDS` after it, the
   next ones are the same: a thousand reports in a second are no reason to wake engines a thousand times.
2. A broker that goes away is logged once, and once more when it is back. oslo.messaging reconnects by itself, for ever.
3. The topic is ours. Upstream's `ha_engine` carries orders, and an engine of upstream would act on what it finds there.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from vmha.errors import ConfigurationError
from vmha.logs import log
from vmha.threads import choose_threads

choose_threads()

import oslo_messaging  # noqa: E402 (it loads eventlet where nobody chose threads before)

if TYPE_CHECKING:
    from collections.abc import Callable

    from oslo_config import cfg

LOGGER = logging.getLogger(__name__)
EXCHANGE = "masakari"
TOPIC = "vmha_engine"
# An engine pings itself as often; this many pings that do not come back mean that rings do not arrive either.
PING_SECONDS = 10.0
MISSED_PINGS = 2
# How much later than the report an engine may hear of it, if it heard a ring just before.
REST_SECONDS = 0.02
# What stop() grants oslo.messaging, which can hang on a broker that is away.
STOP_SECONDS = 1.0
# They log each attempt to reconnect, as errors; rule 2 is kept here.
_CHATTY = ("oslo_messaging", "oslo.messaging", "amqp", "kombu")
# oslo.messaging 18 registers these options on the global configuration only and then reads them from ours.
_FORGOTTEN = (
    ("oslo_messaging_metrics", "oslo_messaging._metrics.client"),
    ("oslo_messaging_tracing", "oslo_messaging._tracing.client"),
)


class InProcessDoorbell:
    """The doorbell of a process that has API and engine in it."""

    def __init__(self, on_ring: Callable[[], None]) -> None:
        self._on_ring = on_ring

    def ring(self) -> None:
        """Call the engine's own bell, which only sets a flag."""
        self._on_ring()


class BrokerDoorbell:
    """Rings every engine behind the broker."""

    def __init__(self, config: cfg.ConfigOpts) -> None:
        self._client = _client(config)
        self._state = _State()
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Let the ringing thread know; it is started by the first ring, after a web server has forked."""
        self._wanted.set()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="doorbell", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self._state.note(_cast(self._client.prepare(fanout=True), "wake"))
            _rest()


class DoorbellListener:
    """Hears rings in an engine. `on_ring` is called in a thread of oslo.messaging and must return at once."""

    def __init__(
        self, config: cfg.ConfigOpts, *, engine: str, on_ring: Callable[[], None], ping_seconds: float = PING_SECONDS
    ) -> None:
        self._ears = _Ears(on_ring)
        self._client = _client(config).prepare(server=engine)
        self._server = oslo_messaging.get_rpc_server(
            open_transport(config),
            oslo_messaging.Target(exchange=EXCHANGE, topic=TOPIC, server=engine),
            [self._ears],
        )
        self._state = _State()
        self._ping_seconds = ping_seconds
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to listen; returns at once, whether the broker is there or not."""
        # Blocks until the broker is there.
        threading.Thread(target=self._listen, name="doorbell-listener", daemon=True).start()
        threading.Thread(target=self._watch, name="doorbell-watch", daemon=True).start()

    def stop(self) -> None:
        """End listening, within `STOP_SECONDS`."""
        self._stopped.set()
        ending = threading.Thread(target=self._server.stop, name="doorbell-stop", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)

    def _listen(self) -> None:
        self._server.start(override_pool_size=1)

    def _watch(self) -> None:
        """Send a ping to ourselves now and then, which alone shows that rings would arrive."""
        missed = 0
        while not self._stopped.is_set():
            trouble = _cast(self._client, "ping")
            if self._ears.heard_ping.wait(self._ping_seconds):
                self._ears.heard_ping.clear()
                self._state.note(None)
                missed = 0
                self._stopped.wait(self._ping_seconds)
                continue
            missed += 1
            if missed >= MISSED_PINGS and not self._stopped.is_set():
                self._state.note(trouble or "the broker takes messages but brings none")


class _Ears:
    """What the broker may call."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, on_ring: Callable[[], None]) -> None:
        self._on_ring = on_ring
        self.heard_ping = threading.Event()

    def wake(self, context: dict[str, Any]) -> None:
        """Hear a ring."""
        self._on_ring()

    def ping(self, context: dict[str, Any]) -> None:
        """Hear ourselves."""
        self.heard_ping.set()


class _State:
    """Whether the broker was there when it was last needed; a change is logged, and nothing else."""

    def __init__(self) -> None:
        self._well: bool | None = None
        self._since = time.monotonic()

    def note(self, trouble: str | None) -> None:
        """Take down how it went; `trouble` is None when it went well."""
        well = trouble is None
        if well is self._well:
            return
        if well and self._well is None:
            log(LOGGER, "doorbell ready")
        elif well:
            log(LOGGER, "broker is back", away_seconds=time.monotonic() - self._since)
        else:
            log(
                LOGGER,
                "broker is away",
                level=logging.WARNING,
                reason=trouble,
                effect="engines look at the database every poll_seconds instead",
            )
        self._well, self._since = well, time.monotonic()


def _rest() -> None:
    time.sleep(REST_SECONDS)


def _cast(client: Any, method: str) -> str | None:
    """Send one message with one more try; return what went wrong."""
    try:
        client.cast({}, method)
    except Exception as error:  # noqa: BLE001 (kombu and amqp raise what they like, and a ring must never hurt)
        return f"{type(error).__name__}: {error}"
    return None


def _client(config: cfg.ConfigOpts) -> Any:
    target = oslo_messaging.Target(exchange=EXCHANGE, topic=TOPIC, version="1.0")
    return oslo_messaging.get_rpc_client(open_transport(config), target, retry=1)


def prepare_config(config: cfg.ConfigOpts) -> None:
    """Register what oslo.messaging forgets, and quieten what it says of each attempt."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for group, module in _FORGOTTEN:
        # Older releases have neither the module nor the need.
        if importlib.util.find_spec(module) is not None:
            config.register_opts(getattr(importlib.import_module(module), group), group=group)


def open_transport(config: cfg.ConfigOpts) -> Any:
    """Return a transport to the configured broker; nothing is sent yet. Raises `ConfigurationError`."""
    prepare_config(config)
    try:
        return oslo_messaging.get_rpc_transport(config)
    except (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure, ValueError) as error:
        # The error itself carries the URL, and the URL the password.
        raise ConfigurationError(
            f"[DEFAULT] transport_url cannot be used ({type(error).__name__}): it must be like "
            "rabbit://user:password@host:5672/vhost"
        ) from None
