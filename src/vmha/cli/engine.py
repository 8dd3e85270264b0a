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
    stop_on_signals,
)
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.wiring import build_database, build_engine  # noqa: E402


def main() -> int:
    """Run until SIGTERM; exit 2 with a configuration that cannot be used. A database that is away is waited for."""
    settings = settings_or_exit("masakari-engine", sys.argv[1:])
    stop = stop_on_signals()
    pause = settings.engine_settings.poll_seconds
    try:
        database = build_database(settings)
        process = build_engine(settings, database)
        if not await_database(lambda: require_tables(database), stop, every_seconds=pause):
            process.close()
            return 0
        all_ended = run_engine(process, settings, stop)
    except ConfigurationError as error:
        print(f"masakari-engine: {error}", file=sys.stderr)
        return 2
    return leave(0, all_ended=all_ended)


if __name__ == "__main__":
    sys.exit(main())
