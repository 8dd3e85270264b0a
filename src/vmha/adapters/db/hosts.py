"""Hosts of failover segments: rows, queries and changes. Times are naive UTC, as upstream stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import bindparam, select, update

from vmha.adapters.db import listing
from vmha.adapters.db.schema import hosts, recoveries
from vmha.adapters.db.segments import NameTaken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Row

    from vmha.adapters.db.listing import Page

_LIVE = select(hosts).where(hosts.c.deleted == 0)
_LOCKED_BY_NAME = _LIVE.where(hosts.c.name == bindparam("wanted")).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One row of hosts; `failover_segment_id` is the segment's uuid."""

    id: int
    uuid: str
    name: str
    reserved: bool
    type: str
    control_attributes: str
    failover_segment_id: str
    on_maintenance: bool
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    deleted: int


def find(connection: Connection, uuid: str, *, segment_uuid: str) -> Host | None:
    """Return the live host with `uuid`, if it is in that segment."""
    query = select(hosts).where(
        listing.equals(hosts.c.uuid, uuid),
        listing.equals(hosts.c.failover_segment_id, segment_uuid),
        hosts.c.deleted == 0,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _host(row)


def find_by_name(connection: Connection, name: str) -> Host | None:
    """Return the live host called `name`."""
    row = connection.execute(
        select(hosts).where(listing.equals(hosts.c.name, name), hosts.c.deleted == 0)
    ).one_or_none()
    return None if row is None else _host(row)


def lock_by_name(connection: Connection, name: str) -> Host | None:
    """Return the live host called `name` and keep others from accepting notifications of it until this transaction ends."""
    row = None if listing.is_impossible(name) else connection.execute(_LOCKED_BY_NAME, {"wanted": name}).one_or_none()
    return None if row is None else _host(row)


def names(connection: Connection) -> frozenset[str]:
    """Return the names of all live hosts."""
    return frozenset(connection.scalars(select(hosts.c.name).where(hosts.c.deleted == 0)))


def open_recovery(
    connection: Connection, *, segment_uuid: str, uuid: str | None = None, kind: str | None = None
) -> tuple[str, str] | None:
    """Return uuid and phase of the oldest open recovery of one host of the segment, or of any; of one `kind`, or of any.

    The hosts are locked as a report locks them, so that none of them gets a recovery before this transaction ends.
    """
    mine = [listing.equals(hosts.c.failover_segment_id, segment_uuid), hosts.c.deleted == 0]
    if uuid is not None:
        mine.append(listing.equals(hosts.c.uuid, uuid))
    locked = connection.execute(select(hosts.c.uuid).where(*mine).with_for_update()).scalars().all()
    is_theirs: list[ColumnElement[bool]] = [recoveries.c.open_key.is_not(None), recoveries.c.host_uuid.in_(locked)]
    if kind is not None:
        is_theirs.append(recoveries.c.kind == kind)
    found = connection.execute(
        select(recoveries.c.uuid, recoveries.c.phase).where(*is_theirs).order_by(recoveries.c.id)
    )
    row = found.first()
    return None if row is None else (str(row.uuid), str(row.phase))


def listed(connection: Connection, conditions: Sequence[ColumnElement[bool]], page: Page) -> list[Host]:
    """Return a page of the live hosts that meet all `conditions`."""
    return [_host(row) for row in listing.read_page(connection, hosts, _LIVE, conditions, page, uuid="uuid")]


def insert(connection: Connection, values: Mapping[str, Any], *, segment_uuid: str, now: datetime) -> str:
    """Store a new host and return its uuid. Raises `NameTaken`."""
    uuid = str(uuid4())
    row = {"reserved": False, "on_maintenance": False, **values}
    try:
        connection.execute(
            hosts.insert().values(**row, uuid=uuid, failover_segment_id=segment_uuid, created_at=now, deleted=0)
        )
    except DBDuplicateEntry as error:
        raise NameTaken(f"host name {values['name']} is taken") from error
    return uuid


def change(connection: Connection, uuid: str, values: Mapping[str, Any], *, now: datetime) -> None:
    """Store new values of a live host. Raises `NameTaken`."""
    live = (hosts.c.uuid == uuid, hosts.c.deleted == 0)
    try:
        connection.execute(update(hosts).where(*live).values(**values, updated_at=now))
    except DBDuplicateEntry as error:
        raise NameTaken(f"host name {values.get('name')} is taken") from error


def delete(connection: Connection, uuid: str, *, now: datetime) -> None:
    """Mark the host as deleted; its name may be given again."""
    live = (hosts.c.uuid == uuid, hosts.c.deleted == 0)
    connection.execute(update(hosts).where(*live).values(deleted=hosts.c.id, deleted_at=now))


def _host(row: Row[Any]) -> Host:
    """Build a host from its row; flags that an old row left NULL are off."""
    values = dict(row._mapping)
    flags = {name: bool(values[name]) for name in ("reserved", "on_maintenance")}
    return Host(**{**values, **flags})
