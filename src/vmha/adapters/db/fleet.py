"""All live segments with their hosts at once, for those who look at everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from vmha.adapters.db.schema import failover_segments, hosts
from vmha.core.model import RecoveryMethod

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A host of a segment."""

    name: str
    is_reserved: bool
    on_maintenance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A segment and its hosts, both by name."""

    name: str
    method: RecoveryMethod
    is_enabled: bool
    members: tuple[Member, ...]


def segments_with_hosts(connection: Connection) -> tuple[Group, ...]:
    """Return every live segment; flags that an old row left NULL are as upstream takes them."""
    members: dict[str, list[Member]] = {}
    query = select(hosts.c.failover_segment_id, hosts.c.name, hosts.c.reserved, hosts.c.on_maintenance)
    for segment, name, reserved, maintenance in connection.execute(query.where(hosts.c.deleted == 0)):
        member = Member(name=name, is_reserved=bool(reserved), on_maintenance=bool(maintenance))
        members.setdefault(segment, []).append(member)
    table = failover_segments.c
    rows = connection.execute(
        select(table.uuid, table.name, table.recovery_method, table.enabled).where(table.deleted == 0)
    )
    return tuple(
        Group(
            name=name,
            method=RecoveryMethod(method),
            is_enabled=enabled is not False,
            members=tuple(sorted(members.get(uuid, ()), key=lambda member: member.name)),
        )
        for uuid, name, method, enabled in sorted(rows, key=lambda row: str(row.name))
    )
