"""Brings the database to the schema of this version: upstream's tables where they are missing, then our own, step by step.

`sync` may be called by any number of processes at once, and again on every start. It only ever adds. Upstream's tables stay at
upstream's own revision under upstream's own version table, so that upstream can be put back.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text

from vmha.adapters.db import schema
from vmha.adapters.db.adoption import bring_to_head, revision, version_table
from vmha.adapters.db.connection import transaction
from vmha.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

STEPS = Path(__file__).parent / "migrations"

LOCK_SECONDS = 120
"""How long one process waits for another one's sync; far longer than all steps take."""

LOOK_SECONDS = 10
"""How long one statement waits: shorter than the time after which a database counts as away."""

POSTGRESQL_LOCK = 0x766D6861
"""An arbitrary number that names our advisory lock: the letters vmha."""


STEP = re.compile(r"\d{4}")
"""How our steps are called: numbers of four digits, so that a greater one is a newer one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where our tables stand (`at`, None without tables), and the step that this version needs."""

    at: str | None
    needed: str

    @property
    def is_behind(self) -> bool:
        """Tell whether `sync` has something to do. A newer step is no hindrance: steps only add."""
        return self.at is None or self.at < self.needed

    @property
    def is_newer(self) -> bool:
        """Tell whether a newer version has been here."""
        return self.at is not None and self.at > self.needed


def sync(engine: Engine) -> None:
    """Create or upgrade the tables. Raises `ConfigurationError` for a database that this version does not know."""
    with _alone(engine) as connection:
        bring_to_head(connection)
        _sync_ours(connection)


def version(engine: Engine) -> str | None:
    """Return the step at which our tables stand, None where there are none."""
    with transaction(engine) as connection:
        return revision(connection, schema.VERSION_TABLE)


def standing(engine: Engine) -> Standing:
    """Compare the database with what this version needs. Raises `ConfigurationError` for a step that is none of ours."""
    at = version(engine)
    if at is not None and not STEP.fullmatch(at):
        raise ConfigurationError(f"cannot use the database: {schema.VERSION_TABLE} has {at}; {RESTORE}")
    return Standing(at=at, needed=_newest())


RESTORE = "install the newer version that made it, or restore the backup from before"


def _newest() -> str:
    """Name the last step that comes with this version."""
    head = ScriptDirectory(str(STEPS)).get_current_head()
    if head is None:  # the steps are part of the package
        raise ConfigurationError(f"there are no steps in {STEPS}; install this version again")
    return head


def upstream_version(engine: Engine) -> str | None:
    """Return the revision at which upstream's tables stand, None where there are none."""
    with transaction(engine) as connection:
        return revision(connection, schema.UPSTREAM_VERSION_TABLE)


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other sync of this database runs beside."""
    match engine.dialect.name:
        case "postgresql":
            with transaction(engine) as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})"))
                yield connection
        case "mysql" | "mariadb":
            with _named_lock(engine), transaction(engine) as connection:
                yield connection
        case _:  # SQLite: the transaction itself begins as the only writer
            with transaction(engine) as connection:
                yield connection


@contextmanager
def _named_lock(engine: Engine) -> Iterator[None]:
    """Hold a lock by name: MySQL commits after each change of the schema, so no transaction could hold one.

    On a connection of its own: what is written after the last of those changes is committed before the lock is given back.
    """
    name = "CONCAT('vmha-', MD5(DATABASE()))"  # names are the server's, not the database's, and at most 64 long
    wait = f"SELECT GET_LOCK({name}, {LOOK_SECONDS})"
    with transaction(engine) as keeper:
        if not any(keeper.execute(text(wait)).scalar() == 1 for _ in range(LOCK_SECONDS // LOOK_SECONDS)):
            raise StoreUnavailable(
                f"another process has been changing the schema for {LOCK_SECONDS} s; try again later"
            )
        try:
            yield
        finally:
            if not keeper.invalidated:
                keeper.execute(text(f"SELECT RELEASE_LOCK({name})"))


def _sync_ours(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    version_table(connection, schema.VERSION_TABLE).create(connection, checkfirst=True)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        at = revision(connection, schema.VERSION_TABLE)
        raise ConfigurationError(
            f"cannot use the database: our tables stand at step {at}, which this version does not know; {RESTORE}"
        ) from error
