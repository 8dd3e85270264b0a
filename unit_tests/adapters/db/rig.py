"""A `SqlStore` with a database behind it, and a clock of the database that the test sets.

The statements of the store run as in production: it is the database's own functions that tell another time. SQLite gets another
julianday(), MariaDB's SYSDATE() follows the session's `timestamp` (the server runs with --sysdate-is-now), and PostgreSQL finds
another clock_timestamp() first on its search path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.engine import Connection, Engine

from unit_tests.ports.store_contract import Reported
from vmha.adapters.db import disarming, hosts, incidents, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.outbox import SqlOutbox
from vmha.adapters.db.reports import HostReport, InstanceReport, Place, ProcessReport, Report
from vmha.adapters.db.returns import SqlReturns
from vmha.adapters.db.store import SqlStore
from vmha.core.events import Event

START = 1_700_000_000.0
"""Any moment but zero, which MariaDB takes for none."""


class DatabaseClock:
    """The time that the database believes in, for every engine whose clock it winds."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def wind(self, engine: Engine) -> None:
        """Let all connections of this engine, those to come, see this clock."""
        match engine.dialect.name:
            case "sqlite":
                event.listen(engine, "connect", self._wind_sqlite)
            case "mysql" | "mariadb":
                event.listen(engine, "begin", self._wind_mysql)
            case "postgresql":
                event.listen(engine, "begin", self._wind_postgresql)
            case other:
                raise AssertionError(f"cannot wind the clock of {other}")

    def _wind_sqlite(self, connection: Any, record: Any) -> None:
        connection.create_function("julianday", 1, lambda _: 2440587.5 + self.now / 86400.0)
        connection.execute("PRAGMA synchronous=OFF")  # no test cuts the power of this machine

    def _wind_mysql(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SET SESSION timestamp = {self.now:.6f}")

    def _wind_postgresql(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL search_path = public, pg_catalog")
        connection.exec_driver_sql(f"SET LOCAL vmha.now = '{self.now:.6f}'")


POSTGRESQL_CLOCK = """
    CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT to_timestamp(current_setting('vmha.now')::float8) $$
"""


def prepare_clock(engine: Engine) -> None:
    """Make what `DatabaseClock` needs in a new database."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.exec_driver_sql(POSTGRESQL_CLOCK)


class SqlRig:
    """The hosts c1, c2 and c3 in a database, whose tables were made before."""

    def __init__(self, url: str, clock: DatabaseClock | None = None) -> None:
        self.url = url
        self.clock = clock or DatabaseClock()
        self._engines: list[Engine] = []
        self.engine = self.open()
        self.store = SqlStore(self.engine)
        self.returns = SqlReturns(self.engine, via="api")
        self.begin()

    def begin(self) -> None:
        """Begin anew, with nothing but the hosts."""
        self.empty()
        for name in ("c1", "c2", "c3"):
            self.add_host(name)

    def open(self) -> Engine:
        """Open the database as another process does."""
        engine = open_database(self.url)
        self.clock.wind(engine)
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            engine.dispose()

    def empty(self) -> None:
        """Remove every row."""
        with transaction(self.engine) as connection:
            for table in (*reversed(schema.upstream.sorted_tables), *schema.ours.sorted_tables):
                connection.execute(delete(table))

    def another(self) -> SqlStore:
        """Reach the database by connections of its own."""
        return SqlStore(self.open())

    def add_host(self, name: str, *, segment: str = "segment", reserved: bool = False) -> None:
        """Add a host, and its segment if it is new."""
        common = {"deleted": 0}
        with transaction(self.engine) as connection:
            segments = schema.failover_segments
            known = connection.execute(select(segments.c.uuid).where(segments.c.uuid == segment)).first()
            if known is None:
                connection.execute(
                    insert(segments).values(
                        uuid=segment, name=segment, service_type="COMPUTE", recovery_method="auto", **common
                    )
                )
            connection.execute(
                insert(schema.hosts).values(
                    uuid=f"uuid-of-{name}"[:36],
                    name=name,
                    reserved=reserved,
                    type="COMPUTE",
                    control_attributes="SSH",
                    failover_segment_id=segment,
                    on_maintenance=False,
                    **common,
                )
            )

    def disarm(self, kind: str, name: str, *, seconds: float) -> None:
        """Disarm for a while, as masakari-manage does."""
        scopes = {
            "all": disarming.ALL,
            "segment": disarming.segment(name, name),
            "host": disarming.host(f"uuid-of-{name}", name),
        }
        with transaction(self.engine) as connection:
            disarming.disarm(connection, scopes[kind], by="ann", why="because", seconds=seconds)

    def disband(self, host: str) -> None:
        """Mark a host as deleted."""
        with transaction(self.engine) as connection:
            row = hosts.find_by_name(connection, host)
            assert row is not None
            hosts.delete(connection, row.uuid, now=datetime.fromtimestamp(START, UTC).replace(tzinfo=None))

    def report(
        self, host: str, engine: Engine | None = None, *, says_off: bool = True, locks: bool = False
    ) -> Reported:
        """Accept a notification in one transaction, as the API does, with host_status NORMAL if `says_off`.

        With `locks` it locks the host's row before all else, as the API does.
        """
        about = partial(HostReport, method="auto", says_off=says_off)
        return self._report(host, "COMPUTE_HOST", about, engine, locks=locks)

    def report_instance(self, host: str, instance: str) -> Reported:
        """Accept a notification about an instance."""
        about = partial(InstanceReport, instance=instance, event="LIFECYCLE STOPPED_FAILED")
        return self._report(host, "VM", about)

    def report_process(self, host: str, *, is_running: bool = False) -> Reported:
        """Accept a notification about nova-compute."""
        return self._report(host, "PROCESS", partial(ProcessReport, process="nova-compute", is_running=is_running))

    def _report(
        self,
        host: str,
        type: str,
        about: Callable[..., Report],
        engine: Engine | None = None,
        *,
        locks: bool = False,
    ) -> Reported:
        uuid = str(uuid4())
        with transaction(engine or self.engine) as connection:
            if locks:
                hosts.lock_by_name(connection, host)
            row = connection.execute(select(schema.hosts).where(schema.hosts.c.name == host)).mappings().one()
            connection.execute(
                insert(schema.notifications).values(
                    notification_uuid=uuid,
                    generated_time=text("CURRENT_TIMESTAMP"),
                    source_host_uuid=row["uuid"],
                    type=type,
                    payload="{}",
                    status="running",
                    deleted=0,
                )
            )
            place = Place(
                notification_uuid=uuid,
                host_uuid=row["uuid"],
                host_name=host,
                segment_uuid=row["failover_segment_id"],
            )
            recovery = incidents.open_or_join(connection, about(place=place))
        return Reported(uuid, recovery)

    @property
    def outbox(self) -> SqlOutbox:
        """The alerts of this database."""
        return SqlOutbox(self.engine)

    def told(self, recovery: str) -> list[dict[str, Any]]:
        """Read what is told of a recovery."""
        table = schema.alerts
        rows = self.read(select(table).where(table.c.recovery_uuid == recovery).order_by(table.c.number))
        return [json.loads(row["document"]) for row in rows]

    def say(self, recovery: str, event: Event) -> None:
        """Put a letter into the inbox."""
        with transaction(self.engine) as connection:
            incidents.say(connection, recovery, event)

    def spoil(self, recovery: str) -> None:
        """Give the recovery a reason that this version has no name for."""
        table = schema.recoveries
        (row,) = self.read(select(table.c.state).where(table.c.uuid == recovery))
        state = json.loads(row["state"])
        state["reason"]["code"] = "A_REASON_OF_TOMORROW"
        with transaction(self.engine) as connection:
            connection.execute(update(table).where(table.c.uuid == recovery).values(state=json.dumps(state)))

    def spoil_letters(self, recovery: str) -> None:
        """Make of the recovery's letters a kind of event that this version does not know."""
        table = schema.inbox
        letter = json.dumps({"event": "ForetoldTomorrow"})
        with transaction(self.engine) as connection:
            connection.execute(update(table).where(table.c.recovery_uuid == recovery).values(event=letter))

    def pass_time(self, seconds: float) -> None:
        """Set the database's clock forward."""
        self.clock.now += seconds + 0.001

    def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """Read every row of every table."""
        tables = (*schema.upstream.sorted_tables, *schema.ours.sorted_tables)
        with transaction(self.engine) as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in tables
            }

    def status(self, notification: str) -> str:
        """Read a notification's status."""
        return str(self.notification(notification)["status"])

    def notification(self, uuid: str) -> dict[str, Any]:
        """Read a notification."""
        table = schema.notifications
        (row,) = self.read(select(table).where(table.c.notification_uuid == uuid))
        return row

    def flags(self, host: str) -> tuple[bool, bool]:
        """Read the host's flags."""
        (row,) = self.read(select(schema.hosts).where(schema.hosts.c.name == host))
        return bool(row["reserved"]), bool(row["on_maintenance"])

    def timeline(self, recovery: str) -> list[str]:
        """Read the timeline."""
        table = schema.timeline
        rows = self.read(select(table).where(table.c.recovery_uuid == recovery).order_by(table.c.id))
        return [row["sentence"] for row in rows]

    def answered(self, recovery: str) -> set[str]:
        """Read what was answered."""
        table = schema.effects
        rows = self.read(select(table).where(table.c.recovery_uuid == recovery, table.c.answered_at.is_not(None)))
        return {row["uuid"] for row in rows}

    def journal(self, recovery: str) -> set[str]:
        """Read what was stored before it was sent."""
        table = schema.effects
        return {row["uuid"] for row in self.read(select(table).where(table.c.recovery_uuid == recovery))}

    def revoked(self, proof: str) -> str | None:
        """Read why a proof was revoked."""
        table = schema.fence_proofs
        (row,) = self.read(select(table).where(table.c.uuid == proof))
        return None if row["revoked_because"] is None else str(row["revoked_because"])

    def read(self, query: Any) -> list[dict[str, Any]]:
        """Run a query and return its rows."""
        with transaction(self.engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


@contextmanager
def rigged(url: str) -> Iterator[SqlRig]:
    """Give a rig on an emptied database and close it."""
    rig = SqlRig(url)
    try:
        yield rig
    finally:
        rig.close()
