"""masakari-standalone: API and engine in one process, on SQLite unless the configuration names another database."""

from __future__ import annotations

import sys
import threading

from vmha.threads import choose_threads

choose_threads()

from vmha.adapters.db import migrate  # noqa: E402 - oslo comes after the choice of threads
from vmha.adapters.messaging import InProcessDoorbell  # noqa: E402
from vmha.cli.serving import run_engine, serve, settings_or_exit, stop_on_signals  # noqa: E402
from vmha.errors import ConfigurationError, StoreUnavailable  # noqa: E402
from vmha.wiring import build_api, build_database, build_engine  # noqa: E402


def main() -> int:
    """Bring the schema up, then run both until SIGTERM; exit 1 where one of them cannot start."""
    settings = settings_or_exit("masakari-standalone", sys.argv[1:])
    stop = stop_on_signals()
    failures: list[str] = []

    def failed(why: str) -> None:
        failures.append(why)
        stop.set()

    try:
        database = build_database(settings)
        migrate.sync(database)
        process = build_engine(settings, database)
    except (ConfigurationError, StoreUnavailable) as error:
        print(f"masakari-standalone: {error}", file=sys.stderr)
        return 2
    application = build_api(settings, database, InProcessDoorbell(process.bell.set))
    server = threading.Thread(target=serve, args=(application, settings, stop), kwargs={"failed": failed}, name="serve")
    server.start()
    run_engine(process, settings, stop)
    server.join()
    for failure in failures:
        print(f"masakari-standalone: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
