"""Notifications: rows and queries. Times are naive UTC, as upstream stores them."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select

from vmha.adapters.db import listing
from vmha.adapters.db.schema import notifications
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Row

    from vmha.adapters.db.listing import Page

Payload = dict[str, Any]
LOG = logging.getLogger(__name__)

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
    query = select(notifications).where(notifications.c.deleted == 0, *conditions)
    rows = listing.read_page(connection, notifications, query, page, uuid="notification_uuid")
    return [_notification(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What counts of a notification when an equal one arrives."""

    generated_time: datetime
    is_final: bool
    message: str | None


def equal_ones(
    connection: Connection, *, type: str, host_uuid: str, payload: Mapping[str, Any], since: datetime
) -> list[Earlier]:
    """Return what notifications of this type and payload the host has that were generated at `since` or later."""
    columns = notifications.c
    shown = (columns.payload, columns.generated_time, columns.status, columns.message)
    query = select(*shown).where(
        notifications.c.source_host_uuid == host_uuid,
        notifications.c.type == type,
        notifications.c.generated_time >= since,
        notifications.c.deleted == 0,
    )
    return [
        Earlier(row.generated_time, row.status in _FINAL, row.message)
        for row in connection.execute(query.distinct())
        if _payload(row.payload) == payload
    ]


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
    connection.execute(
        notifications.insert().values(
            notification_uuid=uuid,
            generated_time=generated_time,
            source_host_uuid=host_uuid,
            type=type,
            payload=json.dumps(payload),
            status=status,
            failover_segment_uuid=segment_uuid,
            message=message,
            created_at=now,
            updated_at=now,
            deleted=0,
        )
    )
    query = select(notifications).where(notifications.c.notification_uuid == uuid)
    return _notification(connection.execute(query).one())


def _notification(row: Row[Any]) -> Notification:
    values = dict(row._mapping)
    payload = _payload(values["payload"])
    if payload is None:
        _tell_unreadable(row.notification_uuid)
    return Notification(**{**values, "payload": payload or {}})


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
