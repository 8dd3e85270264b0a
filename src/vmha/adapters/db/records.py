"""What clients of upstream's tables see of a recovery: the notification's status and message, the vmoves, the host's flags."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vmha.core.model import MoveStatus, Outcome, Phase, Recovery, ReservedStatus

if TYPE_CHECKING:
    from vmha.core.aggregates import Membership
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
    """Name the reserved hosts that are reserved no longer, or may be enabled: a reserve is one that is not."""
    if not isinstance(recovery, Recovery):
        return ()
    cut_off = recovery.phase is Phase.ENDED
    return tuple(
        entry.host
        for entry in recovery.reserved
        if entry.status is ReservedStatus.READY
        or entry.doubted_at is not None
        or (entry.status is ReservedStatus.ENABLING and cut_off)
    )


def joined(recovery: Recovery) -> tuple[tuple[str, tuple[Membership, ...]], ...]:
    """Name by reserved host the aggregates that it was added to, or may have been."""
    return tuple((entry.host, entry.joins) for entry in recovery.reserved if entry.joins)


def vmove(recovery: Recovery, move: Move) -> dict[str, Any]:
    """Return the columns of upstream's vmove; times are naive UTC."""
    given_up = recovery.phase is Phase.ENDED and not move.status.is_final
    words = _given_up(recovery, move) if given_up else move.words
    return {
        "instance_uuid": move.instance,
        "instance_name": move.name,
        "source_host": recovery.host,
        "dest_host": move.destination,
        "start_time": moment(move.started_at),
        "end_time": moment(move.ended_at),
        "type": "evacuation",
        "status": "failed" if given_up else VMOVES[move.status],
        "message": words if move.status is not MoveStatus.MOVED else None,
    }


def _given_up(recovery: Recovery, move: Move) -> str:
    """Say why a move was not seen through, with the cause where it had stood still before."""
    return "; ".join(filter(None, (recovery.reason.sentence, move.diagnosis.sentence if move.diagnosis else None)))


def moment(seconds: float | None) -> datetime | None:
    """Turn seconds since the epoch into the naive UTC of upstream's columns."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
