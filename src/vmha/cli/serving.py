"""What the long-running programs share: the run of an engine, the web server, the end on a signal."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

from cheroot.wsgi import Server

from vmha.adapters.messaging import DoorbellListener
from vmha.errors import ConfigurationError, StoreUnavailable
from vmha.logs import log, set_up_logging
from vmha.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

    from vmha.settings import Settings
    from vmha.wiring import EngineProcess

logger = logging.getLogger(__name__)


def settings_or_exit(program: str, argv: list[str]) -> Settings:
    """Read the settings and set up the log; a configuration that cannot be used is one line on standard error and exit 2."""
    try:
        settings = load(argv, program)
        set_up_logging(settings.log, engine=settings.engine, program=program)
    except ConfigurationError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    return settings


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run_engine(process: EngineProcess, settings: Settings, stop: threading.Event) -> None:
    """Run the loop until `stop`; then let orders under way end, and give the recoveries back."""
    listener = None
    if settings.transport_url is not None:
        listener = DoorbellListener(settings.config, engine=settings.engine, on_ring=process.bell.set)
        listener.start()
    log(logger, "engine-started", takeover_seconds=settings.engine_settings.takeover_seconds)
    while not stop.is_set():
        pause = process.engine.run_once()
        process.bell.wait(min(pause, settings.engine_settings.poll_seconds))
        process.bell.clear()
    if listener is not None:
        listener.stop()
    _leave(process, settings)


def _leave(process: EngineProcess, settings: Settings) -> None:
    """Give everything back only if nothing is under way any more: else the leases must run out first."""
    if not process.executor.stop(timeout_seconds=settings.engine_settings.order_seconds):
        log(
            logger,
            "engine-stopped",
            level=logging.WARNING,
            why="orders are still under way; leases run out by themselves",
        )
        process.close()
        return
    process.close()
    try:
        process.engine.release_all()
    except StoreUnavailable as error:
        log(logger, "release-failed", level=logging.WARNING, detail=str(error))
    log(logger, "engine-stopped")


def serve(
    application: WSGIApplication, settings: Settings, stop: threading.Event, *, failed: Callable[[str], None]
) -> None:
    """Serve the API until `stop`. An address that cannot be had is told to `failed`."""
    api = settings.api
    server = Server(
        (api.masakari_api_listen, api.masakari_api_listen_port),
        application,
        numthreads=api.masakari_api_threads,
        server_name="vmha",
        request_queue_size=128,
    )
    try:
        server.prepare()
    except OSError as error:
        failed(
            f"cannot listen on {api.masakari_api_listen}:{api.masakari_api_listen_port}: {error}; set masakari_api_listen_port"
        )
        return
    threading.Thread(target=server.serve, name="api", daemon=True).start()
    log(logger, "api-started", address=api.masakari_api_listen, port=api.masakari_api_listen_port)
    stop.wait()
    server.stop()
    log(logger, "api-stopped")
