"""masakari-api: the API as a process of its own, threads and graceful stop included."""

from __future__ import annotations

import sys

from vmha.threads import choose_threads

choose_threads()

from vmha.cli.serving import name_paste_files, serve, settings_or_exit, stop_on_signals  # noqa: E402 - oslo comes after the choice of threads
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.wiring import build_api, build_database, build_doorbell  # noqa: E402


def main() -> int:
    """Serve until SIGTERM; exit 1 if the address cannot be had, 2 with a configuration that cannot be used."""
    settings = settings_or_exit("masakari-api", sys.argv[1:])
    name_paste_files(settings)
    stop = stop_on_signals()
    failures: list[str] = []
    try:
        application = build_api(settings, build_database(settings), build_doorbell(settings))
    except ConfigurationError as error:
        print(f"masakari-api: {error}", file=sys.stderr)
        return 2
    serve(application, settings, stop, failed=failures.append)
    for failure in failures:
        print(f"masakari-api: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
