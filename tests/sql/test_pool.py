"""What is sent to a real server between and around statements, and what happens to connections that die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from vmha.adapters.db import pool
from vmha.adapters.db.connection import open_database, open_reader, reading, transaction
from vmha.errors import StoreUnavailable

KILL = {
    "mysql": "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()",
    "postgresql": "SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()",
}


@pytest.fixture(params=["mariadb_url", "postgresql_url"])
def url(request: pytest.FixtureRequest) -> str:
    """A database on each kind of server."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection rests for long enough to be asked, however slow the machine is."""
    monkeypatch.setattr(pool, "REST_SECONDS", 600.0)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The database, opened to write."""
    engine = open_database(url)
    yield engine
    engine.dispose()


@contextmanager
def sent(engine: Engine, *names: str) -> Iterator[list[str]]:
    """Collect what the dialect is told to send beside statements."""
    said: list[str] = []
    originals = {name: getattr(engine.dialect, name) for name in names}

    def note(name: str) -> None:
        def noted(connection: object) -> object:
            said.append(name)
            return originals[name](connection)

        setattr(engine.dialect, name, noted)

    for name in names:
        note(name)
    yield said
    for name, original in originals.items():
        setattr(engine.dialect, name, original)


def kill_others(url: str) -> None:
    """End every connection to the database but this one."""
    server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for statement in connection.execute(text(KILL[server.dialect.name])).scalars().all():
            connection.execute(text(statement))


@pytest.mark.usefixtures("long_rest")
def test_a_transaction_sends_its_statements_and_its_end(engine: Engine) -> None:
    """A connection that was used a moment ago is not asked whether it lives, and is not rolled back once more after the commit."""
    with transaction(engine) as connection:
        connection.execute(text("SELECT 1"))
    with sent(engine, "do_ping", "do_begin", "do_rollback", "do_commit") as said:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1"))
        assert said == ["do_begin", "do_commit"]


def test_what_failed_leaves_no_transaction_behind(engine: Engine, url: str) -> None:
    """A connection whose transaction or reading broke off comes back with nothing begun: the next user sees what others stored."""
    count = text("SELECT COUNT(*) FROM engines WHERE name = 'of a broken transaction'")

    def break_off() -> None:
        with transaction(engine) as connection:
            connection.execute(text("INSERT INTO engines VALUES ('of a broken transaction', 0, 0)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with engine.connect() as connection:
        assert connection.execute(count).scalar() == 0
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined] # a QueuePool
    with reading(open_reader(engine, url)) as connection:
        assert connection.execute(count).scalar() == 0


@pytest.mark.usefixtures("long_rest")
def test_a_reading_sends_its_statements_and_nothing_else(engine: Engine, url: str) -> None:
    """No transaction is ended, since none was begun; and each statement sees what is stored when it runs."""
    reader = open_reader(engine, url)
    count = text("SELECT COUNT(*) FROM engines WHERE name = 'in between'")
    with reading(reader) as connection:
        connection.execute(count)
    statements: list[str] = []
    event.listen(reader, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with sent(reader, "do_ping", "do_commit") as said, reading(reader) as connection:
        assert connection.execute(count).scalar() == 0
        with transaction(engine) as other:
            other.execute(text("INSERT INTO engines VALUES ('in between', 0, 0)"))
        assert connection.execute(count).scalar() == 1
    assert (said, len(statements)) == ([], 2)
    with transaction(engine) as other:
        other.execute(text("DELETE FROM engines WHERE name = 'in between'"))


@pytest.mark.usefixtures("long_rest")
def test_the_server_hears_no_more(mariadb_url: str) -> None:
    """By the server's own count a reading is its SELECT alone: no COMMIT, no ROLLBACK, no ping."""
    count = text(
        "SHOW SESSION STATUS WHERE Variable_name IN ('Com_admin_commands', 'Com_commit', 'Com_rollback', 'Com_select')"
    )
    reader = open_database(mariadb_url, reads_only=True)
    found = []
    for _ in range(3):
        with reading(reader) as connection:
            found.append({name: int(value) for name, value in connection.execute(count)})
        with reading(reader) as connection:
            connection.execute(text("SELECT 1"))
    reader.dispose()
    first, last = found[1], found[2]
    assert {name: last[name] - first[name] for name in last if last[name] != first[name]} == {"Com_select": 1}


def test_a_connection_that_died_at_rest_is_replaced(engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a connection that has rested gets a living one, and notices nothing."""
    monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
    for opened, use in ((engine, transaction), (open_reader(engine, url), reading)):
        with use(opened) as connection:
            connection.execute(text("SELECT 1"))
        kill_others(url)
        with use(opened) as connection:
            assert connection.execute(text("SELECT 2")).scalar() == 2


@pytest.mark.usefixtures("long_rest")
def test_one_user_notices_a_connection_that_died_after_its_last_use(engine: Engine, url: str) -> None:
    """Where all connections die at once, a single transaction fails for it; then all are new."""
    with transaction(engine) as first, transaction(engine) as second, transaction(engine) as third:
        for connection in (first, second, third):
            connection.execute(text("SELECT 1"))
    kill_others(url)
    with pytest.raises(StoreUnavailable), transaction(engine) as connection:
        connection.execute(text("SELECT 1"))
    for _ in range(3):
        with transaction(engine) as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
