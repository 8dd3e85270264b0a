"""A list over 100,000 notifications costs what a list over 100 costs: it goes by an index, sorts nothing and reads what it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.engine import Engine

from tests.sql.meters import Cost, MariaDbMeter, Meter, PostgreSqlMeter, SqliteMeter, listening
from tests.sql.servers import Server
from unit_tests.api.world import World
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.leftovers import unfinished

ROWS = 100_000
LIMIT = 100
NUMBERS = {
    "mysql": "SELECT seq AS n FROM seq_1_to_{count}",
    "postgresql": "SELECT n FROM generate_series(1, {count}) AS n",
    "sqlite": "SELECT n FROM (WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)",
}
METERS: dict[str, Meter] = {"mysql": MariaDbMeter(), "postgresql": PostgreSqlMeter(), "sqlite": SqliteMeter()}
MOMENT = {
    "mysql": "TIMESTAMPADD(MINUTE, n, '2025-01-01 00:00:00')",
    "postgresql": "TIMESTAMP '2025-01-01 00:00:00' + n * INTERVAL '1 minute'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S', '2025-01-01 00:00:00', n || ' minutes') || '.000000'",
}
TEXT = {"mysql": "CHAR", "postgresql": "VARCHAR", "sqlite": "VARCHAR"}
HISTORY = """
    INSERT INTO notifications
        (notification_uuid, generated_time, created_at, updated_at, source_host_uuid, type, payload, status, deleted)
    SELECT {uuid}, {moment}, {moment}, {moment}, {host},
        CASE WHEN n % 50 = 0 THEN 'COMPUTE_HOST' WHEN n % 3 = 0 THEN 'PROCESS' ELSE 'VM' END, '{{}}',
        {status}, 0
    FROM ({numbers}) AS numbers
"""
STATUS = "CASE WHEN n % 10000 = 0 THEN 'running' WHEN n % 7 = 0 THEN 'ignored' ELSE 'finished' END"
MOVES = """
    INSERT INTO vmoves (uuid, notification_uuid, instance_uuid, instance_name, created_at, status, type, deleted)
    SELECT {uuid}, {notification}, {uuid}, 'vm', {moment}, 'succeeded', 'evacuation', 0 FROM ({numbers}) AS numbers
"""
HOSTS = """
    INSERT INTO hosts (uuid, name, type, control_attributes, failover_segment_id, created_at, deleted, reserved, on_maintenance)
    SELECT {host}, {host}, 'x', 'y', 'segment-1', {moment}, 0, {no}, {no} FROM ({numbers}) AS numbers
"""
SEGMENTS = """
    INSERT INTO failover_segments (uuid, name, service_type, recovery_method, created_at, deleted, enabled)
    SELECT {segment}, {segment}, 'COMPUTE', {method}, {moment}, 0, {yes} FROM ({numbers}) AS numbers
"""
# As taskflow makes them, but for the foreign keys: with those MySQL would have indexes of its own.
FLOWS = (
    "CREATE TABLE logbooks (uuid VARCHAR(64) PRIMARY KEY, created_at TIMESTAMP NULL)",
    "CREATE TABLE flowdetails (uuid VARCHAR(64) PRIMARY KEY, parent_uuid VARCHAR(64))",
    "CREATE TABLE atomdetails (uuid VARCHAR(64) PRIMARY KEY, parent_uuid VARCHAR(64), name TEXT, state TEXT, meta {json})",
)
FLOW = "INSERT INTO flowdetails SELECT {flow}, {book} FROM ({numbers}) AS numbers"
ATOM = """
    INSERT INTO atomdetails
    SELECT {uuid}, {flow}, 'DisableComputeServiceTask', 'SUCCESS', '{meta}' FROM ({numbers}) AS numbers
"""
META = json.dumps({"progress": 1.0, "progress_details": {"details": {"progress_details": []}}})


@pytest.fixture(scope="session", params=["mysql", "postgresql", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The API on a database with a long past."""
    folder = tmp_path_factory.mktemp("lists")
    servers = {"mysql": "mariadb", "postgresql": "postgresql"}
    if request.param in servers:
        server: Server = request.getfixturevalue(servers[request.param])
        url = server.create_database("lists")
    else:
        url = f"sqlite:///{folder}/masakari.sqlite"
    engine = open_database(url)
    with transaction(engine) as connection:
        for statement in FLOWS:
            kind = "JSON" if engine.dialect.name == "postgresql" else "TEXT"
            connection.exec_driver_sql(statement.format(json=kind))
    migrate.sync(engine)
    write_history(engine)
    engine.dispose()
    world = World(folder, database=url)
    call(world, ONE)  # from now on it is known that there are task flows
    yield world
    world.engine.dispose()
    world.reader.dispose()


def write_history(engine: Engine) -> None:
    """Let the database write the rows itself, as a table of the past; servers then look at it, as they do by themselves in time."""
    name = engine.dialect.name

    def text(prefix: str, number: str) -> str:
        joined = f"CAST({number} AS {TEXT[name]})"
        return f"CONCAT('{prefix}', {joined})" if name == "mysql" else f"'{prefix}' || {joined}"

    no, yes = ("FALSE", "TRUE") if name == "postgresql" else ("0", "1")

    status = f"CAST({STATUS} AS notification_status)" if name == "postgresql" else STATUS
    method = "'auto'::recovery_methods" if name == "postgresql" else "'auto'"
    words = {
        "status": status,
        "method": method,
        "moment": MOMENT[name],
        "no": no,
        "yes": yes,
        "segment": text("segment-", "n"),
        "flow": text("flow-", "n"),
        "book": text("notification-", "n * 5"),
        "meta": META,
    }
    with transaction(engine) as connection:
        for statement, count, uuid, host in (
            (HISTORY, ROWS, "notification-", "n % 500"),
            (MOVES, 20_000, "move-", "n"),
            (SEGMENTS, 2_000, "", "n"),
            (HOSTS, 2_000, "", "n"),
            (FLOW, 20_000, "", "n"),
            (ATOM, 20_000, "atom-", "n"),
        ):
            numbers = NUMBERS[name].format(count=count)
            written = statement.format(
                **words,
                numbers=numbers,
                uuid=text(uuid, "n"),
                host=text("host-", host),
                notification=text("notification-", "CASE WHEN n <= 500 THEN 50000 ELSE n * 5 END"),
            )
            connection.exec_driver_sql(written.replace("%", "%%") if name != "sqlite" else written)
    with engine.connect() as connection:
        for table in ("notifications", "vmoves", "hosts", "failover_segments", "flowdetails", "atomdetails"):
            if name != "sqlite":
                connection.exec_driver_sql(f"ANALYZE {'TABLE ' if name == 'mysql' else ''}{table}")
        connection.commit()


PLAIN = f"/notifications?limit={LIMIT}"
ONE = "/notifications/notification-50000"
BOUNDED = (
    PLAIN,
    "/notifications?limit=100&marker=notification-50000",
    "/notifications?limit=100&sort_dir=asc",
    "/notifications?limit=100&sort_dir=asc&marker=50000",
    "/notifications?limit=100&sort_key=generated_time",
    "/notifications?limit=100&sort_key=id&sort_dir=asc",
    *(
        f"/notifications?limit=100&{wanted}{marker}"
        for wanted in ("status=finished", "status=running", "status=error", "type=VM", "type=COMPUTE_HOST")
        for marker in ("", "&marker=30000")
    ),
    # One in seven: behind a marker PostgreSQL holds it for cheaper to read seven rows in their order than one by the filter's index.
    "/notifications?limit=100&status=ignored",
    "/notifications?limit=100&source_host_uuid=host-1",
    "/notifications?limit=100&source_host_uuid=host-1&marker=30000",
    "/notifications?limit=100&source_host_uuid=host-77",
    "/notifications?limit=100&source_host_uuid=nobody",
    "/notifications?limit=100&generated-since=2025-01-02T00:00:00",
    ONE,
    f"{ONE}/vmoves?limit=100",
    f"{ONE}/vmoves?limit=100&status=succeeded",
    "/segments?limit=100",
    "/segments?limit=100&marker=1000",
    "/segments/segment-77",
    "/segments/segment-1/hosts?limit=100",
    "/segments/segment-1/hosts?limit=100&marker=1000",
)
NARROW = (
    "/notifications?limit=100&generated-since=2025-03-11T09:30:00",
    "/notifications?limit=100&generated-since=2031-01-01T00:00:00",
)
"""A window in time that fewer rows meet than a page holds: those are read by their time and sorted."""


@pytest.mark.parametrize("path", BOUNDED)
def test_a_list_reads_what_it_shows(world: World, path: str) -> None:
    """Each statement goes by an index, reads at most twice the limit, and sorts nothing but the few rows of a filter that fit on a page."""
    assert [cost for cost in measured(world, path) if is_dear(cost)] == []


def is_dear(cost: Cost) -> bool:
    """Tell whether a statement costs more than what it shows."""
    return bool(cost.scans) or cost.rows > 2 * LIMIT or cost.sorted_rows >= LIMIT


@pytest.mark.parametrize("path", NARROW)
def test_a_window_in_time_reads_what_it_holds(world: World, path: str) -> None:
    """A short window at the end is read alone, no more than twice the limit.

    SQLite, for one machine only, keeps no statistics to know such a window by: it walks back through time, and sorts nothing.
    """
    costs = measured(world, path)
    is_small = world.engine.dialect.name == "sqlite"
    assert [cost for cost in costs if cost.scans or (cost.sorted_rows if is_small else cost.rows > 2 * LIMIT)] == []


@pytest.mark.parametrize(
    ("path", "statements"),
    [
        ("/notifications?limit={limit}", 1),
        ("/notifications?limit={limit}&marker=90000", 2),
        (ONE, 3),
        (f"{ONE}/vmoves?limit={{limit}}", 3),
        ("/segments?limit={limit}", 1),
        ("/segments/segment-1/hosts?limit={limit}", 2),
    ],
)
def test_the_number_of_statements_is_that_of_an_empty_list(world: World, path: str, statements: int) -> None:
    """However many rows a list shows, it takes the same few statements."""
    for limit in (1, 1000):
        with listening(world.engine, world.reader) as sent:
            call(world, path.format(limit=limit))
        assert len(sent) == statements, sent


def test_a_meter_sees_what_is_bad(world: World) -> None:
    """A list in an order that no index has sorts and reads all, and the meters say so."""
    costs = measured(world, "/notifications?limit=100&sort_key=payload")
    assert max(cost.rows for cost in costs) > ROWS / 20
    assert max(cost.sorted_rows for cost in costs) >= LIMIT


def test_a_report_reads_little(world: World) -> None:
    """Whether a report is a duplicate is known from the few rows of its host and its time, however long the past."""
    report = {
        "type": "COMPUTE_HOST",
        "hostname": "host-1",
        "generated_time": "2031-01-01T00:00:00",
        "payload": {"event": "STARTED", "host_status": "NORMAL"},
    }
    with listening(world.engine, world.reader) as sent:
        answer = world.call("POST", "/v1/notifications", send={"notification": report})
    assert answer.status_int in (202, 409)
    costs = costs_of(world, [each for each in sent if each[0].startswith("SELECT")])
    assert len(costs) >= 3
    assert [cost for cost in costs if cost.scans or cost.rows > FEW] == []


FEW = 20
"""Rows that one statement of a report may read: SQLite's steps are counted as rows, and a row of one host has many columns."""


def test_a_look_for_leftovers_reads_them_alone(world: World) -> None:
    """What upstream left unfinished is found among all notifications by its status: ten rows here, and their hosts."""
    with listening(world.engine) as sent, transaction(world.engine) as connection:
        left = unfinished(connection, limit=LIMIT)
    assert len(left) == ROWS / 10_000
    # The others ask for the tables that there are. Hosts and recoveries are few, and a database may read them as a whole.
    (cost,) = costs_of(world, [each for each in sent if "FROM notifications" in each[0]])
    assert "notifications" not in cost.scans
    assert cost.rows < ROWS / 20


NEEDED = {
    "vmha_notifications_created_idx": PLAIN,
    "vmha_notifications_status_created_idx": "/notifications?limit=100&status=ignored",
    "vmha_notifications_type_created_idx": "/notifications?limit=100&type=COMPUTE_HOST",
    "vmha_notifications_host_created_idx": "/notifications?limit=100&source_host_uuid=host-1",
    "vmha_notifications_generated_idx": "/notifications?limit=100&sort_key=generated_time",
    "vmha_vmoves_notification_created_idx": f"{ONE}/vmoves?limit=100",
    "vmha_hosts_segment_created_idx": "/segments/segment-1/hosts?limit=100",
    "vmha_segments_created_idx": "/segments?limit=100",
    "vmha_flowdetails_parent_idx": ONE,
    "vmha_atomdetails_parent_idx": ONE,
}
"""Each index of a list with a list that is dear without it."""


@pytest.mark.parametrize("index", NEEDED)
def test_each_index_is_needed(world: World, index: str) -> None:
    """Without the index the list that is there for it costs more than it shows, and these tests see that."""
    path = NEEDED[index]
    with without(world.engine, index):
        assert any(is_dear(cost) for cost in measured(world, path))
    assert not any(is_dear(cost) for cost in measured(world, path))


@contextmanager
def without(engine: Engine, name: str) -> Iterator[None]:
    """Drop an index, and make it again."""
    with transaction(engine) as connection:
        look = inspect(connection)
        found = {index["name"]: (table, index) for table in look.get_table_names() for index in look.get_indexes(table)}
    table, index = found[name]
    is_mysql = engine.dialect.name == "mysql"
    # MySQL keeps an index for each foreign key; a database of upstream's has this one of its own.
    stand_in = is_mysql and table == "hosts"
    alter(engine, "CREATE INDEX stand_in ON hosts (failover_segment_id)" if stand_in else "")
    alter(engine, f"DROP INDEX {name}" + (f" ON {table}" if is_mysql else ""))
    try:
        yield
    finally:
        columns = ", ".join(str(column) for column in index["column_names"])
        alter(engine, f"CREATE INDEX {name} ON {table} ({columns})")
        alter(engine, "DROP INDEX stand_in ON hosts" if stand_in else "")


def alter(engine: Engine, statement: str) -> None:
    """Change the schema; no statement, no change."""
    if statement:
        with transaction(engine) as connection:
            connection.exec_driver_sql(statement)


def measured(world: World, path: str) -> list[Cost]:
    """Send the request and measure each of its statements."""
    with listening(world.engine, world.reader) as sent:
        call(world, path)
    assert sent
    return costs_of(world, sent)


def costs_of(world: World, sent: list[tuple[str, Any]]) -> list[Cost]:
    """Measure statements."""
    meter = METERS[world.engine.dialect.name]
    with world.engine.connect() as connection:
        return [meter.cost(connection, *each) for each in sent]


def call(world: World, path: str) -> Any:
    """Call the API in process."""
    answer = world.call("GET", f"/v1{path}", headers={"OpenStack-API-Version": "instance-ha latest"})
    assert answer.status_int == 200, answer.text
    return answer.json
