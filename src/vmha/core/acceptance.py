"""What becomes of a notification: a recovery, or an end at once with the reason.

None is ever stored as `new`: an engine of upstream's on the same database would evacuate for it without a fence. One that upstream's
engine left unfinished, whatever its status, is judged like a report that arrives now, but for three things: it may be too old to be a
witness of anything, its host may be gone, and upstream has marked the host that it began to recover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status to store, and why; `opens_recovery` says that a recovery takes it from there."""

    status: str
    message: str | None
    opens_recovery: bool = False


RECOVER: Final = Verdict("running", None, opens_recovery=True)
# Upstream's literal text, which operators search for.
DISABLED: Final = Verdict("ignored", "Recovery aboart: the segment HA is disabled.")
NO_HOST_STATUS: Final = Verdict(
    "ignored", "The payload has no host_status, so it says nothing about the power of the host."
)
STARTED: Final = Verdict("finished", "The host was reported started: nothing is to be done.")
STARTED_UNKNOWN: Final = Verdict(
    "ignored", "The host was reported started with host_status UNKNOWN: nothing is to be done."
)
ON_MAINTENANCE: Final = Verdict(
    "ignored",
    "Nothing was done for this failure, since the host is on maintenance. If the maintenance is over, set on_maintenance to False: "
    "the failure is taken when it is reported again.",
)
"""Of the failure of a host on maintenance, which the API refuses. It is stored all the same, so that an operator sees it."""

LEFT = "Upstream's engine left this notification unfinished"
TOO_OLD: Final = Verdict(
    "failed",
    f"{LEFT}, and it is too old to say anything about its host now. Look at the host; if it is down, end its maintenance and "
    "report it again.",
)
NO_HOST: Final = Verdict("failed", f"{LEFT}, and its host is in no segment any more: nothing is done.")
LEFT_ON_MAINTENANCE: Final = Verdict(
    "ignored",
    f"{LEFT}, and its host is under maintenance now: nothing is done. If the host is down and nobody works on it, end its "
    "maintenance and report it again.",
)
UNRECOVERED: Final = (TOO_OLD, LEFT_ON_MAINTENANCE)
"""Of failures of hosts that are there and that nobody recovers: humans are told."""
UNREADABLE: Final = Verdict("failed", f"{LEFT}, and its payload cannot be read: nothing is done.")

LEFT_SECONDS: Final = 3600.0
"""How old a leftover may be to be taken for a report: an hour covers a swap and the longest recovery, and no night."""


def judge(type: str, payload: Mapping[str, str], *, segment_enabled: bool) -> Verdict:
    """Say what becomes of a notification; host_status UNKNOWN is recovered too, since power is read and not believed."""
    if not segment_enabled:
        return DISABLED
    if type != "COMPUTE_HOST":
        return Verdict("ignored", f"This version recovers whole hosts only; nothing is done for type {type}.")
    status = payload.get("host_status")
    if status is None:
        return NO_HOST_STATUS
    if payload.get("event") == "STOPPED":
        return RECOVER
    return STARTED if status == "NORMAL" else STARTED_UNKNOWN


def judge_leftover(
    type: str,
    payload: Mapping[str, str] | None,
    *,
    was_begun: bool,
    age_seconds: float,
    on_maintenance: bool,
    segment_enabled: bool | None,
) -> Verdict:
    """Say what becomes of a notification that upstream's engine left unfinished, `age_seconds` after it was stored.

    `was_begun`: the engine had begun it, and then it is upstream's own mark that keeps the host on maintenance. `payload` is None if it
    cannot be read, `segment_enabled` if the host is in no segment any more.
    """
    if segment_enabled is None:
        return NO_HOST
    if payload is None:
        return UNREADABLE
    verdict = judge(type, payload, segment_enabled=segment_enabled)
    if not verdict.opens_recovery:
        return verdict
    if age_seconds > LEFT_SECONDS:
        return TOO_OLD
    return LEFT_ON_MAINTENANCE if on_maintenance and not was_begun else verdict
