"""masakari-api: the API as processes of its own, with threads, TLS and a graceful stop."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from vmha.threads import choose_threads

choose_threads()

from vmha.cli.serving import name_paste_files, settings_or_exit, stop_on_signals  # noqa: E402 - oslo comes after the choice of threads
from vmha.cli.webserver import AddressTaken, listen, serve, tls_context  # noqa: E402
from vmha.cli.workers import run_workers  # noqa: E402
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.wiring import build_api, build_database, build_doorbell  # noqa: E402

if TYPE_CHECKING:
    import socket
    import threading
    from wsgiref.types import WSGIApplication

    from vmha.settings import Settings

MOST_WORKERS = 8
"""Where nobody says how many: each has a pool of connections to the database, which has a limit for all of them."""


def main() -> int:
    """Serve until SIGTERM; exit 1 if the address cannot be had, 2 with a configuration that cannot be used."""
    settings = settings_or_exit("masakari-api", sys.argv[1:])
    name_paste_files(settings)
    processes = settings.server.masakari_api_workers or min(os.cpu_count() or 1, MOST_WORKERS)
    try:
        # Built once here, so that what cannot be used is said once.
        tls_context(settings.server)
        application = _build(settings)
        sockets = listen(settings, processes=processes)
    except AddressTaken as error:
        return _say(str(error), 1)
    except ConfigurationError as error:
        return _say(str(error), 2)
    if processes == 1:
        serve(application, settings, stop_on_signals(), listening=sockets[0])
        return 0
    del application
    return run_workers(
        lambda listening: _work(settings, listening),
        sockets,
        stop_seconds=settings.server.graceful_shutdown_timeout or None,
    )


def _work(settings: Settings, listening: socket.socket) -> int:
    """Be one of several processes."""
    stop: threading.Event = stop_on_signals()
    try:
        serve(_build(settings), settings, stop, listening=listening)
    except ConfigurationError as error:
        return _say(str(error), 2)
    return 0


def _build(settings: Settings) -> WSGIApplication:
    return build_api(settings, build_database(settings), build_doorbell(settings))


def _say(why: str, code: int) -> int:
    print(f"masakari-api: {why}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
