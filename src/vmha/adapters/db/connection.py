"""Opens the database and knows its clock. SQLite, MariaDB and MySQL, PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import Double, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from vmha.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql.compiler import SQLCompiler


READ_ONLY = "25006"
"""PostgreSQL's code for a write on a server that is a standby (still, or again)."""


class database_now(GenericFunction[float]):  # noqa: N801 - the name is what func.… calls
    """Seconds since the epoch on the database's own clock, as the statement runs (not as the transaction began)."""

    type = Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite_now(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "mysql")
@compiles(database_now, "mariadb")
def _mysql_now(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return "(UNIX_TIMESTAMP(SYSDATE(6)) + 0.0e0)"


@compiles(database_now, "postgresql")
def _postgresql_now(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())::double precision"


def open_database(url: str) -> Engine:
    """Open `url` with oslo.db's listeners (error translation, dead connections); no statement is sent yet."""
    facade = enginefacade.transaction_context()
    facade.configure(
        connection=url,
        sqlite_fk=False,
        max_retries=0,
        connection_recycle_time=600,
        max_pool_size=20,
        max_overflow=20,
        thread_checkin=False,  # a sleep for eventlet's sake after each transaction; here are threads
    )
    engine: Engine = facade.writer.get_engine()
    if engine.dialect.name == "sqlite":
        _serialise_sqlite(engine)
    elif engine.dialect.name in ("mysql", "mariadb"):
        _use_utc(engine)
    return engine


def _use_utc(engine: Engine) -> None:
    """Keep local time out of the clock: in the hour that autumn repeats, UNIX_TIMESTAMP would go back and old leases live again."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00'")


def _serialise_sqlite(engine: Engine) -> None:
    """Make each SQLite transaction begin as a writer and wait for its turn; a lock upgraded in mid-transaction could not."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=20000")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a commit that was acknowledged outlives a power cut
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")  # of the plain BEGIN that oslo.db's own listener has just sent
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run one transaction; a database that is away, read-only, full or in a deadlock is `StoreUnavailable`."""
    try:
        with engine.begin() as connection:
            yield connection
    except (db_exception.DBConnectionError, db_exception.DBDeadlock, OperationalError, PoolTimeout) as error:
        raise StoreUnavailable(f"the database did not answer: {error}; it is tried again") from error
    except db_exception.DBError as error:
        if getattr(getattr(error.inner_exception, "orig", None), "sqlstate", None) == READ_ONLY:
            raise StoreUnavailable(f"the database takes no writes now: {error}; it is tried again") from error
        raise
