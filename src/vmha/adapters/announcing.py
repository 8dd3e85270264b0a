"""Announcements: upstream's versioned notifications, in the shapes that its consumers know.

Rules:
1. They are sent when what they tell is stored, the start together with the end. A process that is killed in between sends none.
2. No token is in the context, and no password in what is sent: `mask_password` goes over texts that others wrote.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from oslo_utils import strutils

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vmha.ports import Announcement

API, ENGINE = "masakari-api", "masakari-engine"
SEGMENT = ("id", "uuid", "name", "service_type", "description", "recovery_method", "enabled")
HOST = ("id", "uuid", "name", "type", "reserved", "control_attributes", "on_maintenance")
NOTIFICATION = (*("id", "notification_uuid", "generated_time", "source_host_uuid", "type", "payload", "status"),)

Json = dict[str, Any]


class SilentAnnouncer:
    """Tells nobody: no driver is set."""

    def announce(self, announcement: Announcement) -> None:
        """Do nothing."""


def segment_payload(values: Mapping[str, Any], fault: Json | None = None) -> Json:
    """Show what is known of a segment."""
    return _object("SegmentApiPayload", "1.1", {**_known(values, SEGMENT), "fault": fault})


def host_payload(values: Mapping[str, Any], segment: Mapping[str, Any] | None, fault: Json | None = None) -> Json:
    """Show what is known of a host, and its segment."""
    known = _known(values, HOST)
    if "control_attributes" in known:
        known["control_attributes"] = strutils.mask_password(known["control_attributes"])
    if segment is not None:
        stamps = {name: _moment(segment[name]) for name in ("created_at", "updated_at", "deleted_at")}
        data = {**_known(segment, SEGMENT), **stamps, "deleted": bool(segment["deleted"])}
        known["failover_segment"] = _object("FailoverSegment", "1.1", data)
    return _object("HostApiPayload", "1.0", {**known, "fault": fault})


def notification_payload(values: Mapping[str, Any], fault: Json | None = None) -> Json:
    """Show what is known of a notification."""
    known = _known(values, NOTIFICATION)
    known["generated_time"] = _moment(known["generated_time"])
    return _object("NotificationApiPayload", "1.0", {**known, "fault": fault})


def fault_of(error: BaseException) -> Json:
    """Show an error and where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return fault(
        module=str(last.tb_frame.f_globals.get("__name__", "unknown")) if last else "unknown",
        function=frames[-1].name if frames else "unknown",
        exception=type(error).__name__,
        message=str(error),
        trace="".join(traceback.format_exception(error)),
    )


def fault(*, module: str, function: str, exception: str, message: str, trace: str) -> Json:
    """Show what went wrong."""
    data = {
        "module_name": module,
        "function_name": function,
        "exception": exception,
        "exception_message": strutils.mask_password(message),
        "traceback": strutils.mask_password(trace),
    }
    return _object("ExceptionPayload", "1.0", data)


def _known(values: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {name: values[name] for name in names if name in values}


def _moment(moment: datetime | None) -> str | None:
    """Write naive UTC as upstream's objects do."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _object(name: str, version: str, data: Json) -> Json:
    return {
        "masakari_object.name": name,
        "masakari_object.namespace": "masakari",
        "masakari_object.version": version,
        "masakari_object.data": data,
    }
