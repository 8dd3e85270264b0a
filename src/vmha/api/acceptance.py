"""What becomes of a notification that was accepted: a recovery, or an end at once with the reason.

None is ever stored as `new`: an engine of upstream's on the same database would evacuate for it without a fence.
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


def judge(type: str, payload: Mapping[str, str], *, segment_enabled: bool) -> Verdict:
    """Say what becomes of a notification; host_status UNKNOWN is recovered too, since power is read and not believed."""
    if not segment_enabled:
        return DISABLED
    if type != "COMPUTE_HOST":
        return Verdict("ignored", f"This version recovers whole hosts only; nothing is done for type {type}.")
    status = payload.get("host_status")
    if status is None:
        return NO_HOST_STATUS
    if payload["event"] == "STOPPED":
        return RECOVER
    return STARTED if status == "NORMAL" else STARTED_UNKNOWN
