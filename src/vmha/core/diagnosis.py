"""Classifies why an instance could not be moved, from what Nova and Placement brought as evidence.

Rules: what our own decision says counts first (a disk, a state, a suspect), then Nova's words about this very evacuation, then Placement's
answer; where nothing says more, it is an error of Nova's. Words are Nova's own, from nova/exception.py of release 34, and those of the
libraries below it (castellan, os-brick) as they stand in the last line of a traceback.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.causes import Cause, Diagnosis
from vmha.core.explain import Code
from vmha.core.model import MoveStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.core.causes import ActionEvent, Findings
    from vmha.core.explain import Reason
    from vmha.core.model import Move

LONGEST_WORDS = 240
"""Characters of Nova's own words that are kept as evidence."""

NO_HOST = re.compile(r"no valid host", re.IGNORECASE)

WORDS: tuple[tuple[Cause, re.Pattern[str]], ...] = tuple(
    (cause, re.compile(pattern, re.IGNORECASE))
    for cause, pattern in (
        (Cause.FENCING_GAP, r"compute service of \S+ is still in use"),
        (Cause.STATE_REFUSED, r"while (it|the instance) is in|instance \S+ is locked|not supported for vtpm"),
        (Cause.ENCRYPTED_VOLUME, r"key ?manager|barbican|castellan|passphrase|cryptsetup|luks|encryption (key|secret)"),
        (Cause.ENCRYPTED_VOLUME, r"secret (payload|could|was|not|for instance)|secretnotfound|forbidden: secret"),
        (Cause.QUOTA, r"quota exceeded|over ?quota|is over a? ?limit for"),
        (Cause.LOCAL_DISK, r"shared storage|no disk at"),
        (Cause.HOST_BOUND_DEVICE, r"numa topology|claim pci|pci (device|request|passthrough)|pcidevice"),
        (Cause.HOST_BOUND_DEVICE, r"vgpu|\bmdevs?\b|mediated device|accelerator requests?|page size"),
        (Cause.TIMEOUT, r"timed out (waiting for a reply|during operation)|timeout waiting for response from cell"),
        (
            Cause.IMAGE_OR_VOLUME,
            r"request to \S*(cinder|glance|:8776|:9292|/volumes?|/attachments?|/images?)\b\S* timed",
        ),
        (Cause.IMAGE_OR_VOLUME, r"image \S+ (could not be found|is not active)|not authorized for image|imagenot"),
        (Cause.IMAGE_OR_VOLUME, r"connection to (glance|cinder) host|\bvolume\b|volumenot|block device mapping"),
        (Cause.NO_CAPACITY, r"insufficient compute resources|not enough (free )?(memory|disk|resources)"),
        (Cause.TIMEOUT, r"timed out|timeout"),
    )
)
"""Read in this order: the narrower first. An encrypted volume is a volume too.

A timeout of Nova's own parts (message bus, cell, the lock of libvirt's guest) says nothing of the volume that was at hand. One of a request
to Cinder or Glance says that these do not answer, and what names a volume beside a timeout is about the volume; any other is a timeout.
"""

BOUND = re.compile(
    r"pci_passthrough:alias|accel:device_profile|resources\d*:(VGPU|PCPU|PGPU|CUSTOM_\w+)|hw:(numa_nodes|pmem)"
)
"""Keys of a flavor's extra specs that bind its instances to what a host has, whatever their value."""

BOUND_VALUES = {"hw:cpu_policy": ("dedicated", "mixed"), "hw:mem_page_size": ("large", "2048", "1048576", "2MB", "1GB")}
"""Keys that do so with these values."""

NO_SPARE = "add a reserved host, or take the failed one off maintenance, and report it again; or evacuate it by hand"
"""What to do next where the method allows reserved hosts only, and none is left."""

NO_TPM = "Nova does not evacuate what has a virtual TPM: bring its host back, or build it anew elsewhere from its volume or a backup"
"""What to do next where Nova refuses for a virtual TPM, whatever state the instance is in."""

STATES = {
    "paused": "unpause it once its host is back, or reset its state (openstack server set --state active) and evacuate it by hand",
    "suspended": "resume it once its host is back, or reset its state (openstack server set --state active) and evacuate it by hand",
    "rescued": "unrescue it once its host is back, or reset its state (openstack server set --state active) and evacuate it by hand",
    "resized": "confirm or revert its resize, then evacuate it by hand",
}

NEXT = {
    Cause.NO_CAPACITY: "free or add room (enable a host, add a reserved host), then evacuate it by hand",
    Cause.HOST_BOUND_DEVICE: "evacuate it by hand to a host that has the same device or pinned CPUs free, or resize it to a flavor without",
    Cause.LOCAL_DISK: (
        "bring its host back and reject, or set [recovery] local_disk = rebuild (loses what was written since the image) or "
        "shared_storage = true (if the disks are shared)"
    ),
    Cause.IMAGE_OR_VOLUME: "make its image or volume available again (openstack image show, openstack volume show), then evacuate it by hand",
    Cause.ENCRYPTED_VOLUME: "let the service's user read the secret in the key manager, or have its owner evacuate or start it",
    Cause.QUOTA: "raise the quota of its project, then evacuate it by hand",
    Cause.SCHEDULER_FILTER: (
        "compare its zone, aggregate, traits, server group and image properties with those of the hosts that have room, and the "
        "scheduler's log for the request; then evacuate it by hand"
    ),
    Cause.STATE_REFUSED: "reset its state (openstack server set --state active) and evacuate it by hand",
    Cause.NOVA_ERROR: "read the log of nova-compute where it failed, mend that, then evacuate it by hand",
    Cause.TIMEOUT: "look at nova-compute of the destination; where its guest does not run, restart that service and evacuate it by hand",
    Cause.FENCING_GAP: "make sure that the host named is off: mend its BMC, power it off and report it, or look there for the guest",
}
"""What to do next by cause; a state has a step of its own in `STATES`."""


def classify(move: Move, findings: Findings | None, *, move_seconds: float) -> Diagnosis:
    """Give the cause for a move that failed, stalled or is held. `findings` is None where Nova was not asked, or said nothing."""
    if findings is not None and not move.attempts:
        findings = replace(findings, fault=None, events=())  # of an evacuation that was not ours
    if move.status is MoveStatus.HELD:
        return diagnosed(
            Cause.LOCAL_DISK,
            "its root disk comes from an image, or its flavor adds a local disk, and storage is not shared",
        )
    if move.status is MoveStatus.STALLED or _is_left_in_doubt(move):
        return _of_stalled(move, findings, move_seconds)
    if move.reason is not None and move.reason.code is Code.ASK:
        return _of_state(move, findings)
    said = _words(findings)
    answered = _answer(move.reason)
    cause = _by_words((*said, answered), findings) or _by_reason(move.reason, said, findings)
    quoted = (f"Nova: {said[0][:LONGEST_WORDS]}" if said else answered[:LONGEST_WORDS],)
    if cause is Cause.STATE_REFUSED:
        found = _of_state(move, findings, *quoted)
        return replace(found, next_step=NO_TPM) if any("vtpm" in text.lower() for text in (*said, answered)) else found
    found = diagnosed(cause, *quoted, *_failed_events(findings), *_shown(cause, move, findings))
    return replace(found, next_step=NO_SPARE) if _lacks_reserved(move.reason) else found


def _is_left_in_doubt(move: Move) -> bool:
    return move.reason is not None and move.reason.code is Code.LEFT_IN_DOUBT


def diagnosed(cause: Cause, *evidence: str) -> Diagnosis:
    """Build a diagnosis with the next step of its cause."""
    kept = tuple(dict.fromkeys(text for text in evidence if text))
    return Diagnosis(cause=cause, evidence=kept or ("nothing more is known",), next_step=NEXT[cause])


def _of_stalled(move: Move, findings: Findings | None, move_seconds: float) -> Diagnosis:
    """Tell an order of ours that Nova does not end from a guest that may be where somebody else's record left it."""
    ours = {move.destination, move.target}
    is_over = (
        _is_left_in_doubt(move) and move.pinned is not None
    )  # it failed there, and would have been ordered there again
    if move.attempts and set(move.suspects) <= ours and not is_over:
        running = [
            f"{event.name} on {event.host or 'an unnamed host'} has not ended"
            for event in _events(findings)
            if event.result is None
        ]
        late = f"Nova took its evacuation to {move.destination or 'a host not named'} and did not end it within {move_seconds:.0f} s"
        unheard = "it was ordered to be evacuated, and Nova has no record of that; it may have begun all the same"
        return diagnosed(
            Cause.TIMEOUT, unheard if move.migration is None else late, *running, *_failed_events(findings)
        )
    return diagnosed(
        Cause.FENCING_GAP,
        f"a guest of it may be on {', '.join(move.suspects) or 'a host not named'}, which is not proven off",
    )


def _of_state(move: Move, findings: Findings | None, *said: str) -> Diagnosis:
    state = findings.vm_state if findings is not None else move.vm_state
    shown = [f"vm_state {state}"]
    if findings is not None and findings.task_state:
        shown.append(f"task_state {findings.task_state}")
    if findings is not None and findings.is_locked:
        shown.append("locked by its owner or an administrator")
    found = diagnosed(Cause.STATE_REFUSED, *said, *shown)
    return replace(found, next_step=STATES.get(state, found.next_step))


def _by_words(said: tuple[str, ...], findings: Findings | None) -> Cause | None:
    """Find the cause that Nova's own words name, in the order of the table."""
    text = "\n".join(said)
    for cause, pattern in WORDS:
        if pattern.search(text):
            return cause
    return _without_host(said, findings) if NO_HOST.search(text) else None


def _without_host(said: tuple[str, ...], findings: Findings | None) -> Cause:
    """Nova's scheduler found no host: was there no room, or did a filter take the hosts that have it?

    Nova itself says "There are not enough hosts available" only where Placement had candidates and the filters left none.
    """
    if findings is None or findings.room_on is None:
        return Cause.SCHEDULER_FILTER if "not enough hosts available" in "\n".join(said) else Cause.NO_CAPACITY
    if not findings.room_on:
        return Cause.NO_CAPACITY
    return Cause.HOST_BOUND_DEVICE if bound_by(findings.extra_specs) else Cause.SCHEDULER_FILTER


def bound_by(extra_specs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Name the extra specs that bind an instance to a device or to pinned parts of a host."""
    return tuple(
        f"{key}={value}" for key, value in extra_specs if BOUND.fullmatch(key) or value in BOUND_VALUES.get(key, ())
    )


def shares_no_cpus(extra_specs: Mapping[str, str]) -> bool:
    """Tell whether an instance of the flavor asks for CPUs of its own instead of a share of those that all share."""
    return extra_specs.get("hw:cpu_policy") in BOUND_VALUES["hw:cpu_policy"]


def _words(findings: Findings | None) -> tuple[str, ...]:
    """Collect what Nova holds of this evacuation: the fault, and what its events ended with."""
    if findings is None:
        return ()
    said = (findings.fault, *(event.details for event in findings.events))
    return tuple(dict.fromkeys(text.strip() for text in said if text and text.strip()))


def _answer(reason: Reason | None) -> str:
    """Return what our own sentence quotes: Nova's answer to the order, or how its record ended."""
    return dict(reason.facts).get("detail", "") if reason is not None else ""


def _lacks_reserved(reason: Reason | None) -> bool:
    return reason is not None and reason.code is Code.NO_RESERVED


def _by_reason(reason: Reason | None, said: tuple[str, ...], findings: Findings | None) -> Cause:
    """Find the cause where Nova's words name none."""
    if _lacks_reserved(reason):
        return Cause.NO_CAPACITY
    is_nowhere = reason is not None and reason.code is Code.NO_CAPACITY
    return _without_host(said, findings) if is_nowhere else Cause.NOVA_ERROR


def _events(findings: Findings | None) -> tuple[ActionEvent, ...]:
    return findings.events if findings is not None else ()


def _failed_events(findings: Findings | None) -> tuple[str, ...]:
    return tuple(
        f"{event.name} on {event.host or 'an unnamed host'} ended {event.result}"
        for event in _events(findings)
        if event.result not in (None, "Success")
    )


def _shown(cause: Cause, move: Move, findings: Findings | None) -> tuple[str, ...]:
    """Say what of the flavor and of Placement's answer bears on the cause."""
    if _lacks_reserved(move.reason):
        return ("no reserved host with room for it is left in the segment",)
    if findings is None or cause not in (Cause.NO_CAPACITY, Cause.SCHEDULER_FILTER, Cause.HOST_BOUND_DEVICE):
        return ()
    needs = ", ".join(f"{name} {amount}" for name, amount in findings.needs)
    zone = f"it was in zone {findings.zone}" if findings.zone and cause is Cause.SCHEDULER_FILTER else ""
    bound = ", ".join(bound_by(findings.extra_specs))
    asks = f"flavor {findings.flavor} needs {needs}" + (f" and {bound}" if bound else "")
    return (asks, room_words(findings), zone)


def room_words(findings: Findings) -> str:
    """Say what Placement answered."""
    if findings.room_on is None:
        return "Placement did not say where there is room"
    if not findings.room_on:
        return "Placement has room for that on no host that it may go to"
    more = findings.room_count - len(findings.room_on)
    named = ", ".join(findings.room_on) + (f" and {more} more" if more > 0 else "")
    return f"Placement has room for that on {named}"
