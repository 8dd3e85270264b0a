"""`masakari-manage db purge`: removes what is over and old. Its options and refusals are upstream's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from vmha.adapters.db.connection import transaction
from vmha.adapters.db.purge import purge
from vmha.errors import VmhaError

if TYPE_CHECKING:
    import argparse

    from sqlalchemy.engine import Engine

    from vmha.settings import Settings

DAY_SECONDS = 86_400
MOST_ROWS = 2**31 - 1


class Unpurgeable(VmhaError):
    """The options ask for something that no purge can do."""


def add_command(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to `masakari-manage db`."""
    parser = actions.add_parser(
        "purge",
        help="remove final notifications, ended recoveries and deleted rows that are old, with all that hangs on them",
    )
    parser.add_argument(
        "--age_in_days", type=int, default=30, help="how old they must be (default %(default)s; recoveries at least 30)"
    )
    parser.add_argument("--max_rows", type=int, default=-1, help="stop after this many rows (default: no limit)")
    parser.set_defaults(command=_purge, needs_tables=True)


def _purge(options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    age_in_days, max_rows = int(options.age_in_days), int(options.max_rows)
    with transaction(database) as connection:
        now = float(connection.execute(select(func.database_now())).scalar_one())
    if max_rows == 0:
        raise Unpurgeable("Must supply value greater than 0 for max_rows.")
    if not -1 <= max_rows <= MOST_ROWS:
        raise Unpurgeable(f"Invalid value for max_rows: {max_rows} is not between -1 and {MOST_ROWS}.")
    if age_in_days < 0:
        raise Unpurgeable("Must supply a non-negative value for age.")
    if age_in_days >= now / DAY_SECONDS:
        raise Unpurgeable("Maximal age is count of days since epoch.")
    limit = None if max_rows == -1 else max_rows
    removed = purge(database, age_seconds=age_in_days * DAY_SECONDS, max_rows=limit, now=now)
    tables = ", ".join(f"{count} of {table}" for table, count in sorted(removed.items()))
    print(f"removed {removed.total()} rows" + (f": {tables}" if tables else ""))
