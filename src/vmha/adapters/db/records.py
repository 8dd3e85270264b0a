"""What clients of upstream's tables see of a recovery: the notification's status and message, the vmoves, the host's flags."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vmha.core.model import MoveStatus, Outcome, Phase, Recovery, ReservedStatus

if TYPE_CHECKING:
    from vmha.core.incidents import Incident
    from vmha.core.model import Move

OUTCOMES = {
    Outcome.RECOVERED: "finished",
    Outcome.NOTHING_TO_MOVE: "finished",
    Outcome.FAILED: "failed",
    Outcome.FENCED: "finished",
    Outcome.REPORTED: "ignored",
    Outcome.REJECTED: "ignored",
    Outcome.FALSE_ALARM: "ignored",
    Outcome.RESTARTED: "finished",
    Outcome.LEFT_ALONE: "ignored",
    Outcome.DISABLED: "finished",
    Outcome.ENABLED: "finished",
    Outcome.SKIPPED: "finished",
    Outcome.ABSORBED: "finished",
}

VMOVES = {
    MoveStatus.PENDING: "pending",
    MoveStatus.HELD: "pending",
    MoveStatus.ORDERED: "ongoing",
    MoveStatus.UNANSWERED: "ongoing",
    MoveStatus.ACCEPTED: "ongoing",
    MoveStatus.LANDED: "ongoing",
    MoveStatus.STALLED: "ongoing",
    MoveStatus.MOVED: "succeeded",
    MoveStatus.FAILED: "failed",
    MoveStatus.SKIPPED: "ignored",
    MoveStatus.GONE: "ignored",
}


def notification_status(recovery: Incident) -> str:
    """Return upstream's word for where the recovery stands."""
    return "running" if recovery.outcome is None else OUTCOMES[recovery.outcome]


def is_on_maintenance(recovery: Incident) -> bool:
    """Tell whether the host is to be marked: from its first proof on. Upstream does it at the start, and for processes too."""
    return isinstance(recovery, Recovery) and recovery.fence.proofs > 0


def spent_reserves(recovery: Incident) -> tuple[str, ...]:
    """Name the reserved hosts that are reserved no longer."""
    if not isinstance(recovery, Recovery):
        return ()
    return tuple(entry.host for entry in recovery.reserved if entry.status is ReservedStatus.READY)


def vmove(recovery: Recovery, move: Move) -> dict[str, Any]:
    """Return the columns of upstream's vmove; times are naive UTC."""
    given_up = recovery.phase is Phase.ENDED and not move.status.is_final
    reason = recovery.reason if given_up else move.reason
    shown = reason is not None and move.status is not MoveStatus.MOVED
    return {
        "instance_uuid": move.instance,
        "instance_name": move.name,
        "source_host": recovery.host,
        "dest_host": move.destination,
        "start_time": moment(move.started_at),
        "end_time": moment(move.ended_at),
        "type": "evacuation",
        "status": "failed" if given_up else VMOVES[move.status],
        "message": reason.sentence if shown and reason is not None else None,
    }


def moment(seconds: float | None) -> datetime | None:
    """Turn seconds since the epoch into the naive UTC of upstream's columns."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
