"""What is done about a failure, by its kind and by its segment: what the operator wrote into recovery.yaml.

Rules: without a word of the operator everything is recovered. What has begun under another workflow is not stopped by a restart with this
one, but nothing is evacuated under `power_off`, whenever it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from vmha.core.explain import Code, because

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.explain import Reason
    from vmha.core.model import Recovery, Surroundings
    from vmha.core.policy import Policy


class Workflow(Enum):
    """What is done: all; the host is fenced and nothing evacuated; humans are told and nothing is done; all, once a human confirmed."""

    RECOVER = "recover"
    POWER_OFF = "power_off"
    REPORT = "report"
    CONFIRM = "confirm"


class Failure(Enum):
    """What failed."""

    HOST = "host"
    INSTANCE = "instance"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of recovery.yaml; `segment` None is every segment that has no line of its own."""

    segment: str | None
    failure: Failure
    workflow: Workflow

    def __str__(self) -> str:
        """Say it in a few words."""
        where = "all other segments" if self.segment is None else f"segment {self.segment}"
        return f"{self.failure.value} in {where}: {self.workflow.value}"


@dataclass(frozen=True, slots=True)
class Workflows:
    """All that the operator chose."""

    choices: tuple[Choice, ...] = ()

    def of(self, failure: Failure, segment: str) -> Workflow:
        """Return what is done about a failure in a segment, by its name."""
        mine = {each.segment: each.workflow for each in self.choices if each.failure is failure}
        return mine.get(segment) or mine.get(None) or Workflow.RECOVER

    def strangers(self, segments: Iterable[str]) -> tuple[str, ...]:
        """Name the segments that have lines of their own and are not among these."""
        named = {each.segment for each in self.choices if each.segment is not None}
        return tuple(sorted(named - set(segments)))


def workflow(failure: Failure, around: Surroundings, policy: Policy) -> Workflow:
    """Return what is done about this failure."""
    return policy.workflows.of(failure, around.segment_name)


def confirm_wanted(state: Recovery, around: Surroundings, policy: Policy) -> Reason | None:
    """Say that a human has to confirm before anything is done about the host; None where not, or where it has begun."""
    is_begun = state.word is not None or state.fence.orders > 0 or state.fence.proofs > 0
    if is_begun or workflow(Failure.HOST, around, policy) is not Workflow.CONFIRM:
        return None
    return because(Code.CONFIRM_WANTED, host=state.host, segment=around.segment_name)


def is_only_reported(state: Recovery, around: Surroundings, policy: Policy) -> bool:
    """Tell whether nothing is to be done about the host, and nothing was."""
    is_begun = state.fence.orders > 0 or state.fence.proofs > 0
    return not is_begun and workflow(Failure.HOST, around, policy) is Workflow.REPORT


def why_only_reported(what: str, failure: Failure, around: Surroundings) -> Reason:
    """Say that nothing is done about a failure."""
    return because(Code.ONLY_REPORTED, what=what, failure=failure.value, segment=around.segment_name)
