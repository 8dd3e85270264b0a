"""What upstream's engine did about a notification before the database became ours, from the tables of its task flow.

They are in the database that [taskflow] connection names, which deployers let be the one of all else, and only ever read. A flow is
one attempt, an atom of it one task, and the task's steps stand in its `meta`. Tasks and attempts are told in the order in which they
began, by the time of their first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Column, MetaData, String, Table, inspect, select

from vmha.adapters.db.connection import transaction

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_tables = MetaData()
flowdetails = Table("flowdetails", _tables, Column("uuid", String(64)), Column("parent_uuid", String(64)))
atomdetails = Table(
    "atomdetails",
    _tables,
    Column("uuid", String(64)),
    Column("parent_uuid", String(64)),
    Column("name", String(255)),
    Column("state", String(255)),
    Column("meta", JSON),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a task; all of it is text in upstream's answers."""

    timestamp: str
    progress: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of one attempt."""

    name: str
    state: str
    progress: float
    steps: tuple[Step, ...]


class UpstreamFlows:
    """Reads the task flows of one database. Whether there are any is looked up once: nothing of ours makes such tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._are_there: bool | None = None

    def is_of(self, engine: Engine) -> bool:
        """Tell whether they are read through this engine, as where upstream kept all in one database."""
        return self._engine is engine

    def are_there(self) -> bool:
        """Tell whether an engine of upstream's ever kept its task flows here. Raises `StoreUnavailable`."""
        if self._are_there is None:
            with transaction(self._engine) as connection:
                self._are_there = inspect(connection).has_table(atomdetails.name)
        return self._are_there

    def tasks_of(self, notification_uuid: str) -> list[Task]:
        """Return the tasks that have begun. Raises `StoreUnavailable`."""
        if not self.are_there():
            return []
        with transaction(self._engine) as connection:
            return _tasks_of(connection, notification_uuid)


def _tasks_of(connection: Connection, notification_uuid: str) -> list[Task]:
    query = select(flowdetails.c.uuid, atomdetails.c.name, atomdetails.c.state, atomdetails.c.meta).where(
        flowdetails.c.parent_uuid == notification_uuid, atomdetails.c.parent_uuid == flowdetails.c.uuid
    )
    flows: dict[str, list[Task]] = {}
    for row in connection.execute(query):
        task = _task(row.name, row.state, row.meta or {})
        if task is not None:
            flows.setdefault(row.uuid, []).append(task)
    begun = (sorted(tasks, key=_begin) for tasks in flows.values())
    return [task for tasks in sorted(begun, key=lambda tasks: _begin(tasks[0])) for task in tasks]


def _task(name: str, state: str | None, meta: dict[str, Any]) -> Task | None:
    """Build a task from its row, None for one that has not begun."""
    steps = ((meta.get("progress_details") or {}).get("details") or {}).get("progress_details")
    if not steps:
        return None
    lines = tuple(
        Step(timestamp=str(step["timestamp"]), progress=str(step["progress"]), message=str(step["message"]))
        for step in steps
    )
    return Task(name=name, state=state or "PENDING", progress=float(meta.get("progress") or 0.0), steps=lines)


def _begin(task: Task) -> str:
    return task.steps[0].timestamp
