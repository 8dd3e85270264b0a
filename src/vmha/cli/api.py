"""masakari-api: the API as processes of its own, with threads, TLS, a graceful stop, and a graceful start with another configuration."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from vmha.threads import choose_threads

choose_threads()

from vmha.cli.serving import name_paste_files, settings_or_exit, speak  # noqa: E402 - oslo comes after the choice of threads
from vmha.cli.signals import Signals, ignore_reload, tell_refused  # noqa: E402
from vmha.cli.webserver import AddressTaken, listen, serve, tls_context  # noqa: E402
from vmha.cli.workers import Work, Workers  # noqa: E402
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.logs import log  # noqa: E402
from vmha.settings import load  # noqa: E402
from vmha.wiring import build_api, build_database, build_doorbell  # noqa: E402

if TYPE_CHECKING:
    import socket
    from wsgiref.types import WSGIApplication

    from vmha.settings import Settings

logger = logging.getLogger(__name__)
PROGRAM = "masakari-api"
MOST_WORKERS = 4
"""Where nobody says how many: more than monitors and dashboards need. Each takes some 20 MB, and connections to the database, which has a
limit for those of all controllers together."""


def main() -> int:
    """Serve until SIGTERM; exit 1 if the address cannot be had, 2 with a configuration that cannot be used."""
    ignore_reload()
    settings = settings_or_exit(PROGRAM, sys.argv[1:])
    name_paste_files(settings)
    try:
        # Built once here, so that what cannot be used is said once.
        _check(settings)
        sockets = listen(settings, processes=_processes(settings))
    except AddressTaken as error:
        return _say(str(error), 1)
    except ConfigurationError as error:
        return _say(str(error), 2)
    return Workers(_work(settings), sockets, renew=lambda: _renewed(settings)).run()


def _processes(settings: Settings) -> int:
    return settings.server.masakari_api_workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def _check(settings: Settings) -> None:
    """Raise `ConfigurationError` for what no worker could begin with."""
    tls_context(settings.server)
    _build(settings)


def _work(settings: Settings) -> Work:
    return Work(lambda listening: _be_worker(settings, listening), settings.server.graceful_shutdown_timeout or None)


def _be_worker(settings: Settings, listening: socket.socket) -> int:
    """Be one of the processes."""
    signals = Signals(check=None)
    try:
        serve(_build(settings), settings, signals.stop, listening=listening)
    except ConfigurationError as error:
        return _say(str(error), 2)
    return 0


def _renewed(started_with: Settings) -> Work | None:
    """Read the configuration again; None where it cannot be used, which is told."""
    try:
        settings = load(sys.argv[1:], PROGRAM)
        _check(settings)
        speak(settings, PROGRAM)
    except ConfigurationError as error:
        tell_refused(error)
        return None
    _name_what_stays(started_with, settings)
    return _work(settings)


def _name_what_stays(before: Settings, after: Settings) -> None:
    """Say which options were changed that only a restart takes in: the sockets stay as they are."""
    pairs = {
        "masakari_api_listen": (before.api.masakari_api_listen, after.api.masakari_api_listen),
        "masakari_api_listen_port": (before.api.masakari_api_listen_port, after.api.masakari_api_listen_port),
        "masakari_api_workers": (_processes(before), _processes(after)),
        "tcp_keepidle": (before.server.tcp_keepidle, after.server.tcp_keepidle),
    }
    changed = [name for name, (one, other) in pairs.items() if one != other]
    if changed:
        why = "the sockets stay open across a reload; restart the API"
        log(logger, "options-wait-for-restart", level=logging.WARNING, options=", ".join(changed), why=why)


def _build(settings: Settings) -> WSGIApplication:
    return build_api(settings, build_database(settings), build_doorbell(settings))


def _say(why: str, code: int) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
