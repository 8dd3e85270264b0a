"""The moves of instances as upstream's API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from vmha.adapters.db import listing
from vmha.adapters.db.schema import recovery_notifications, vmoves

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from vmha.adapters.db.listing import Page

_LIVE = select(vmoves).where(vmoves.c.deleted == 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VMove:
    """One row of vmoves."""

    id: int
    uuid: str
    notification_uuid: str
    instance_uuid: str
    instance_name: str
    source_host: str | None
    dest_host: str | None
    start_time: datetime | None
    end_time: datetime | None
    type: str | None
    status: str | None
    message: str | None
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    deleted: int


def find(connection: Connection, uuid: str) -> VMove | None:
    """Return the live move with `uuid`."""
    query = select(vmoves).where(listing.equals(vmoves.c.uuid, uuid), vmoves.c.deleted == 0)
    row = connection.execute(query).one_or_none()
    return None if row is None else VMove(**row._mapping)


def listed(
    connection: Connection, notification_uuid: str, conditions: Sequence[ColumnElement[bool]], page: Page
) -> list[VMove]:
    """Return a page of the live moves of a notification that meet all `conditions`.

    A notification that joined the recovery of an earlier one shows the earlier one's: they are its moves too.
    """
    owner = _first_of_its_recovery(connection, notification_uuid)
    mine = [vmoves.c.notification_uuid == owner, *conditions]
    rows = listing.read_page(connection, vmoves, _LIVE, mine, page, uuid="uuid")
    return [VMove(**row._mapping) for row in rows]


def _first_of_its_recovery(connection: Connection, notification_uuid: str) -> str:
    joined, first = recovery_notifications.alias(), recovery_notifications.alias()
    query = select(first.c.notification_uuid).where(
        joined.c.notification_uuid == notification_uuid,
        first.c.recovery_uuid == joined.c.recovery_uuid,
        first.c.is_first,
    )
    return connection.execute(query).scalar() or notification_uuid
