"""masakari-standalone: API and engine in one process, on SQLite unless the configuration names another database."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from vmha.threads import choose_threads

choose_threads()

from vmha.adapters.db import migrate  # noqa: E402 - oslo comes after the choice of threads
from vmha.adapters.messaging import InProcessDoorbell  # noqa: E402
from vmha.cli.serving import (  # noqa: E402
    await_database,
    leave,
    name_paste_files,
    run_engine,
    settings_or_exit,
)
from vmha.cli.signals import Signals, begin_anew, ignore_reload  # noqa: E402
from vmha.cli.webserver import AddressTaken, listen, serve, tls_context  # noqa: E402
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.logs import check_log  # noqa: E402
from vmha.settings import load  # noqa: E402
from vmha.wiring import build_api, build_database, build_doorbell, build_engine  # noqa: E402

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine as Database

    from vmha.settings import Settings
    from vmha.wiring import EngineProcess

PROGRAM = "masakari-standalone"


def main() -> int:
    """Bring the schema up and run both until SIGTERM; exit 1 where the address cannot be had, 2 with a configuration to correct."""
    ignore_reload()
    settings = settings_or_exit(PROGRAM, sys.argv[1:])
    name_paste_files(settings)
    signals = Signals(_check)
    stop = signals.stop
    try:
        database = build_database(settings)
        process = build_engine(settings, database)
        application = build_api(settings, database, InProcessDoorbell(process.bell.set))
        tls_context(settings.server)
    except ConfigurationError as error:
        return _say(str(error), 2)
    try:
        (listening,) = listen(settings, processes=1)
    except AddressTaken as error:
        process.close()
        return _say(str(error), 1)
    server = threading.Thread(
        target=serve, args=(application, settings, stop), kwargs={"listening": listening}, name="serve"
    )
    server.start()
    try:
        all_ended = _run(process, settings, database, stop)
    except ConfigurationError as error:
        return _say(str(error), 2)
    finally:
        # Whatever ended the engine ends the API too: one without the other would take reports that nobody reads.
        stop.set()
        server.join()
    if signals.begins_anew:
        begin_anew()
    return leave(0, all_ended=all_ended)


def _check() -> None:
    """Raise `ConfigurationError` for what API or engine could not begin with."""
    settings = load(sys.argv[1:], PROGRAM)
    database = build_database(settings)
    build_doorbell(settings)
    build_engine(settings, database).close()
    build_api(settings, database, InProcessDoorbell(lambda: None))
    tls_context(settings.server)
    check_log(settings.log, PROGRAM)


def _run(process: EngineProcess, settings: Settings, database: Database, stop: threading.Event) -> bool:
    """Run the engine as soon as the database is there; until then the API says that it is not."""
    pause = settings.engine_settings.poll_seconds
    if not await_database(lambda: migrate.sync(database), stop, every_seconds=pause):
        process.close()
        return True
    return run_engine(process, settings, stop)


def _say(why: str, code: int) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
