"""What upstream's engine did about a notification before the database became ours, from the tables of its task flow.

They are there where an engine of upstream's ran on this database, and only ever read. A flow is one attempt, an atom of it one task,
and the task's steps stand in its `meta`. Tasks and attempts are told in the order in which they began, by the time of their first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Column, MetaData, String, Table, inspect, select

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

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


def tasks_of(connection: Connection, notification_uuid: str) -> list[Task]:
    """Return the tasks that have begun, none where upstream never ran on this database."""
    if not inspect(connection).has_table(atomdetails.name):
        return []
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
