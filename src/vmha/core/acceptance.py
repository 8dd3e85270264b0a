"""What becomes of a notification: a recovery, or an end at once with the reason.

None is ever stored as `new`: an engine of upstream's on the same database would evacuate for it without a fence. One that upstream's
engine left unfinished, whatever its status, is judged like a report that arrives now, but for three things: it may be too old to be a
witness of anything, its host may be gone, and upstream has marked the host that it began to recover.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import hexdigits
from typing import TYPE_CHECKING, Final

from vmha.core.process_recovery import NOVA_COMPUTE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status to store, and why; `opens` names the kind of incident that takes it from there."""

    status: str
    message: str | None
    opens: str | None = None


RECOVER: Final = Verdict("running", None, opens="host")
INSTANCE: Final = Verdict("running", None, opens="instance")
PROCESS: Final = Verdict("running", None, opens="process")
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
LEFT_PROCESS: Final = Verdict(
    "ignored",
    f"{LEFT}. Whether the process runs now is for its monitor to say: nothing is done. Where upstream put the host on maintenance or "
    "disabled its compute service for it, undo that when the process runs.",
)
UNREADABLE: Final = Verdict("failed", f"{LEFT}, and its payload cannot be read: nothing is done.")

LEFT_SECONDS: Final = 3600.0
"""How old a leftover may be to be taken for a report: an hour covers a swap and the longest recovery, and no night."""


def judge(type: str, payload: Mapping[str, str], *, segment_enabled: bool) -> Verdict:
    """Say what becomes of a notification; host_status UNKNOWN is recovered too, since power is read and not believed."""
    if not segment_enabled:
        return DISABLED
    if type == "PROCESS":
        return _judge_process(payload.get("process_name", ""), payload.get("event", ""))
    if type == "VM":
        return _judge_instance(payload.get("event", ""), payload.get("vir_domain_event", ""))
    status = payload.get("host_status")
    if status is None:
        return NO_HOST_STATUS
    if payload.get("event") == "STOPPED":
        return RECOVER
    return STARTED if status == "NORMAL" else STARTED_UNKNOWN


FAILURES: Final = frozenset(
    {
        ("LIFECYCLE", "STOPPED_FAILED"),
        ("IO_ERROR", "IO_ERROR_REPORT"),
        ("QEMU_GUEST_AGENT_ERROR", "STOPPED_FAILED"),
    }
)
"""What libvirt, or the introspective monitor, says of a guest that failed; upstream's list."""


def _judge_instance(event: str, detail: str) -> Verdict:
    """Say what becomes of the event of an instance: every stop, reboot and deletion by its owner is one, too."""
    if (event.upper(), detail.upper()) in FAILURES:
        return INSTANCE
    return Verdict("ignored", f"The event {event} {detail} is no failure of the instance: nothing is to be done.")


def _judge_process(process: str, event: str) -> Verdict:
    """Say what becomes of the report of a process; upstream puts the host on maintenance for any that stopped, and then ends too."""
    if process == NOVA_COMPUTE:
        return PROCESS
    if event == "STARTED":
        return Verdict("finished", f"Process {process} was reported started: nothing is to be done.")
    return Verdict(
        "finished",
        f"Process {process} was reported stopped: nothing is done for it, and its host stays in service; restart it there.",
    )


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

    `was_begun`: the engine had begun it, and then it is upstream's own mark that keeps a failed host on maintenance. `payload` is None if it
    cannot be read, `segment_enabled` if the host is in no segment any more.
    """
    if segment_enabled is None:
        return NO_HOST
    if payload is None:
        return UNREADABLE
    verdict = judge(type, payload, segment_enabled=segment_enabled)
    if type == "PROCESS" and segment_enabled:
        return LEFT_PROCESS
    if verdict.opens is None:
        return verdict
    if verdict is INSTANCE and not _is_uuid(payload.get("instance_uuid", "")):
        return UNREADABLE
    if age_seconds > LEFT_SECONDS:
        return TOO_OLD
    is_upstreams = was_begun and verdict is RECOVER
    return LEFT_ON_MAINTENANCE if on_maintenance and not is_upstreams else verdict


def _is_uuid(text: str) -> bool:
    """Tell whether it is one, with dashes or without, as upstream's API takes both."""
    digits = text.replace("-", "").lower()
    return len(digits) == UUID_DIGITS and set(digits) <= set(hexdigits)


UUID_DIGITS: Final = 32
