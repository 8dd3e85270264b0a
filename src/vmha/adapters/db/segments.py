"""Failover segments: rows, queries and changes. Times are naive UTC, as upstream stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import bindparam, func, select, update

from vmha.adapters.db import listing
from vmha.adapters.db.schema import failover_segments, hosts, recoveries
from vmha.core.kinds import PHASES
from vmha.errors import VmhaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Row

    from vmha.adapters.db.listing import Page

_LIVE = select(failover_segments).where(failover_segments.c.deleted == 0)
_BY_UUID = _LIVE.where(failover_segments.c.uuid == bindparam("wanted"))
_COLUMNS = tuple(failover_segments.c.keys())
_WAITS = tuple(phase.value for phase in PHASES if phase.is_wait)
ABANDONED_SECONDS: Final = 120.0
"""So long a recovery that no engine works on keeps its segment as it is: five times as long as another engine takes to take over."""


class NameTaken(VmhaError):
    """A live row has this name already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One row of failover_segments."""

    id: int
    uuid: str
    name: str
    service_type: str
    enabled: bool
    description: str | None
    recovery_method: str
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    deleted: int


def find(connection: Connection, uuid: str) -> Segment | None:
    """Return the live segment with `uuid`."""
    row = None if listing.is_impossible(uuid) else connection.execute(_BY_UUID, {"wanted": uuid}).one_or_none()
    return None if row is None else _segment(row)


def listed(connection: Connection, conditions: Sequence[ColumnElement[bool]], page: Page) -> list[Segment]:
    """Return a page of the live segments that meet all `conditions`."""
    rows = listing.read_page(connection, failover_segments, _LIVE, conditions, page, uuid="uuid")
    return [_segment(row) for row in rows]


def insert(connection: Connection, values: Mapping[str, Any], *, now: datetime) -> str:
    """Store a new segment and return its uuid. Raises `NameTaken`."""
    uuid = str(uuid4())
    row = {"enabled": True, "description": None, **values}
    try:
        connection.execute(
            failover_segments.insert().values(**row, uuid=uuid, created_at=now, deleted=0),
        )
    except DBDuplicateEntry as error:
        raise NameTaken(f"segment name {values['name']} is taken") from error
    return uuid


def change(connection: Connection, uuid: str, values: Mapping[str, Any], *, now: datetime) -> None:
    """Store new values of a live segment. Raises `NameTaken`."""
    live = (failover_segments.c.uuid == uuid, failover_segments.c.deleted == 0)
    try:
        connection.execute(update(failover_segments).where(*live).values(**values, updated_at=now))
    except DBDuplicateEntry as error:
        raise NameTaken(f"segment name {values.get('name')} is taken") from error


def delete(connection: Connection, uuid: str, *, now: datetime) -> None:
    """Mark the segment and its hosts as deleted; their names may be given again."""
    of_segment = (hosts.c.failover_segment_id == uuid, hosts.c.deleted == 0)
    connection.execute(update(hosts).where(*of_segment).values(deleted=hosts.c.id, deleted_at=now))
    live = (failover_segments.c.uuid == uuid, failover_segments.c.deleted == 0)
    connection.execute(update(failover_segments).where(*live).values(deleted=failover_segments.c.id, deleted_at=now))


def is_in_use(connection: Connection, uuid: str) -> bool:
    """Tell whether one of its live hosts is being recovered.

    A recovery that waits for a human does not count: the human may have to change the segment first. Nor does one that no engine
    has held for a while, or a notification without a recovery, as upstream leaves one behind when its engine stops in the middle:
    nobody will ever end it.
    """
    held_last = func.coalesce(recoveries.c.lease_until, recoveries.c.opened_at)
    under_way = select(recoveries.c.id).where(
        recoveries.c.open_key.is_not(None),
        recoveries.c.phase.not_in(_WAITS),
        held_last > func.database_now() - ABANDONED_SECONDS,
        recoveries.c.host_uuid == hosts.c.uuid,
        hosts.c.failover_segment_id == uuid,
        hosts.c.deleted == 0,
    )
    return connection.execute(under_way.limit(1)).first() is not None


def _segment(row: Row[Any]) -> Segment:
    """Build a segment from its row; one from before the column `enabled` existed is enabled."""
    values = dict(zip(_COLUMNS, row, strict=True))
    values["enabled"] = values["enabled"] is not False
    return Segment(**values)
