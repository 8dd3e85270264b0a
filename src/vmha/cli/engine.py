"""masakari-engine: one engine as a process of its own. Any number of them share a database."""

from __future__ import annotations

import sys

from vmha.threads import choose_threads

choose_threads()

from vmha.cli.serving import (  # noqa: E402 - oslo comes after the choice of threads
    await_database,
    leave,
    require_tables,
    run_engine,
    settings_or_exit,
)
from vmha.cli.signals import Signals, begin_anew, ignore_reload  # noqa: E402
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.logs import check_log  # noqa: E402
from vmha.settings import load  # noqa: E402
from vmha.wiring import build_database, build_doorbell, build_engine  # noqa: E402

PROGRAM = "masakari-engine"


def main() -> int:
    """Run until SIGTERM; exit 2 with a configuration that cannot be used. A database that is away is waited for."""
    ignore_reload()
    settings = settings_or_exit(PROGRAM, sys.argv[1:])
    signals = Signals(_check)
    pause = settings.engine_settings.poll_seconds
    try:
        database = build_database(settings)
        process = build_engine(settings, database)
        if await_database(lambda: require_tables(database), signals.stop, every_seconds=pause):
            all_ended = run_engine(process, settings, signals.stop)
        else:
            process.close()
            all_ended = True
    except ConfigurationError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    if signals.begins_anew:
        begin_anew()
    return leave(0, all_ended=all_ended)


def _check() -> None:
    """Raise `ConfigurationError` for what an engine could not begin with."""
    settings = load(sys.argv[1:], PROGRAM)
    build_doorbell(settings)
    build_engine(settings, build_database(settings)).close()
    check_log(settings.log, PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
