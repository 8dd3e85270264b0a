"""Why an instance could not be recovered: the closed list of causes, and what Nova and Placement brought as evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Why an instance was not brought to run elsewhere. The list is closed; docs/operate/causes.md has each of them."""

    NO_CAPACITY = "no_capacity"
    HOST_BOUND_DEVICE = "host_bound_device"
    LOCAL_DISK = "local_disk"
    IMAGE_OR_VOLUME = "image_or_volume"
    ENCRYPTED_VOLUME = "encrypted_volume"
    QUOTA = "quota"
    SCHEDULER_FILTER = "scheduler_filter"
    STATE_REFUSED = "state_refused"
    NOVA_ERROR = "nova_error"
    TIMEOUT = "timeout"
    FENCING_GAP = "fencing_gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The cause, what shows it, and what to do next. `is_asked` says that Nova was asked for the evidence, or could not be."""

    cause: Cause
    evidence: tuple[str, ...]
    next_step: str
    is_asked: bool = False

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        return f"cause {self.cause.value}: {'; '.join(self.evidence)}; next: {self.next_step}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Say it on lines of a terminal."""
        evidence = (f"evidence  {text}" for text in self.evidence)
        return (f"cause     {self.cause.value}", *evidence, f"next      {self.next_step}")

    @property
    def plain(self) -> dict[str, object]:
        """Return what JSON shows of it, in the API and on the terminal."""
        return {"cause": self.cause.value, "evidence": list(self.evidence), "next_step": self.next_step}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEvent:
    """One event of a server action. `result` is None while it goes on, `details` the message of what was raised."""

    name: str
    host: str | None = None
    result: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What Nova and Placement say of an instance that could not be moved.

    `fault` is what Nova holds against it, left out where it is older than the newest evacuation; `events` are those of that evacuation, oldest first.
    `extra_specs` are the flavor's. `needs` is what the flavor asks of any host, so much of each resource class; `room_on` names up to
    `MOST_NAMED` of `room_count` other hosts where Placement has that, None where it did not say.
    """

    vm_state: str
    task_state: str | None = None
    is_locked: bool = False
    zone: str = ""
    fault: str | None = None
    events: tuple[ActionEvent, ...] = ()
    flavor: str = ""
    extra_specs: tuple[tuple[str, str], ...] = ()
    needs: tuple[tuple[str, int], ...] = ()
    room_on: tuple[str, ...] | None = None
    room_count: int = 0


MOST_NAMED = 3
"""Hosts with room that are named: each name is a question to Placement."""
