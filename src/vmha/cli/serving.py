"""What the long-running programs share: the run of an engine, the end on a signal, what is said at start."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.adapters.db import migrate
from vmha.adapters.messaging import DoorbellListener
from vmha.config_files import paste_files, unread
from vmha.core.workflows import Workflow
from vmha.errors import ConfigurationError, StoreUnavailable
from vmha.logs import log, set_up_logging
from vmha.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine as Database

    from vmha.core.policy import Policy
    from vmha.settings import EngineSettings, Settings
    from vmha.wiring import EngineProcess

logger = logging.getLogger(__name__)


def settings_or_exit(program: str, argv: list[str], *, on_terminal: bool = False) -> Settings:
    """Read the settings and set up the log; a configuration that cannot be used is one line on standard error and exit 2.

    What the files set and nobody reads is named in one warning. A command on a terminal logs there: a file that root's command had
    made could not be written by the user of the services.
    """
    try:
        return begin(program, argv, on_terminal=on_terminal)
    except ConfigurationError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def begin(program: str, argv: list[str], *, on_terminal: bool = False) -> Settings:
    """Read the settings and set up the log. Raises `ConfigurationError`."""
    settings = load(argv, program)
    speak(settings, program, on_terminal=on_terminal)
    return settings


def speak(settings: Settings, program: str, *, on_terminal: bool = False) -> None:
    """Set up the log, and name what nobody reads. Raises `ConfigurationError`."""
    place = replace(settings.log, log_file=None, log_dir=None) if on_terminal else settings.log
    set_up_logging(place, engine=settings.engine, program=program)
    # A traceback for each connection that breaks; that the database is away is told once, by whoever needed it.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    if not on_terminal:
        name_unread(settings)


def name_unread(settings: Settings) -> None:
    """Warn once of all that the files set and nobody reads."""
    left = unread(settings.config)
    if left.ignored or left.unknown:
        log(
            logger,
            "options-unread",
            level=logging.WARNING,
            ignored=", ".join(f"[{option.group}] {option.name}" for option in left.ignored) or None,
            unknown=", ".join(left.unknown) or None,
            why="masakari-manage config check says why",
        )


def name_paste_files(settings: Settings) -> None:
    """Say of each api-paste.ini that is there that it is not read."""
    for path in paste_files(settings.config):
        log(logger, "api-paste-ignored", path=path, why="the layers around the API are fixed")


def await_database(prepare: Callable[[], None], stop: threading.Event, *, every_seconds: float) -> bool:
    """Call `prepare` until the database lets it, and say so once where it does not. False: `stop` came first."""
    trouble: type[Exception] | None = None
    began = time.monotonic()
    while not stop.is_set():
        try:
            prepare()
        except StoreUnavailable as error:
            if type(error) is not trouble:
                log(logger, "database-away", level=logging.WARNING, detail=str(error).partition("\n")[0])
            trouble = type(error)
            stop.wait(every_seconds)
            continue
        if trouble is not None:
            log(logger, "database-back", away_seconds=time.monotonic() - began)
        return True
    return False


class NoTables(StoreUnavailable):
    """The database is there and empty, or older than this version."""


def require_tables(database: Database) -> None:
    """Raise `NoTables` where the schema has not been brought up yet, or not as far as this version needs it."""
    standing = migrate.standing(database)
    if standing.at is None:
        raise NoTables(f"the database has no tables of this service; run: {SYNC}")
    if standing.is_behind:
        raise NoTables(
            f"the database stands at step {standing.at} and this version needs {standing.needed}; run: {SYNC}"
        )


SYNC = "masakari-manage db sync"


def run_engine(process: EngineProcess, settings: Settings, stop: threading.Event) -> bool:
    """Run the loop until `stop`; then let orders under way end, and give the recoveries back. Tell whether all of them ended.

    Raises `ConfigurationError` for a broker that cannot be used.
    """
    listener = None
    _name_choices(settings, process.engine.policy)
    if settings.transport_url is not None:
        listener = DoorbellListener(settings.config, engine=settings.engine, on_ring=process.bell.set)
        listener.start()
    threading.Thread(target=_wake_to_stop, args=(process, stop), name="stop", daemon=True).start()
    _start_beside(process, settings)
    _say_started(settings.engine_settings)
    while not stop.is_set():
        pause = process.engine.run_once()
        if process.engine.away_since is None:
            for look in process.beside:
                look()
        process.bell.wait(min(pause, settings.engine_settings.poll_seconds))
        process.bell.clear()
    if listener is not None:
        listener.stop()
    return _leave(process, settings)


def _name_choices(settings: Settings, policy: Policy) -> None:
    """Warn of each start of segments in which no proof is asked for, and of what the operator chose not to have recovered."""
    if policy.detector_segments:
        log(
            logger,
            "policy-detector",
            level=logging.WARNING,
            segments=", ".join(sorted(policy.detector_segments)),
            says="hosts of these segments without a fence device are taken for off on their monitor's word, without a proof",
        )
    others = [str(choice) for choice in policy.workflows.choices if choice.workflow is not Workflow.RECOVER]
    if others:
        log(logger, "workflows", level=logging.WARNING, file=str(settings.policy_file), chosen=", ".join(others))


TAKEOVER_SECONDS = 25.0
"""How long a recovery may stand still because its engine died; the defaults come to 24 s, and what is longer is told at the start."""


def _say_started(limits: EngineSettings) -> None:
    """Tell how long a takeover lasts, and warn where that is long."""
    seconds = limits.takeover_seconds
    log(logger, "engine-started", takeover_seconds=seconds)
    if seconds > TAKEOVER_SECONDS:
        says = (
            f"recoveries of an engine that dies stand still for {seconds:g} s, more than {TAKEOVER_SECONDS:g} s: "
            "lower lease_seconds, order_seconds, takeover_margin_seconds or poll_seconds in [engine]"
        )
        log(logger, "takeover-slow", level=logging.WARNING, says=says)


def _start_beside(process: EngineProcess, settings: Settings) -> None:
    """Start what no recovery waits for: alerts on their way, and metrics."""
    if settings.alerts.webhooks and settings.alerts.secret_file is None:
        why = "receivers cannot tell who sent them; set [alerts] secret_file"
        log(logger, "alerts-unsigned", level=logging.WARNING, why=why)
    process.alerts.start()
    if process.metrics is not None:
        process.metrics.start()


def _wake_to_stop(process: EngineProcess, stop: threading.Event) -> None:
    """Let an engine that sleeps until its next look at the database hear that it shall stop."""
    stop.wait()
    process.bell.set()


def _leave(process: EngineProcess, settings: Settings) -> bool:
    """Give everything back only if nothing is under way any more: else the leases must run out first."""
    all_ended = process.executor.stop(timeout_seconds=settings.engine_settings.order_seconds)
    process.close()
    try:
        return _give_back(process, all_ended=all_ended)
    finally:
        # Last: another engine goes on with the recoveries meanwhile. What is being posted and does not end is posted again by one.
        process.alerts.stop(timeout_seconds=ALERTS_SECONDS)
        if process.metrics is not None:
            process.metrics.stop()


ALERTS_SECONDS = 2.0
"""What an engine that ends grants alerts on their way."""


def _give_back(process: EngineProcess, *, all_ended: bool) -> bool:
    """Release the recoveries; tell whether nothing was under way any more."""
    if not all_ended:
        why = "orders or readings are still under way; leases run out by themselves"
        log(logger, "engine-stopped", level=logging.WARNING, why=why)
        return False
    try:
        process.engine.release_all()
    except StoreUnavailable as error:
        log(logger, "release-failed", level=logging.WARNING, detail=str(error))
    log(logger, "engine-stopped")
    return True


def leave(code: int, *, all_ended: bool) -> int:
    """Return the exit code; or exit with it now, where threads still wait for an answer: the interpreter would wait for them."""
    if not all_ended:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
