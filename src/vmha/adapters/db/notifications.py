"""Notifications: rows and queries. Times are naive UTC, as upstream stores them."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import bindparam, select

from vmha.adapters.db import listing
from vmha.adapters.db.connection import upstream_sentence
from vmha.adapters.db.schema import notifications, recoveries, recovery_notifications
from vmha.core.model import Outcome
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Row

    from vmha.adapters.db.listing import Page

Payload = dict[str, Any]
LOG = logging.getLogger(__name__)

_LIVE = select(notifications).where(notifications.c.deleted == 0)
_EQUAL_ONES = (
    select(notifications.c.payload, notifications.c.generated_time, notifications.c.status, notifications.c.message)
    .where(
        notifications.c.source_host_uuid == bindparam("host_uuid"),
        notifications.c.type == bindparam("type"),
        notifications.c.generated_time >= bindparam("since"),
        notifications.c.deleted == 0,
    )
    .distinct()
)
_INSERT = notifications.insert()
_INSERT_AND_SHOW = _INSERT.returning(*notifications.c)
_COLUMNS = tuple(notifications.c.keys())
_FINAL = ("finished", "failed", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One row of notifications, its payload parsed."""

    id: int
    notification_uuid: str
    generated_time: datetime
    source_host_uuid: str
    type: str
    payload: Payload
    status: str
    failover_segment_uuid: str | None
    message: str | None
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    deleted: int


def find(connection: Connection, uuid: str) -> Notification | None:
    """Return the live notification with `uuid`."""
    condition = (listing.equals(notifications.c.notification_uuid, uuid), notifications.c.deleted == 0)
    row = connection.execute(select(notifications).where(*condition)).one_or_none()
    return None if row is None else _notification(row)


def listed(connection: Connection, conditions: Sequence[ColumnElement[bool]], page: Page) -> list[Notification]:
    """Return a page of the live notifications that meet all `conditions`."""
    rows = listing.read_page(connection, notifications, _LIVE, conditions, page, uuid="notification_uuid")
    return [_notification(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What counts of a notification when an equal one arrives."""

    generated_time: datetime
    is_final: bool
    message: str | None
    overtaken_at: datetime | None
    """From when on its host or its process was reported the other way."""


def equal_ones(
    connection: Connection, *, type: str, host_uuid: str, payload: Mapping[str, Any], since: datetime
) -> list[Earlier]:
    """Return what notifications of this type and payload the host has that were generated at `since` or later."""
    rows = connection.execute(_EQUAL_ONES, {"host_uuid": host_uuid, "type": type, "since": since})
    found = [(_payload(row.payload), row) for row in rows]
    otherwise = [row.generated_time for other, row in found if _contradicts(other, payload)]
    return [
        Earlier(
            generated_time=row.generated_time,
            is_final=row.status in _FINAL,
            message=row.message,
            overtaken_at=min((other for other in otherwise if other > row.generated_time), default=None),
        )
        for equal, row in found
        if equal == payload
    ]


def _contradicts(other: Payload | None, payload: Mapping[str, Any]) -> bool:
    """Tell whether two payloads of one type tell of one host or process, one that it stopped and the other that it started."""
    if other is None or other.get("process_name") != payload.get("process_name"):
        return False
    return {other.get("event"), payload.get("event")} == {"STOPPED", "STARTED"}


def was_left(connection: Connection, *, host_uuid: str, since: datetime, until: datetime) -> bool:
    """Tell whether a failure of the host that was generated in this time was only reported, as its workflow asks, or rejected."""
    noted = recovery_notifications.c
    found = (
        select(recoveries.c.uuid)
        .join(recovery_notifications, noted.recovery_uuid == recoveries.c.uuid)
        .join(notifications, notifications.c.notification_uuid == noted.notification_uuid)
        .where(
            recoveries.c.kind == "host",
            recoveries.c.outcome.in_((Outcome.REPORTED.value, Outcome.REJECTED.value)),
            notifications.c.source_host_uuid == host_uuid,
            notifications.c.generated_time.between(since, until),
        )
    )
    return connection.execute(found.limit(1)).first() is not None


def insert(
    connection: Connection,
    *,
    type: str,
    host_uuid: str,
    segment_uuid: str,
    generated_time: datetime,
    payload: Mapping[str, Any],
    status: str,
    message: str | None,
    now: datetime,
) -> Notification:
    """Store a new notification and return it.

    `updated_at` is set at once, because upstream's purge never removes rows that have none.
    """
    uuid = str(uuid4())
    values = {
        "notification_uuid": uuid,
        "generated_time": generated_time,
        "source_host_uuid": host_uuid,
        "type": type,
        "payload": json.dumps(payload),
        "status": status,
        "failover_segment_uuid": segment_uuid,
        "message": None if message is None else upstream_sentence(connection, message),
        "created_at": now,
        "updated_at": now,
        "deleted": 0,
    }
    # As the database keeps it: some cut times to whole seconds.
    if connection.dialect.insert_returning:
        return _notification(connection.execute(_INSERT_AND_SHOW, values).one())
    connection.execute(_INSERT, values)
    query = select(notifications).where(notifications.c.notification_uuid == uuid)
    return _notification(connection.execute(query).one())


def _notification(row: Row[Any]) -> Notification:
    values = dict(zip(_COLUMNS, row, strict=True))
    payload = _payload(values["payload"])
    if payload is None:
        _tell_unreadable(row.notification_uuid)
    values["payload"] = payload or {}
    return Notification(**values)


def _payload(text: str | None) -> Payload | None:
    """Read a payload, None where what something else stored there is no JSON object."""
    try:
        payload = json.loads(text or "{}")
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


@cache
def _tell_unreadable(uuid: str) -> None:
    """Warn once in a process: one row that something else wrote may not take the whole list with it."""
    says = "its stored payload is no JSON object, and is shown as an empty one"
    log(LOG, "payload-unreadable", level=logging.WARNING, notification=uuid, says=says)
