"""What `purge` holds on each database: it removes what is over and old with all that hangs on it, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Table, event, func, insert, select, text, update
from sqlalchemy.engine import Engine

from vmha.adapters.db import migrate, schema
from vmha.adapters.db import purge as purging
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.purge import AT_ONCE, purge

DAY = 86_400.0
NOW = 1_900_000_000.0
OLD = NOW - 40 * DAY
NEW = NOW - 2 * DAY
MONTH = 30 * DAY
FLOWS = (
    "CREATE TABLE logbooks (uuid VARCHAR(64) PRIMARY KEY, created_at TIMESTAMP NULL)",
    "CREATE TABLE flowdetails (uuid VARCHAR(64) PRIMARY KEY, parent_uuid VARCHAR(64))",
    "CREATE TABLE atomdetails (uuid VARCHAR(64) PRIMARY KEY, parent_uuid VARCHAR(64))",
)


class Past:
    """A database with rows of some age."""

    def __init__(self, url: str, *, with_flows: bool = False) -> None:
        self.engine: Engine = open_database(url)
        with transaction(self.engine) as connection:
            for statement in FLOWS if with_flows else ():
                connection.execute(text(statement))
        migrate.sync(self.engine)

    def add(self, table: Table, **values: Any) -> None:
        """Write a row."""
        with transaction(self.engine) as connection:
            connection.execute(insert(table).values(**values))

    def notification(self, at: float, status: str = "finished", *, moves: int = 0, changed: bool = True) -> str:
        """Write a notification with its moves and return its uuid."""
        uuid, then = str(uuid4()), moment(at)
        row = {
            "notification_uuid": uuid,
            "generated_time": then,
            "source_host_uuid": "h",
            "type": "VM",
            "status": status,
        }
        self.add(schema.notifications, **row, created_at=then, updated_at=then if changed else None, deleted=0)
        for _ in range(moves):
            self.move(uuid, at)
        return uuid

    def move(self, notification: str, at: float) -> None:
        """Write a move."""
        row = {"uuid": str(uuid4()), "notification_uuid": notification, "instance_uuid": "i", "instance_name": "vm"}
        self.add(schema.vmoves, **row, created_at=moment(at), deleted=0)

    def recovery(self, notification: str, ended_at: float | None, kind: str = "host", order: str | None = None) -> str:
        """Write a recovery with one row of everything that hangs on it; `order` is one that left."""
        uuid = str(uuid4())
        mine: dict[str, Any] = {"recovery_uuid": uuid}
        common = {
            "uuid": uuid,
            "kind": kind,
            "host_uuid": "h",
            "host_name": "c1",
            "segment_uuid": "s",
            "method": "auto",
        }
        state = {"phase": "ended", "message": "", "state": "{}", "version": 1, "opened_at": OLD, "epoch": 0}
        self.add(schema.recoveries, **common, **state, ended_at=ended_at)
        self.add(schema.recovery_notifications, **mine, notification_uuid=notification, is_first=True)
        self.add(schema.inbox, **mine, event="{}", created_at=OLD)
        effect = {"uuid": uuid, "effect_key": "k", "payload": "{}", "engine": "e", "epoch": 1, "intended_at": OLD}
        self.add(schema.effects, **mine, **effect, kind=order or "PowerOff", sent_at=OLD if order else None)
        move = {"instance_uuid": "i", "position": 0, "vmove_uuid": "v", "status": "moved", "state": "{}"}
        self.add(schema.moves, **mine, **move)
        self.add(schema.claims, **mine, claim_key=uuid, made_at=OLD)
        proof = {"uuid": uuid, "host_name": "c1", "rung": "ipmi", "evidence": "{}", "established_at": OLD}
        self.add(schema.fence_proofs, **mine, **proof, read_at=OLD, valid_until=OLD)
        self.add(schema.timeline, **mine, at=OLD, engine="e", code="C", facts="{}", sentence="s")
        self.alert(uuid, OLD)
        return uuid

    def alert(self, recovery: str | None, at: float) -> None:
        """Write an alert with a delivery."""
        uuid = str(uuid4())
        row = {"uuid": uuid, "recovery_uuid": recovery, "number": 1, "kind": "opened", "code": "C", "document": "{}"}
        self.add(schema.alerts, **row, made_at=at)
        self.add(schema.alert_deliveries, alert_uuid=uuid, webhook="w", name="receiver", attempts=1, next_at=at)

    def host(self, name: str, deleted_at: float | None) -> None:
        """Write a host in a segment of its own, both deleted at that time."""
        gone = {
            "deleted_at": None if deleted_at is None else moment(deleted_at),
            "deleted": 0 if deleted_at is None else 1,
        }
        segment = {"uuid": f"s-{name}", "name": name, "service_type": "x", "recovery_method": "auto"}
        self.add(schema.failover_segments, **segment, **gone)
        host = {"uuid": name, "name": name, "type": "x", "control_attributes": "y", "failover_segment_id": f"s-{name}"}
        self.add(schema.hosts, **host, **gone)

    def flow(self, book: str, at: float) -> None:
        """Write a task flow of upstream's with two tasks."""
        with transaction(self.engine) as connection:
            connection.execute(text("INSERT INTO logbooks VALUES (:u, :t)"), {"u": book, "t": moment(at)})
            connection.execute(text("INSERT INTO flowdetails VALUES (:f, :u)"), {"f": f"f-{book}"[:64], "u": book})
            for task in "ab":
                values = {"a": f"{task}-{book}"[:64], "f": f"f-{book}"[:64]}
                connection.execute(text("INSERT INTO atomdetails VALUES (:a, :f)"), values)

    def change(self, table: Table, **values: Any) -> None:
        """Change all rows of a table."""
        with transaction(self.engine) as connection:
            connection.execute(update(table).values(**values))

    def purge(self, age_seconds: float = MONTH, max_rows: int | None = None) -> Counter[str]:
        """Purge."""
        return purge(self.engine, age_seconds=age_seconds, max_rows=max_rows, now=NOW)

    def rows(self) -> dict[str, int]:
        """Count what is left, table by table."""
        left = {}
        with transaction(self.engine) as connection:
            for table in (*schema.upstream.sorted_tables, *schema.ours.sorted_tables):
                count = connection.execute(select(func.count()).select_from(table)).scalar_one()
                left.update({table.name: count} if count else {})
        return left

    def of_recovery(self, uuid: str) -> dict[str, int]:
        """Count the rows of a recovery, table by table."""
        with transaction(self.engine) as connection:
            return {
                table.name: connection.execute(
                    select(func.count()).select_from(table).where(table.c.recovery_uuid == uuid)
                ).scalar_one()
                for table in OF_RECOVERY
            }

    def move_count(self, notification: str) -> int:
        """Count the moves that clients see of a notification."""
        table = schema.vmoves
        with transaction(self.engine) as connection:
            query = select(func.count()).select_from(table).where(table.c.notification_uuid == notification)
            return int(connection.execute(query).scalar_one())

    def orphans(self) -> list[str]:
        """Name the tables with rows whose parent is gone."""
        pairs = [(table.name, "recovery_uuid", "recoveries", "uuid") for table in OF_RECOVERY]
        pairs.append(("vmoves", "notification_uuid", "notifications", "notification_uuid"))
        pairs.append(("logbooks", "uuid", "notifications", "notification_uuid"))
        pairs.append(("alert_deliveries", "alert_uuid", "alerts", "uuid"))
        pairs += [
            ("flowdetails", "parent_uuid", "logbooks", "uuid"),
            ("atomdetails", "parent_uuid", "flowdetails", "uuid"),
        ]
        found = []
        with transaction(self.engine) as connection:
            for table, key, parent, theirs in pairs:
                query = f"SELECT COUNT(*) FROM {table} WHERE {key} NOT IN (SELECT {theirs} FROM {parent})"
                found += [table] * (connection.execute(text(query)).scalar_one() > 0)
        return found


OF_RECOVERY = [table for table in schema.ours.sorted_tables if "recovery_uuid" in table.c]


def moment(at: float) -> datetime:
    """Turn seconds since the epoch into upstream's time."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


class PurgeContract:
    """The contract. The `fresh` fixture makes an empty database and returns its URL."""

    def test_a_past_goes_with_all_that_hangs_on_it(self, fresh: Callable[[], str]) -> None:
        """An old notification goes with moves and recovery, from all tables; deleted hosts and segments, and engines long gone, too."""
        past = Past(fresh())
        past.recovery(past.notification(OLD, moves=3), OLD)
        past.host("old", OLD)
        past.add(schema.engines, name="gone", started_at=OLD, seen_at=OLD)
        assert past.purge() == {
            **dict.fromkeys(("inbox", "effects", "moves", "claims", "fence_proofs", "timeline", "recoveries"), 1),
            **dict.fromkeys(("alerts", "alert_deliveries"), 1),
            "recovery_notifications": 1,
            "notifications": 1,
            "vmoves": 3,
            "hosts": 1,
            "failover_segments": 1,
            "engines": 1,
        }
        assert past.rows() == {}
        assert past.purge() == {}

    def test_what_is_new_or_not_over_stays(self, fresh: Callable[[], str]) -> None:
        """Young rows, live hosts, notifications that are not final and recoveries that are open stay, however old."""
        past = Past(fresh())
        past.recovery(past.notification(OLD, moves=1), None)
        past.recovery(past.notification(NEW, moves=1), NEW)
        for status in ("new", "running", "error"):
            past.notification(OLD, status, moves=1)
        past.host("live", None)
        past.host("young", NEW)
        past.add(schema.engines, name="here", started_at=OLD, seen_at=NEW)
        before = past.rows()
        assert past.purge() == {}
        assert past.rows() == before

    def test_what_guards_count_stays_whatever_is_asked(self, fresh: Callable[[], str]) -> None:
        """With an age of 0 a recovery that ended four weeks ago stays with its notification: a quarantine may count it."""
        past = Past(fresh())
        weeks_ago = NOW - 28 * 86_400
        past.recovery(past.notification(weeks_ago, moves=1), weeks_ago)
        past.notification(weeks_ago)
        assert past.purge(age_seconds=0) == {"notifications": 1}
        assert past.rows()["notifications"] == 1

    def test_what_a_host_hangs_on_stays(self, fresh: Callable[[], str]) -> None:
        """While a host waits to be let back all of its recoveries stay, then the last one; when it is in no segment, none."""
        past = Past(fresh())
        past.host("h", None)
        first, last = (past.recovery(past.notification(OLD), OLD) for _ in range(2))
        past.change(schema.hosts, on_maintenance=True)
        assert past.purge() == {}
        past.change(schema.hosts, on_maintenance=False)
        assert past.purge()["recoveries"] == 1
        assert (any(past.of_recovery(first).values()), all(past.of_recovery(last).values())) == (False, True)
        past.change(schema.hosts, deleted=1)
        assert past.purge()["recoveries"] == 1

    def test_who_disabled_a_service_stays_known(self, fresh: Callable[[], str]) -> None:
        """Of the incidents of a host's processes that stays which gave the last order, however many followed without one."""
        past = Past(fresh())
        past.host("h", None)
        orders = ("DisableService", "EnableService", "DisableService", None)
        uuids = [past.recovery(past.notification(OLD), OLD, "process", order) for order in orders]
        assert past.purge()["recoveries"] == 3
        assert [any(past.of_recovery(uuid).values()) for uuid in uuids] == [False, False, True, False]

    def test_proofs_go_first(self, fresh: Callable[[], str]) -> None:
        """A purge that stops in the middle of a recovery leaves none that has a proof and half of its story."""
        past = Past(fresh())
        uuid = past.recovery(past.notification(OLD), OLD)
        past.purge(max_rows=2)
        left = past.of_recovery(uuid)
        assert left.pop("fence_proofs") == 0
        assert set(left.values()) == {1}

    def test_alerts_of_no_recovery_go_by_their_own_age(self, fresh: Callable[[], str]) -> None:
        """An old one goes with its deliveries, a young one stays with them."""
        past = Past(fresh())
        past.alert(None, OLD)
        past.alert(None, NEW)
        assert past.purge() == {"alerts": 1, "alert_deliveries": 1}
        assert past.rows() == {"alerts": 1, "alert_deliveries": 1}

    def test_a_disarming_goes_by_its_end(self, fresh: Callable[[], str]) -> None:
        """One that ended long ago goes; one that ended of late, or stands, however long ago it was made, stays."""
        past = Past(fresh())
        common = {"scope": "all hosts", "by_whom": "ann", "why": "storage", "made_at": OLD, "until": OLD}
        for key, ended_at in ((None, OLD), (None, NEW), ("all", None)):
            past.add(schema.disarms, open_key=key, ended_at=ended_at, **common)
        assert past.purge() == {"disarms": 1}
        assert past.rows() == {"disarms": 2}

    def test_what_upstreams_purge_left_goes(self, fresh: Callable[[], str]) -> None:
        """Moves and task flows without a notification go by their own age, and notifications that were never changed by theirs."""
        past = Past(fresh(), with_flows=True)
        past.move("gone long ago", OLD)
        past.move("gone lately", NEW)
        past.flow("gone long ago", OLD)
        past.flow("gone lately", NEW)
        past.flow(past.notification(OLD, changed=False), OLD)
        past.flow(past.notification(NEW), OLD)
        assert past.purge() == {"notifications": 1, "vmoves": 1, "logbooks": 2, "flowdetails": 2, "atomdetails": 4}
        assert past.rows() == {"notifications": 1, "vmoves": 1}

    @pytest.mark.parametrize("max_rows", [1, 7])
    def test_max_rows_is_for_all_tables_together(self, fresh: Callable[[], str], max_rows: int) -> None:
        """A purge stops at so many rows, and purges after it finish what it began."""
        past = Past(fresh())
        for _ in range(2):
            past.recovery(past.notification(OLD, moves=2), OLD)
        whole = sum(past.rows().values())
        counts = []
        while found := past.purge(max_rows=max_rows):
            counts.append(found.total())
            assert sum(past.rows().values()) == whole - sum(counts)
        assert counts == [max_rows] * (whole // max_rows) + ([whole % max_rows] if whole % max_rows else [])

    def test_many_rows_go_in_small_transactions(self, fresh: Callable[[], str]) -> None:
        """However many rows there are, and however many of them hang on one recovery, no transaction removes more than its share."""
        past = Past(fresh())
        uuid = past.recovery(past.notification(OLD), OLD)
        line = {"recovery_uuid": uuid, "at": OLD, "engine": "e", "code": "C", "facts": "{}", "sentence": "s"}
        row = {"generated_time": moment(OLD), "source_host_uuid": "h", "type": "VM", "status": "ignored", "deleted": 0}
        rows = [{**row, "notification_uuid": str(uuid4()), "created_at": moment(OLD)} for _ in range(450)]
        with transaction(past.engine) as connection:
            connection.execute(insert(schema.timeline), [line] * (2 * AT_ONCE))
            connection.execute(insert(schema.notifications), rows)
        whole = sum(past.rows().values())
        sizes = removing(past.engine)
        removed = past.purge()
        assert (removed["notifications"], removed["timeline"], removed.total()) == (451, 2 * AT_ONCE + 1, whole)
        assert (max(sizes), sum(sizes)) == (AT_ONCE, whole)

    @pytest.mark.slow
    def test_one_that_is_killed_leaves_nothing_half(self, fresh: Callable[[], str]) -> None:
        """A purge that is killed in the middle of a transaction, again and again, leaves no row without what it hangs on.

        What must stay has stayed each time, an open recovery with all of its rows first of all, and the last purge finishes the rest.
        """
        url = fresh()
        past = Past(url, with_flows=True)
        for _ in range(3):
            old = past.notification(OLD, moves=3)
            past.recovery(old, OLD)
            past.flow(old, OLD)
        past.host("old", OLD)
        mine = past.notification(OLD, "running", moves=2)
        stays = past.recovery(mine, None)
        past.recovery(past.notification(NEW, moves=1), NEW)
        past.host("live", None)
        kept, deletes = past.of_recovery(stays), 0
        for _ in range(60):
            assert past.orphans() == []
            assert (past.of_recovery(stays), past.move_count(mine)) == (kept, 2)
            deletes += 1
            if not is_killed(url, deletes):
                break
        assert deletes > 5
        assert past.purge() == {}
        assert past.rows() == {
            **dict.fromkeys(("recoveries", "recovery_notifications", "inbox", "effects", "moves"), 2),
            **dict.fromkeys(("claims", "fence_proofs", "timeline", "notifications", "alerts", "alert_deliveries"), 2),
            "vmoves": 3,
            "hosts": 1,
            "failover_segments": 1,
        }


def removing(engine: Engine) -> list[int]:
    """Give the numbers of rows that each transaction from now on removes."""
    sizes: list[int] = []
    event.listen(engine, "begin", lambda _connection: sizes.append(0))

    @event.listens_for(engine, "after_cursor_execute")
    def _count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE"):
            sizes[-1] += cursor.rowcount

    return sizes


def is_killed(url: str, deletes: int) -> bool:
    """Purge in a process of its own that is killed right after so many DELETEs; False where it came to its end before."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_purge_until_killed, args=(url, deletes), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _purge_until_killed(url: str, deletes: int) -> None:
    purging.AT_ONCE = 4  # so that a family takes several transactions
    engine, left = open_database(url), [deletes]

    @event.listens_for(engine, "after_cursor_execute")
    def _count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        left[0] -= statement.startswith("DELETE")
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    purge(engine, age_seconds=MONTH, max_rows=None, now=NOW)
