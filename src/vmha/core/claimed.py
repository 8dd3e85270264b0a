"""A reserved host that a recovery claimed, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vmha.core.aggregates import Membership


class ReservedStatus(Enum):
    """Where a claimed reserved host stands."""

    ENABLING = "enabling"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reserved host claimed for this recovery.

    `room` is what it had free then, by resource class; empty where that was not asked. `returns` counts orders to give it back, and
    `is_kept` says that it cannot go back now. Since `doubted_at` nobody knows whether the order to enable it, or to give it back, took
    effect: its answer got lost, or went to an engine that is no more. `joins` are the aggregates that it is to be added to, or that we
    added it to.
    """

    host: str
    status: ReservedStatus
    room: tuple[tuple[str, int], ...] = ()
    returns: int = 0
    is_kept: bool = False
    doubted_at: float | None = None
    joins: tuple[Membership, ...] = ()
