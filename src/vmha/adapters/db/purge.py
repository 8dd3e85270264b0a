"""Removes what is over and old, in small transactions: what upstream's purge removes, and what it leaves for ever.

Rules:
1. A notification goes with its moves and its task flow, a recovery with all that hangs on it, children first. Whoever stops a purge in
   the middle, by whatever signal, leaves nothing that the next one does not find.
2. A recovery that is open is never touched, nor is one that ended within `KEPT_SECONDS`: the engine counts failures that far back.
   Nor is one by which a host of a segment is let back, or its compute service enabled, whenever that will be. While a recovery is
   there, so are its notifications.
3. Moves and task flows whose notification went before, by upstream's purge, go by their own age.
4. No transaction removes more than `AT_ONCE` rows, of however many tables: an engine on SQLite must get its turn to renew its leases,
   and a cluster applies each transaction as a whole.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Column, DateTime, MetaData, String, Table, delete, func, inspect, or_, select

from vmha.adapters.db import schema
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.upstream_flows import atomdetails, flowdetails
from vmha.core.effects import DisableService, EnableService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

AT_ONCE = 1_000
"""Rows of one transaction; each is named in a statement. A recovery of many instances has more, and takes several."""

PARENTS = 200
"""Parents of one transaction, which are looked for in tables of any size."""

KEPT_SECONDS = 2_592_000.0
"""The longest window that the brake of a segment, or the quarantine of a host, may be set to."""

FINAL = ("finished", "failed", "ignored")

logbooks = Table("logbooks", MetaData(), Column("uuid", String(64)), Column("created_at", DateTime))

_n, _v, _r = schema.notifications.c, schema.vmoves.c, schema.recoveries.c
_a, _d = schema.alerts.c, schema.alert_deliveries.c


@dataclass(frozen=True, slots=True)
class Children:
    """Rows that go with their parents; `of` selects them by the parents' keys."""

    key: Column[Any]
    of: Callable[[Sequence[str]], ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Parents that are over and old, by `key`, with their children, those first that hang on others."""

    key: Column[Any]
    over: tuple[ColumnElement[bool], ...]
    children: tuple[Children, ...] = ()


def purge(engine: Engine, *, age_seconds: float, max_rows: int | None, now: float) -> Counter[str]:
    """Remove what was over `age_seconds` before `now`, at most `max_rows` rows of all tables together; count them by table."""
    removed: Counter[str] = Counter()
    with transaction(engine) as connection:
        has_flows = inspect(connection).has_table(logbooks.name)
    for family in _families(now - age_seconds, min(now - age_seconds, now - KEPT_SECONDS), has_flows=has_flows):
        while most := AT_ONCE if max_rows is None else min(AT_ONCE, max_rows - removed.total()):
            with transaction(engine) as connection:
                found = _purge_some(connection, family, most)
            if not found:
                break
            removed += found
    return removed


def _families(before: float, recoveries_before: float, *, has_flows: bool) -> Iterator[Family]:
    moment = datetime.fromtimestamp(before, UTC).replace(tzinfo=None)
    flows = _flows() if has_flows else ()
    of_recovery = (Children(_d.id, _deliveries_of_recoveries), *(_by(table, "recovery_uuid") for table in _OF_RECOVERY))
    yield Family(key=_r.uuid, over=(_r.ended_at < recoveries_before, ~_is_remembered()), children=of_recovery)
    # Upstream's purge leaves rows that were never changed.
    changed = func.coalesce(_n.updated_at, _n.created_at)
    over = (_n.status.in_(FINAL), changed < moment, ~_has_recovery())
    yield Family(key=_n.notification_uuid, over=over, children=(_by(schema.vmoves, "notification_uuid"), *flows))
    moved = func.coalesce(_v.updated_at, _v.created_at)
    yield Family(key=_v.uuid, over=(or_(_v.deleted_at < moment, (moved < moment) & ~_is_noted(_v.notification_uuid)),))
    if has_flows:
        yield Family(
            key=logbooks.c.uuid, over=(logbooks.c.created_at < moment, ~_is_noted(logbooks.c.uuid)), children=flows[:-1]
        )
    yield Family(key=schema.hosts.c.uuid, over=(schema.hosts.c.deleted_at < moment,))
    segments = schema.failover_segments.c
    has_hosts = select(schema.hosts.c.id).where(schema.hosts.c.failover_segment_id == segments.uuid).exists()
    yield Family(key=segments.uuid, over=(segments.deleted_at < moment, ~has_hosts))
    yield Family(key=schema.engines.c.name, over=(schema.engines.c.seen_at < before,))
    yield Family(key=schema.disarms.c.id, over=(schema.disarms.c.ended_at < before,))
    of_nothing = (_a.recovery_uuid.is_(None), _a.made_at < before)
    yield Family(key=_a.uuid, over=of_nothing, children=(_by(schema.alert_deliveries, "alert_uuid"),))


# Proofs first: a recovery without is half gone, and counts no more where a host is let back.
_OF_RECOVERY = (
    schema.fence_proofs,
    schema.inbox,
    schema.effects,
    schema.moves,
    schema.claims,
    schema.timeline,
    schema.recovery_notifications,
    schema.alerts,
)


def _by(table: Table, column: str) -> Children:
    (key,) = table.primary_key.columns
    return Children(key, table.c[column].in_)


def _deliveries_of_recoveries(uuids: Sequence[str]) -> ColumnElement[bool]:
    return _d.alert_uuid.in_(select(_a.uuid).where(_a.recovery_uuid.in_(uuids)))


def _flows() -> tuple[Children, ...]:
    """Name the rows of the task flows of notifications; a logbook is called like its notification."""

    def atoms(uuids: Sequence[str]) -> ColumnElement[bool]:
        return atomdetails.c.parent_uuid.in_(select(flowdetails.c.uuid).where(flowdetails.c.parent_uuid.in_(uuids)))

    return (
        Children(atomdetails.c.uuid, atoms),
        Children(flowdetails.c.uuid, flowdetails.c.parent_uuid.in_),
        Children(logbooks.c.uuid, logbooks.c.uuid.in_),
    )


def _is_remembered() -> ColumnElement[bool]:
    """Tell whether a host of a segment hangs on the recovery.

    Those of a host on maintenance say who proved it off and which reserves stand in for it; the last one of any host, how its services
    stood before. The last incident of a process with an order tells whether we are who disabled its service.
    """
    hosts, younger = schema.hosts.c, schema.recoveries.alias("younger").c
    mine = (hosts.uuid == _r.host_uuid, hosts.deleted == 0)
    is_live = select(hosts.id).where(*mine).exists()
    waits = select(hosts.id).where(*mine, hosts.on_maintenance.is_(True)).exists()
    later = select(younger.id).where(younger.host_uuid == _r.host_uuid, younger.kind == _r.kind, younger.id > _r.id)
    of_host = (_r.kind == "host") & or_(waits, ~later.exists())
    of_process = (_r.kind == "process") & _has_orders(_r.uuid) & ~later.where(_has_orders(younger.uuid)).exists()
    return is_live & or_(of_host, of_process)


def _has_orders(recovery: ColumnElement[str]) -> ColumnElement[bool]:
    """Tell whether an order about a compute service left us."""
    effects = schema.effects.alias().c
    kinds = (DisableService.__name__, EnableService.__name__)
    mine = (effects.recovery_uuid == recovery, effects.kind.in_(kinds), effects.sent_at.is_not(None))
    return select(effects.id).where(*mine).exists()


def _has_recovery() -> ColumnElement[bool]:
    table = schema.recovery_notifications.c
    return select(table.recovery_uuid).where(table.notification_uuid == _n.notification_uuid).exists()


def _is_noted(uuid: Column[Any]) -> ColumnElement[bool]:
    return select(_n.id).where(_n.notification_uuid == uuid).exists()


def _purge_some(connection: Connection, family: Family, most: int) -> Counter[str]:
    """Remove up to `most` rows: some parents with their children, or children only where there are so many."""
    removed: Counter[str] = Counter()
    parents = connection.scalars(
        select(family.key).where(*family.over).order_by(family.key).limit(min(PARENTS, most))
    ).all()
    for children in family.children if parents else ():
        if left := most - removed.total():
            mine = select(children.key).where(children.of(parents)).limit(left)
            removed += _remove(connection, children.key, connection.scalars(mine).all())
    if left := most - removed.total():
        removed += _remove(connection, family.key, parents[:left])
    return removed


def _remove(connection: Connection, key: Column[Any], keys: Sequence[Any]) -> Counter[str]:
    if not keys:
        return Counter()
    table = key.table
    gone = connection.execute(delete(table).where(key.in_(keys))).rowcount
    return Counter({str(table.name): gone}) if gone else Counter()
