"""`recovery_workflow_details`: a recovery's timeline in the shape of upstream's task flow.

Upstream's three tasks of a host recovery are kept by name. The first ends when Nova holds the host for down (with us after
its fence), the second when it is known what runs there, the third with the recovery. A task that has not begun is not
listed. Smaller incidents are told in `steps.py`. What upstream's own engine did before is shown as it wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmha.api.steps import steps
from vmha.core.explain import Code
from vmha.core.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmha.adapters.db.recovery_views import RecoveryView, TimelineLine
    from vmha.adapters.db.upstream_flows import Task
    from vmha.api.call import JsonObject
    from vmha.api.steps import Step

_TASKS: tuple[tuple[str, frozenset[str]], ...] = (
    ("DisableComputeServiceTask", frozenset({Code.FORCED_DOWN.name})),
    ("PrepareHAEnabledInstancesTask", frozenset({Code.PLANNED.name, Code.NOTHING_TO_MOVE.name})),
    ("EvacuateInstancesTask", frozenset()),
)
"""Each task with the codes of the timeline that end it."""

_AFTERWARDS = frozenset(code.name for code in Code if code.name.startswith(("RETURN", "SPARE_")))
"""Lines of a host's way back, which is no part of the recovery."""

_BAD = (Outcome.FAILED, Outcome.REJECTED, Outcome.FALSE_ALARM)


@dataclass(slots=True)
class _Task:
    """A task that has begun, while the lines of the timeline are dealt out."""

    name: str
    ends: frozenset[str]
    lines: list[TimelineLine]
    ended: bool = False


def workflow_details(recovery: RecoveryView, timeline: Sequence[TimelineLine]) -> list[JsonObject]:
    """Show the tasks that have begun, each with its part of the timeline."""
    if recovery.kind != "host":
        return _small(recovery, list(steps(timeline)))
    return [_shown(task.name, task.lines, "SUCCESS" if task.ended else _state(recovery)) for task in _split(timeline)]


def _small(recovery: RecoveryView, told: Sequence[Step]) -> list[JsonObject]:
    """Show the tasks of an instance's or a process's incident; each but the last one has ended well."""
    names = list(dict.fromkeys(step.task for step in told))
    return [
        {
            "name": name,
            "progress": float([step.progress for step in told if step.task == name][-1]),
            "progress_details": [
                {"timestamp": _timestamp(step.line.at), "progress": step.progress, "message": step.message}
                for step in told
                if step.task == name
            ],
            "state": _state(recovery) if name == names[-1] else "SUCCESS",
        }
        for name in names
    ]


def upstream_task(task: Task) -> JsonObject:
    """Show a task that upstream's engine ran."""
    steps = [{"timestamp": step.timestamp, "progress": step.progress, "message": step.message} for step in task.steps]
    return {"name": task.name, "progress": task.progress, "progress_details": steps, "state": task.state}


def _split(timeline: Sequence[TimelineLine]) -> list[_Task]:
    """Give each line to the task that is under way; the line after the end of one begins the next."""
    tasks = iter(_TASKS)
    begun: list[_Task] = []
    for line in timeline:
        if line.code in _AFTERWARDS:
            continue
        if not begun or begun[-1].ended:
            begun.append(_Task(*next(tasks), lines=[]))
        begun[-1].lines.append(line)
        begun[-1].ended = line.code in begun[-1].ends
    return begun


def _state(recovery: RecoveryView) -> str:
    if recovery.outcome is None:
        return "RUNNING"
    return "FAILURE" if recovery.outcome in _BAD else "SUCCESS"


def _shown(name: str, lines: Sequence[TimelineLine], state: str) -> JsonObject:
    steps = [
        {"timestamp": _timestamp(line.at), "progress": str(done), "message": line.sentence}
        for line, done in zip(lines, _fractions(len(lines), ended=state != "RUNNING"), strict=True)
    ]
    return {
        "name": name,
        "progress": float(steps[-1]["progress"]),
        "progress_details": steps,
        "state": state,
    }


def _fractions(count: int, *, ended: bool) -> list[float]:
    """Spread progress over the lines: from 0.0, to 1.0 when the task has ended and to less while it goes on."""
    whole = max(count - 1, 1) if ended else count
    rising = [round(number / whole, 2) for number in range(count)]
    return [1.0] if ended and count == 1 else rising


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
