"""A list over 100,000 notifications costs what a list over 100 costs: it goes by an index, sorts nothing and reads what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from tests.sql.meters import Cost, MariaDbMeter, Meter, PostgreSqlMeter, SqliteMeter, listening
from tests.sql.servers import Server
from unit_tests.api.world import World
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database, transaction

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
    migrate.sync(engine)
    write_history(engine)
    engine.dispose()
    world = World(folder, database=url)
    yield world
    world.engine.dispose()


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
    }
    with transaction(engine) as connection:
        for statement, count, uuid, host in (
            (HISTORY, ROWS, "notification-", "n % 500"),
            (MOVES, 20_000, "move-", "n"),
            (SEGMENTS, 2_000, "", "n"),
            (HOSTS, 2_000, "", "n"),
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
        for table in ("notifications", "vmoves", "hosts", "failover_segments"):
            if name != "sqlite":
                connection.exec_driver_sql(f"ANALYZE {'TABLE ' if name == 'mysql' else ''}{table}")
        connection.commit()


PLAIN = f"/notifications?limit={LIMIT}"
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
    "/notifications?limit=100&source_host_uuid=host-1",
    "/notifications?limit=100&source_host_uuid=host-1&marker=30000",
    "/notifications?limit=100&source_host_uuid=host-77",
    "/notifications?limit=100&source_host_uuid=nobody",
    "/notifications?limit=100&generated-since=2025-01-02T00:00:00",
    "/notifications/notification-50000",
    "/notifications/notification-50000/vmoves?limit=100",
    "/notifications/notification-50000/vmoves?limit=100&status=succeeded",
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
    _, costs = measured(world, path)
    assert [cost for cost in costs if cost.scans or cost.rows > 2 * LIMIT or cost.sorted_rows >= LIMIT] == []


@pytest.mark.parametrize("path", NARROW)
def test_a_window_in_time_reads_what_it_holds(world: World, path: str) -> None:
    """A short window at the end is read alone, no more than twice the limit; SQLite, for one machine only, walks back through time."""
    if world.engine.dialect.name == "sqlite":
        pytest.skip("SQLite keeps no statistics to know a short window by")
    _, costs = measured(world, path)
    assert [cost for cost in costs if cost.scans or cost.rows > 2 * LIMIT] == []


@pytest.mark.parametrize(
    ("path", "statements"),
    [
        ("/notifications?limit={limit}", 1),
        ("/notifications?limit={limit}&marker=90000", 2),
        ("/notifications/notification-50000/vmoves?limit={limit}", 3),
        ("/segments?limit={limit}", 1),
        ("/segments/segment-1/hosts?limit={limit}", 2),
    ],
)
def test_the_number_of_statements_is_that_of_an_empty_list(world: World, path: str, statements: int) -> None:
    """However many rows a list shows, it takes the same few statements."""
    for limit in (1, 1000):
        with listening(world.engine) as sent:
            call(world, path.format(limit=limit))
        assert len(sent) == statements, sent


def test_a_meter_sees_what_is_bad(world: World) -> None:
    """A list in an order that no index has sorts and reads all, and the meters say so."""
    _, costs = measured(world, "/notifications?limit=100&sort_key=payload")
    assert max(cost.rows for cost in costs) > ROWS / 20
    assert max(cost.sorted_rows for cost in costs) >= LIMIT


def measured(world: World, path: str) -> tuple[Any, list[Cost]]:
    """Send the request and measure each of its statements."""
    with listening(world.engine) as sent:
        body = call(world, path)
    assert sent
    meter = METERS[world.engine.dialect.name]
    with world.engine.connect() as connection:
        return body, [meter.cost(connection, *each) for each in sent]


def call(world: World, path: str) -> Any:
    """Call the API in process."""
    answer = world.call("GET", f"/v1{path}")
    assert answer.status_int == 200, answer.text
    return answer.json
