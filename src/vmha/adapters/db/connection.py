"""Opens the database and knows its clock. SQLite, MariaDB and MySQL, PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import Double, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from vmha.adapters.db.pool import POOL_SIZE, READS_ONLY, OurPool
from vmha.adapters.db.text import LONGEST_SENTENCE as LONGEST_SENTENCE
from vmha.adapters.db.text import sentence as sentence
from vmha.errors import StoreUnavailable, Unstorable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql.compiler import SQLCompiler


ANSWER_SECONDS = 20
"""How long a statement may take, or wait for another's lock, before the database counts as away; a lease is over by then."""

CONNECT_SECONDS = 5

UNSTORABLE = {1366: "has characters that this column cannot hold", 1406: "is too long"}
"""MySQL's and MariaDB's errors about a value, in words. Which class of error they come as differs by driver."""

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


def open_database(
    url: str,
    *,
    answer_seconds: int = ANSWER_SECONDS,
    options: Mapping[str, Any] = MappingProxyType({}),
    reads_only: bool = False,
) -> Engine:
    """Open `url` with oslo.db's listeners (error translation); no statement is sent yet.

    `options` are those of `vmha.adapters.db.options` that a deployer gave. `reads_only` is for use with `reading` only.
    """
    facade = enginefacade.transaction_context()
    pool = {"connection_recycle_time": 600, "max_pool_size": POOL_SIZE, "max_overflow": POOL_SIZE}
    chosen = {**pool, **options}
    parameters = chosen.pop("connection_parameters", "")
    facade.configure(
        connection=_complete(url, answer_seconds, parameters, reads_only=reads_only),
        sqlite_fk=False,
        max_retries=0,
        thread_checkin=False,  # a sleep for eventlet's sake after each transaction; here are threads
        **chosen,
    )
    engine: Engine = facade.writer.get_engine()
    if engine.dialect.name == "sqlite":
        _serialise_sqlite(engine, answer_seconds)
    elif engine.dialect.name in ("mysql", "mariadb"):
        _prepare_mysql(engine)
    return engine


def open_reader(engine: Engine, url: str, *, options: Mapping[str, Any] = MappingProxyType({})) -> Engine:
    """Open the database of `engine` once more, for `reading`; a SQLite file stays with the engine, which keeps its users in order."""
    return engine if engine.dialect.name == "sqlite" else open_database(url, options=options, reads_only=True)


def _complete(url: str, answer_seconds: int, parameters: str, *, reads_only: bool) -> str:
    """Add to the URL what deployers write apart, and what they leave out: bounds of time, and on MySQL all of Unicode.

    It overrides `charset=utf8`, as deployers write: an instance may be called by an emoji.
    """
    parsed = make_url(url).update_query_string(parameters)
    seconds, connect_seconds = str(answer_seconds), str(min(answer_seconds, CONNECT_SECONDS))
    match parsed.get_backend_name():
        case "mysql" | "mariadb":
            bounds = {"connect_timeout": connect_seconds, "read_timeout": seconds, "write_timeout": seconds}
            parsed = parsed.update_query_dict({**bounds, **parsed.query, "charset": "utf8mb4"})
        case "postgresql":
            silence = {"keepalives_idle": "5", "keepalives_interval": "5", "keepalives_count": "3"}
            bounds = {"connect_timeout": connect_seconds, "tcp_user_timeout": f"{seconds}000", **silence}
            parsed = parsed.update_query_dict({**bounds, **parsed.query})
        case _:
            pass
    if parsed.database not in (None, "", ":memory:"):
        words = {"plugin": OurPool.NAME, **({READS_ONLY: "1"} if reads_only else {})}
        parsed = parsed.update_query_dict({**parsed.query, **words})
    return parsed.render_as_string(hide_password=False)


def _prepare_mysql(engine: Engine) -> None:
    """Choose what a session goes by.

    UTC: in the hour that autumn repeats, UNIX_TIMESTAMP of local time would go back, and leases and proofs live again. READ COMMITTED,
    as the other databases have it: with InnoDB's default, two first reports of one host lock the same gap and each waits for the
    other, and a transaction that began early does not see what it collides with.
    """

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def _serialise_sqlite(engine: Engine, answer_seconds: int) -> None:
    """Make each SQLite transaction begin as a writer and wait for its turn; a lock upgraded in mid-transaction could not."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={answer_seconds}000")
        _choose_write_ahead_log(cursor)
        cursor.execute("PRAGMA synchronous=FULL")  # a commit that was acknowledged outlives a power cut
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")  # of the plain BEGIN that oslo.db's own listener has just sent
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _choose_write_ahead_log(cursor: Any) -> None:
    """Choose the log, which the file then keeps. While another connection writes, SQLite refuses that at once, without its busy timeout.

    The timeout holds for a transaction, so one of those waits for the writer. One that cannot begin in time is an error.
    """
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the low byte; the others say why
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        else:
            return


CODECS = {"utf8mb4": "utf-8", "latin1": "cp1252"}
"""MySQL's character sets by Python's names, so far as upstream's tables are known to have them."""


def upstream_sentence(connection: Connection, text: str) -> str:
    """The same for upstream's tables, which on MySQL may have an older character set: what it lacks becomes a question mark."""
    kept = sentence(text)
    if connection.dialect.name not in ("mysql", "mariadb"):
        return kept
    known = _upstream_character_set(connection)
    if known in ("utf8", "utf8mb3"):
        return "".join(character if ord(character) <= 0xFFFF else "?" for character in kept)
    codec = CODECS.get(known, "ascii")
    return kept.encode(codec, "replace").decode(codec)


def _upstream_character_set(connection: Connection) -> str:
    """Read the character set once for each connection."""
    if "upstream_character_set" not in connection.info:
        connection.info["upstream_character_set"] = connection.exec_driver_sql(
            "SELECT character_set_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = 'vmoves' AND column_name = 'message'"
        ).scalar()
    return str(connection.info["upstream_character_set"])


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run one transaction; a database that is away, empty, read-only, full or in a deadlock is `StoreUnavailable`.

    A value that it cannot hold is `Unstorable`.
    """
    with _translated(), _storable(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Run statements that change nothing; raises what `transaction` raises.

    Each sees what is stored when it runs, as in a transaction too: that is READ COMMITTED. On a database that was opened to be read
    only, nothing is sent but they.
    """
    with _translated(), _storable(), engine.connect() as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (db_exception.DBConnectionError, db_exception.DBDeadlock, OperationalError, PoolTimeout) as error:
        raise StoreUnavailable(f"the database did not answer: {error}; it is tried again") from error
    except db_exception.DBError as error:
        why = _unusable(error)
        if why is None:
            raise
        raise StoreUnavailable(f"{why}: {error}") from error


def _unusable(error: db_exception.DBError) -> str | None:
    """Say why a database that answers is of no use now, None where that is not what the error is about."""
    if isinstance(error, (db_exception.DBNonExistentDatabase, db_exception.DBNonExistentTable)):
        return "the database lacks its tables; run `masakari-manage db sync`"
    if getattr(getattr(error.inner_exception, "orig", None), "sqlstate", None) == READ_ONLY:
        return "the database takes no writes now; it is tried again"
    return None


@contextmanager
def _storable() -> Iterator[None]:
    """Say of a value that the database refused what is wrong with it, and not the value itself."""
    try:
        yield
    except (db_exception.DBError, DBAPIError) as error:
        wrapped = _wrapped(error)
        origin = wrapped.orig if isinstance(wrapped, DBAPIError) else None
        known = UNSTORABLE.get(origin.args[0]) if origin is not None and origin.args else None
        # oslo.db knows the data errors of servers, SQLite's only as errors.
        if known is None and not isinstance(error, db_exception.DBDataError) and not isinstance(wrapped, DataError):
            raise
        named = re.search(r"column\W+(?:\w+`\.`)*(\w+)", str(origin))
        what = f"the value of {named[1]}" if named else "a value"
        why = known or "is too long, or has characters that the database cannot hold"
        raise Unstorable(f"{what} {why}; send a shorter or a plainer one") from error


def _wrapped(error: db_exception.DBError | DBAPIError) -> BaseException | None:
    """Return SQLAlchemy's error, which holds the driver's own."""
    return error.inner_exception if isinstance(error, db_exception.DBError) else error
