"""A recovery's timeline as upstream's task flow."""

from __future__ import annotations

from typing import Any

import pytest

from vmha.adapters.db.recovery_views import RecoveryView, TimelineLine
from vmha.api.progress import workflow_details
from vmha.core.explain import Code
from vmha.core.model import Outcome, Phase

FACTS = {"host": "c1", "process": "nova-compute", "instance": "i1", "state": "paused"}
PREPARED = (Code.OPENED, Code.WITNESS_DOWN, Code.FENCED, Code.FORCED_DOWN)
PLANNED = (*PREPARED, Code.PLANNED)
MOVED = (*PLANNED, Code.EVACUATION_ORDERED, Code.MOVED, Code.RECOVERED)


def details(codes: tuple[Code, ...], outcome: Outcome | None = None, kind: str = "host") -> list[dict[str, Any]]:
    """Return the workflow details of a recovery with these lines."""
    recovery = RecoveryView(
        uuid="r",
        kind=kind,
        subject=None,
        host_name="c1",
        host_uuid="h",
        segment_uuid="s",
        method="auto",
        phase=Phase.MOVING if outcome is None else Phase.ENDED,
        outcome=outcome,
        message="",
        opened_at=0.0,
        ended_at=None,
    )
    lines = [
        TimelineLine(at=float(second), engine="e", code=code.name, facts=FACTS, sentence=code.name)
        for second, code in enumerate(codes)
    ]
    return workflow_details(recovery, lines)


@pytest.mark.parametrize(
    ("codes", "outcome", "states"),
    [
        ((), None, []),
        (PREPARED[:1], None, ["RUNNING"]),
        (PREPARED, None, ["SUCCESS"]),
        (PLANNED, None, ["SUCCESS", "SUCCESS"]),
        (MOVED[:-2], None, ["SUCCESS", "SUCCESS", "RUNNING"]),
        (MOVED, Outcome.RECOVERED, ["SUCCESS", "SUCCESS", "SUCCESS"]),
        ((*PREPARED, Code.NOTHING_TO_MOVE), Outcome.NOTHING_TO_MOVE, ["SUCCESS", "SUCCESS"]),
        ((*MOVED[:-1], Code.ENDED_FAILED), Outcome.FAILED, ["SUCCESS", "SUCCESS", "FAILURE"]),
        ((Code.OPENED, Code.NO_DEVICE, Code.REJECTED), Outcome.REJECTED, ["FAILURE"]),
    ],
)
def test_tasks_follow_the_recovery(codes: tuple[Code, ...], outcome: Outcome | None, states: list[str]) -> None:
    """Only tasks that have begun are listed; those before the last are done, the last one shares the recovery's fate."""
    names = ["DisableComputeServiceTask", "PrepareHAEnabledInstancesTask", "EvacuateInstancesTask"]
    shown = details(codes, outcome)
    assert [task["state"] for task in shown] == states
    assert [task["name"] for task in shown] == names[: len(states)]


def test_a_task_has_upstreams_shape() -> None:
    """Progress of a task is a number, that of its steps a text; a task that is done ends at 1.0."""
    first = details(PREPARED)[0]
    assert first == {
        "name": "DisableComputeServiceTask",
        "progress": 1.0,
        "progress_details": [
            {"timestamp": "1970-01-01 00:00:00.000000", "progress": "0.0", "message": "OPENED"},
            {"timestamp": "1970-01-01 00:00:01.000000", "progress": "0.33", "message": "WITNESS_DOWN"},
            {"timestamp": "1970-01-01 00:00:02.000000", "progress": "0.67", "message": "FENCED"},
            {"timestamp": "1970-01-01 00:00:03.000000", "progress": "1.0", "message": "FORCED_DOWN"},
        ],
        "state": "SUCCESS",
    }


def test_progress_of_a_running_task_stays_below_one() -> None:
    """A task that goes on never shows 1.0."""
    assert details(MOVED[:-2])[-1]["progress"] < 1.0
    assert details(PREPARED[:3])[0]["progress"] < 1.0


def told(codes: tuple[Code, ...], outcome: Outcome | None, kind: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the tasks of a smaller incident as (name, state, [(progress, message)])."""
    return [
        (task["name"], task["state"], [(step["progress"], step["message"]) for step in task["progress_details"]])
        for task in details(codes, outcome, kind)
    ]


def test_a_disabled_service_is_told_in_upstreams_words() -> None:
    """Upstream's two tasks with its messages, and lines that it has no words for in our own."""
    codes = (Code.PROCESS_STOPPED, Code.DISABLE_ORDERED, Code.SERVICE_CHANGED, Code.SERVICE_DISABLED)
    disable = [
        ("0.0", "Disabling compute service on host: 'c1'"),
        ("0.0", "DISABLE_ORDERED"),
        ("0.0", "SERVICE_CHANGED"),
        ("1.0", "Disabled compute service on host: 'c1'"),
    ]
    confirm = [
        ("0.0", "Confirming compute service is disabled on host: 'c1'"),
        ("1.0", "Confirmed compute service is disabled on host: 'c1'"),
    ]
    assert told(codes, Outcome.DISABLED, "process") == [
        ("DisableComputeNodeTask", "SUCCESS", disable),
        ("ConfirmComputeNodeDisabledTask", "SUCCESS", confirm),
    ]
    assert told(codes[:2], None, "process") == [("DisableComputeNodeTask", "RUNNING", disable[:2])]


def test_other_ends_of_a_process_are_told_too() -> None:
    """What was skipped succeeded, what Nova refused failed, and to enable is a task made like upstream's."""
    skipped = told((Code.PROCESS_STOPPED, Code.ALREADY_DISABLED), Outcome.SKIPPED, "process")
    words = "Skipping recovery for process nova-compute as it is already disabled"
    assert skipped == [("DisableComputeNodeTask", "SUCCESS", [("0.0", skipped[0][2][0][1]), ("1.0", words)])]
    failed = told((Code.PROCESS_STOPPED, Code.NOT_DISABLED), Outcome.FAILED, "process")
    assert [(name, state) for name, state, _ in failed] == [
        ("DisableComputeNodeTask", "SUCCESS"),
        ("ConfirmComputeNodeDisabledTask", "FAILURE"),
    ]
    assert failed[1][2] == [("1.0", "Failed to disable service nova-compute")]
    enabled = told((Code.PROCESS_STARTED, Code.ENABLE_ORDERED, Code.SERVICE_ENABLED), Outcome.ENABLED, "process")
    assert [(name, state, steps[-1]) for name, state, steps in enabled] == [
        ("EnableComputeNodeTask", "SUCCESS", ("1.0", "Enabled compute service on host: 'c1'"))
    ]


def test_a_restart_is_told_in_upstreams_words() -> None:
    """Upstream's three tasks with its messages."""
    codes = (
        Code.INSTANCE_FAILED,
        Code.STOP_ORDERED,
        Code.STOP_TAKEN,
        Code.GUEST_STOPPED,
        Code.START_ORDERED,
        Code.START_TAKEN,
        Code.RESTARTED,
    )
    stop = [
        ("0.0", "Stopping instance: i1"),
        ("0.0", "STOP_ORDERED"),
        ("0.0", "STOP_TAKEN"),
        ("1.0", "Stopped instance: 'i1'"),
    ]
    confirm = [
        ("0.0", "Confirming instance 'i1' vm_state is ACTIVE"),
        ("1.0", "Confirmed instance 'i1' vm_state is ACTIVE"),
    ]
    assert told(codes, Outcome.RESTARTED, "instance") == [
        ("StopInstanceTask", "SUCCESS", stop),
        ("StartInstanceTask", "SUCCESS", [("0.0", "Starting instance: 'i1'"), ("1.0", "Instance started: 'i1'")]),
        ("ConfirmInstanceActiveTask", "SUCCESS", confirm),
    ]
    assert told(codes[:5], None, "instance")[-1] == (
        "StartInstanceTask",
        "RUNNING",
        [("0.0", "Starting instance: 'i1'")],
    )


@pytest.mark.parametrize(
    ("codes", "outcome", "task", "state", "message"),
    [
        (
            (Code.INSTANCE_NOT_TAGGED,),
            Outcome.SKIPPED,
            0,
            "SUCCESS",
            "Skipping recovery for instance: i1 as it is not Ha_Enabled",
        ),
        (
            (Code.INSTANCE_LEFT,),
            Outcome.LEFT_ALONE,
            0,
            "SUCCESS",
            "Recovery of instance 'i1' is ignored as it is in 'paused' state.",
        ),
        ((Code.NOT_STOPPED,), Outcome.FAILED, 0, "FAILURE", "Failed to stop instance i1"),
        (
            (Code.START_ORDERED, Code.START_TAKEN, Code.NOT_STARTED),
            Outcome.FAILED,
            2,
            "FAILURE",
            "Failed to start instance i1",
        ),
        ((Code.RESTART_LIMIT,), Outcome.FAILED, 0, "FAILURE", "RESTART_LIMIT"),
    ],
)
def test_other_ends_of_an_instance_are_told_too(
    codes: tuple[Code, ...], outcome: Outcome, task: int, state: str, message: str
) -> None:
    """The last message of the last task says how it ended, in upstream's words where it has any."""
    tasks = ("StopInstanceTask", "StartInstanceTask", "ConfirmInstanceActiveTask")
    name, found, steps = told((Code.INSTANCE_FAILED, *codes), outcome, "instance")[-1]
    assert (name, found, steps[-1][1]) == (tasks[task], state, message)
