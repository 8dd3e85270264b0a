"""What a statement costs, by the database's own account: how many rows it reads, whether it sorts, whether it reads a table as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one SELECT: rows read, rows sorted, tables read without an index."""

    statement: str
    rows: float
    sorted_rows: float
    scans: tuple[str, ...]


class Meter(Protocol):
    """Runs a statement once more and says what that cost."""

    def cost(self, connection: Connection, statement: str, parameters: Any) -> Cost:
        """Measure one SELECT."""


@contextmanager
def listening(*engines: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Give the statements that the engines send meanwhile, with their parameters. The same one may be named twice."""
    sent: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.split()[0] not in ("BEGIN", "ROLLBACK", "COMMIT"):
            sent.append((statement, parameters))

    for engine in set(engines):
        event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        for engine in set(engines):
            event.remove(engine, "before_cursor_execute", keep)


class MariaDbMeter:
    """MariaDB counts what its storage engines hand out, and how many rows it sorts, for each session."""

    def cost(self, connection: Connection, statement: str, parameters: Any) -> Cost:
        """Measure one SELECT."""
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings().all()
        before = self._status(connection)
        connection.exec_driver_sql(statement, parameters).fetchall()
        after = self._status(connection)
        spent = {name: after[name] - before[name] for name in after}
        rows = sum(count for name, count in spent.items() if name.startswith("Handler_read"))
        scans = tuple(row["table"] for row in plan if row["key"] is None and row["table"] is not None)
        return Cost(statement, rows, spent["Sort_rows"], scans)

    def _status(self, connection: Connection) -> dict[str, int]:
        wanted = "Variable_name LIKE 'Handler_read_%%' OR Variable_name = 'Sort_rows'"
        found = connection.exec_driver_sql(f"SHOW SESSION STATUS WHERE {wanted}")
        return {name: int(value) for name, value in found}


class PostgreSqlMeter:
    """PostgreSQL runs a statement and tells each node of its plan with the rows that passed."""

    def cost(self, connection: Connection, statement: str, parameters: Any) -> Cost:
        """Measure one SELECT."""
        explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
        nodes = list(self._nodes(explained[0]["Plan"]))
        reads = [node for node in nodes if "Relation Name" in node and node["Actual Loops"]]
        rows = sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in reads
        )
        sorts = sum(child["Actual Rows"] for node in nodes if "Sort" in node["Node Type"] for child in node["Plans"])
        scans = tuple(node["Relation Name"] for node in reads if node["Node Type"] == "Seq Scan")
        return Cost(statement, rows, sorts, scans)

    def _nodes(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from self._nodes(child)


class SqliteMeter:
    """SQLite tells its plan, and calls back after each step of its virtual machine.

    A row of a page takes some `PER_ROW` of them. A walk in the order of the ids reads no index, and is no worse for it: the steps tell.
    """

    PER_ROW = 20

    def cost(self, connection: Connection, statement: str, parameters: Any) -> Cost:
        """Measure one SELECT."""
        plan = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(step, 1)
        connection.exec_driver_sql(statement, parameters).fetchall()
        driver.set_progress_handler(None, 1)
        rows = steps / self.PER_ROW
        return Cost(statement, rows, rows if any("TEMP B-TREE" in line for line in plan) else 0, ())
