"""masakari-engine: one engine as a process of its own. Any number of them share a database."""

from __future__ import annotations

import sys

from vmha.threads import choose_threads

choose_threads()

from vmha.cli.serving import run_engine, settings_or_exit, stop_on_signals  # noqa: E402 - oslo comes after the choice of threads
from vmha.errors import ConfigurationError  # noqa: E402
from vmha.wiring import build_database, build_engine  # noqa: E402


def main() -> int:
    """Run until SIGTERM."""
    settings = settings_or_exit("masakari-engine", sys.argv[1:])
    try:
        process = build_engine(settings, build_database(settings))
    except ConfigurationError as error:
        print(f"masakari-engine: {error}", file=sys.stderr)
        return 2
    run_engine(process, settings, stop_on_signals())
    return 0


if __name__ == "__main__":
    sys.exit(main())
