"""The steps of smaller incidents in the words of upstream's task flow: its tasks, its messages, its progress.

A line of the timeline that upstream has words for is told in these, once for each task that it ends or begins; any other is told in our
own, in the task that is under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmha.core.explain import Code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmha.adapters.db.recovery_views import TimelineLine


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a task; `line` is the line of the timeline that it tells."""

    task: str
    progress: str
    message: str
    line: TimelineLine


STOP: Final = "StopInstanceTask"
START: Final = "StartInstanceTask"
CONFIRM_ACTIVE: Final = "ConfirmInstanceActiveTask"
DISABLE: Final = "DisableComputeNodeTask"
CONFIRM_DISABLED: Final = "ConfirmComputeNodeDisabledTask"
# Upstream enables nothing; the name is made like its others.
ENABLE: Final = "EnableComputeNodeTask"

WORDS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    Code.INSTANCE_FAILED.name: ((STOP, "0.0", "Stopping instance: {instance}"),),
    Code.INSTANCE_NOT_TAGGED.name: (
        (STOP, "1.0", "Skipping recovery for instance: {instance} as it is not Ha_Enabled"),
    ),
    Code.INSTANCE_LEFT.name: (
        (STOP, "1.0", "Recovery of instance '{instance}' is ignored as it is in '{state}' state."),
    ),
    Code.GUEST_STOPPED.name: ((STOP, "1.0", "Stopped instance: '{instance}'"),),
    Code.NOT_STOPPED.name: ((STOP, "1.0", "Failed to stop instance {instance}"),),
    Code.START_ORDERED.name: ((START, "0.0", "Starting instance: '{instance}'"),),
    Code.START_TAKEN.name: (
        (START, "1.0", "Instance started: '{instance}'"),
        (CONFIRM_ACTIVE, "0.0", "Confirming instance '{instance}' vm_state is ACTIVE"),
    ),
    Code.RESTARTED.name: ((CONFIRM_ACTIVE, "1.0", "Confirmed instance '{instance}' vm_state is ACTIVE"),),
    Code.NOT_STARTED.name: ((CONFIRM_ACTIVE, "1.0", "Failed to start instance {instance}"),),
    Code.PROCESS_STOPPED.name: ((DISABLE, "0.0", "Disabling compute service on host: '{host}'"),),
    Code.ALREADY_DISABLED.name: (
        (DISABLE, "1.0", "Skipping recovery for process {process} as it is already disabled"),
    ),
    Code.SERVICE_DISABLED.name: (
        (DISABLE, "1.0", "Disabled compute service on host: '{host}'"),
        (CONFIRM_DISABLED, "0.0", "Confirming compute service is disabled on host: '{host}'"),
        (CONFIRM_DISABLED, "1.0", "Confirmed compute service is disabled on host: '{host}'"),
    ),
    Code.NOT_DISABLED.name: ((CONFIRM_DISABLED, "1.0", "Failed to disable service nova-compute"),),
    Code.PROCESS_STARTED.name: ((ENABLE, "0.0", "Enabling compute service on host: '{host}'"),),
    Code.SERVICE_ENABLED.name: ((ENABLE, "1.0", "Enabled compute service on host: '{host}'"),),
}
"""By the code of a line: task, progress and message. Upstream's own, as far as it has any."""


def steps(timeline: Sequence[TimelineLine]) -> Iterator[Step]:
    """Tell each line."""
    task, progress = "", "0.0"
    for line in timeline:
        known = WORDS.get(line.code)
        if known is None and task:
            yield Step(task, progress, line.sentence, line)
        for task, progress, words in known or ():  # the last one stays under way
            yield Step(task, progress, words.format(**line.facts), line)
