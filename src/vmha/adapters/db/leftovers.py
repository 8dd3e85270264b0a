"""What upstream's engine left unfinished, when it was stopped or died: each such notification is taken up here, or ended with a reason.

Rules:
1. A leftover is a notification that is not final and belongs to no recovery. The API stores none like that: it opens the recovery in
   the same transaction.
2. What becomes of one is `acceptance.judge_leftover`'s to say. It never orders anything: it opens the recovery of the host, or joins
   it, and that begins with a second witness, as after any report.
3. Any number of engines may do this at once: each leftover is settled in a transaction of its own that has locked its host.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, inspect, select, update

from vmha.adapters.db import incidents, outbox, schema
from vmha.adapters.db.connection import transaction, upstream_sentence
from vmha.adapters.db.reports import Place, report_of
from vmha.core.acceptance import UNRECOVERED, Verdict, judge_leftover
from vmha.core.explain import Code, because
from vmha.errors import StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection, Engine, Row

    from vmha.ports import Clock

LOG = logging.getLogger(__name__)
UNFINISHED = ("new", "running", "error")
UNFINISHED_MOVES = ("pending", "ongoing")

LOOK_SECONDS = 60.0
"""How often an engine looks: after the first time there is something only where an API of upstream's still takes reports."""

AT_ONCE = 50
"""Leftovers that are settled in one look, within half a second: the engine's leases must be renewed in between."""

MOVE_GIVEN_UP = "The engine of upstream's that began this move stopped before it was over."

_n, _h, _s = schema.notifications.c, schema.hosts.c, schema.failover_segments.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A notification that upstream's engine left, its host by name (by uuid where it has none any more), and what becomes of it."""

    uuid: str
    host: str
    type: str
    status: str
    verdict: Verdict


class LeftoverWatch:
    """Settles leftovers at once, and then once in `LOOK_SECONDS`. For one thread."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._due = clock.monotonic()
        self._told: set[str] = set()

    def look(self) -> None:
        """Settle what is there if it is time. A database that is away is asked again in the next round, which says so."""
        if self._clock.monotonic() < self._due:
            return
        limit = AT_ONCE + len(self._told)
        try:
            found = _uuids(self._engine, limit)
            for uuid in found:
                self._settle(uuid)
        except StoreUnavailable:
            return
        if len(found) < limit:
            self._due = self._clock.monotonic() + LOOK_SECONDS

    def _settle(self, uuid: str) -> None:
        """Settle one and tell it; one that cannot be settled is told once, and keeps neither the others nor the engine from going on."""
        try:
            settled = settle(self._engine, uuid)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a row of long ago may hold
            if uuid not in self._told:
                self._told.add(uuid)
                log(LOG, "leftover-failed", level=logging.CRITICAL, notification=uuid, detail=repr(error))
            return
        if settled is not None:
            verdict = settled.verdict
            log(
                LOG,
                "leftover-settled",
                level=logging.WARNING,
                notification=uuid,
                host=settled.host,
                type=settled.type,
                was=settled.status,
                now=verdict.status,
                why=verdict.message or "its host is recovered, if a second witness agrees",
            )


def unfinished(connection: Connection, *, limit: int) -> list[Leftover]:
    """List leftovers with what would become of them now, also in a database that has nothing of ours yet."""
    tables = set(inspect(connection).get_table_names())
    if not {table.name for table in (schema.notifications, schema.hosts, schema.failover_segments)} <= tables:
        return []
    query = _query(with_ours=schema.recovery_notifications.name in tables).limit(limit)
    now = _now(connection)
    return [_leftover(row, now) for row in connection.execute(query).fetchall()]


def _uuids(engine: Engine, limit: int) -> list[str]:
    with transaction(engine) as connection:
        return list(connection.scalars(select(_n.notification_uuid).where(*_is_left(with_ours=True)).limit(limit)))


def settle(engine: Engine, uuid: str) -> Leftover | None:
    """Settle one leftover and return it; None where another engine was first."""
    with transaction(engine) as connection:
        host_uuid = connection.scalar(select(_n.source_host_uuid).where(_n.notification_uuid == uuid))
        # As a report does. What is read after it, no other engine and no report of this host is changing.
        connection.execute(select(_h.id).where(_h.uuid == host_uuid).with_for_update())
        row = connection.execute(_query(with_ours=True).where(_n.notification_uuid == uuid)).one_or_none()
        if row is None:
            return None
        now = _now(connection)
        leftover = _leftover(row, now)
        _store(connection, leftover, _moment(now).replace(microsecond=0))
        if leftover.verdict.opens is not None:
            place = Place(
                notification_uuid=uuid,
                host_uuid=row.source_host_uuid,
                host_name=leftover.host,
                segment_uuid=row.segment_uuid,
            )
            payload = _payload(row.payload) or {}
            report = report_of(leftover.verdict.opens, place, payload, method=row.recovery_method, is_leftover=True)
            recovery = incidents.open_or_join(connection, report)
            said = because(Code.LEFT_BEHIND, host=leftover.host, notification=uuid, status=leftover.status)
            incidents.tell(connection, recovery, said, at=now)
        elif leftover.verdict in UNRECOVERED and row.type == "COMPUTE_HOST":
            refused = because(Code.LEFT_UNRECOVERED, host=leftover.host, detail=leftover.verdict.message)
            outbox.store_refusal(connection, refused, host=leftover.host, segment=row.segment_uuid)
        return leftover


def _query(*, with_ours: bool) -> Select[Any]:
    live_host = (_h.uuid == _n.source_host_uuid) & (_h.deleted == 0)
    live_segment = (_s.uuid == _h.failover_segment_id) & (_s.deleted == 0)
    return (
        select(
            *(_n.notification_uuid, _n.source_host_uuid, _n.type, _n.payload, _n.status),
            func.coalesce(_n.created_at, _n.generated_time).label("stored_at"),
            *(_h.name, _h.on_maintenance, _s.uuid.label("segment_uuid"), _s.recovery_method, _s.enabled),
        )
        .select_from(schema.notifications)
        .outerjoin(schema.hosts, live_host)
        .outerjoin(schema.failover_segments, live_segment)
        .where(*_is_left(with_ours=with_ours))
    )


def _is_left(*, with_ours: bool) -> Iterator[ColumnElement[bool]]:
    """Yield what makes a leftover. Few rows have these statuses; to list them by id, MariaDB would walk the whole table."""
    yield _n.status.in_(UNFINISHED)
    yield _n.deleted == 0
    if with_ours:
        links = schema.recovery_notifications.c
        yield ~select(links.recovery_uuid).where(links.notification_uuid == _n.notification_uuid).exists()


def _leftover(row: Row[Any], now: float) -> Leftover:
    verdict = judge_leftover(
        row.type,
        _payload(row.payload),
        was_begun=row.status != "new",
        age_seconds=(_moment(now) - row.stored_at).total_seconds(),
        on_maintenance=bool(row.on_maintenance),
        # A segment from before the column `enabled` existed is enabled.
        segment_enabled=None if row.segment_uuid is None else row.enabled is not False,
    )
    host = row.name or row.source_host_uuid
    return Leftover(uuid=row.notification_uuid, host=host, type=row.type, status=row.status, verdict=verdict)


def _payload(text: str | None) -> Mapping[str, str] | None:
    """Parse the payload, None where that is no object."""
    try:
        payload = json.loads(text or "{}")
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _store(connection: Connection, leftover: Leftover, stamp: datetime) -> None:
    """Write what becomes of it, and end the moves that its engine will not end."""
    verdict, moves = leftover.verdict, schema.vmoves
    message = None if verdict.message is None else upstream_sentence(connection, verdict.message)
    connection.execute(
        update(schema.notifications)
        .where(_n.notification_uuid == leftover.uuid)
        .values(status=verdict.status, message=message, updated_at=stamp)
    )
    left = (moves.c.notification_uuid == leftover.uuid, moves.c.status.in_(UNFINISHED_MOVES), moves.c.deleted == 0)
    connection.execute(
        update(moves).where(*left).values(status="failed", message=MOVE_GIVEN_UP, end_time=stamp, updated_at=stamp)
    )


def _now(connection: Connection) -> float:
    return float(connection.execute(select(func.database_now())).scalar_one())


def _moment(seconds: float) -> datetime:
    """Turn seconds since the epoch into the naive UTC of upstream's columns."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
