"""Orders of operators that nothing is ordered: for all, a segment or a host, until a time.

An order stands while its `open_key` is there and its time is not over by the database's clock: nobody has to do anything for it to end.
What has ended is kept, since somebody may ask who disarmed what, and when.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, insert, literal, or_, select, update

from vmha.adapters.db import outbox, schema
from vmha.adapters.db.connection import sentence, transaction
from vmha.core.explain import Code, because
from vmha.core.model import Disarm, Phase
from vmha.errors import StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine, Row

    from vmha.adapters.db.hosts import Host
    from vmha.core.explain import Reason
    from vmha.core.incidents import Incident
    from vmha.ports import Clock, Lease

_d = schema.disarms.c
_r = schema.recoveries.c


# Rows of smaller incidents name no segment: see the table.
_SEGMENT_OF_HOST = (
    select(schema.hosts.c.failover_segment_id)
    .where(schema.hosts.c.uuid == _r.host_uuid)
    .correlate(schema.recoveries)
    .scalar_subquery()
)
_SEGMENT = case((_r.segment_uuid == "", _SEGMENT_OF_HOST), else_=_r.segment_uuid)

LOOK_SECONDS = 5.0
"""How often an engine looks for what has run out, to tell it."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is disarmed: `key` is "all", "segment:<uuid>" or "host:<uuid>", `words` how it is said."""

    key: str
    words: str


ALL = Scope("all", "all hosts")


def segment(uuid: str, name: str) -> Scope:
    """Name a segment."""
    return Scope(f"segment:{uuid}", f"segment {name}")


def host(uuid: str, name: str) -> Scope:
    """Name a host."""
    return Scope(f"host:{uuid}", f"host {name}")


class DisarmWatch:
    """Tells once, by one engine of several, that a disarming has run out: an alert, and a line of the log. For one thread."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._due = clock.monotonic()

    def look(self) -> None:
        """Look if it is time. A database that is away is asked again in the next round, which says so."""
        if self._clock.monotonic() < self._due:
            return
        try:
            with transaction(self._engine) as connection:
                over = end_what_is_over(connection)
        except StoreUnavailable:
            return
        self._due = self._clock.monotonic() + LOOK_SECONDS
        for order in over:
            log(LOG, "armed-again", level=logging.WARNING, says=_why_armed(order).sentence)


def disarm(connection: Connection, scope: Scope, *, by: str, why: str, seconds: float) -> Disarm:
    """Disarm for so many seconds from now; an order that stands for the same is replaced."""
    arm(connection, scope, because=f"{by} disarmed anew")
    now = float(connection.execute(select(func.database_now())).scalar_one())
    until = now + seconds
    order = Disarm(scope=scope.words, by=sentence(by), why=sentence(why), until=until, until_text=_text(until))
    values = {"scope": order.scope, "by_whom": order.by, "why": order.why, "made_at": now, "until": order.until}
    connection.execute(insert(schema.disarms).values(open_key=scope.key, **values))
    return order


def arm(connection: Connection, scope: Scope, *, because: str) -> bool:
    """Take back what stands for exactly this scope; tell whether there was something."""
    ended = {"open_key": None, "ended_at": func.database_now(), "ended_because": sentence(because)}
    return connection.execute(update(schema.disarms).where(_d.open_key == scope.key).values(**ended)).rowcount == 1


def standing(connection: Connection) -> list[Disarm]:
    """List what is disarmed now, the oldest first."""
    rows = connection.execute(select(schema.disarms).where(*_stands()).order_by(_d.id))
    return [_order(row) for row in rows]


def standing_on(connection: Connection, *, segment: str | None = None, host: str | None = None) -> Disarm | None:
    """Return an order that stands for this host alone, or for this segment or one of its hosts."""
    hosts = schema.hosts.c
    of_segment = select(literal("host:").concat(hosts.uuid)).where(
        hosts.failover_segment_id == segment, hosts.deleted == 0
    )
    mine = or_(_d.open_key.in_((f"host:{host}", f"segment:{segment}")), _d.open_key.in_(of_segment))
    row = connection.execute(select(schema.disarms).where(mine, *_stands()).order_by(_d.id).limit(1)).first()
    return None if row is None else _order(row)


def end_what_is_over(connection: Connection) -> list[Disarm]:
    """Close what has run out, with an alert of it, and return it: of several engines one gets each."""
    over = connection.execute(
        select(schema.disarms).where(_d.open_key.is_not(None), _d.until <= func.database_now())
    ).all()
    ended = []
    for row in over:
        values = {"open_key": None, "ended_at": row.until, "ended_because": "its time was over"}
        mine = (_d.id == row.id, _d.open_key == row.open_key)
        if connection.execute(update(schema.disarms).where(*mine).values(**values)).rowcount == 1:
            ended.append(_order(row))
            kind, _, uuid = row.open_key.partition(":")
            host_name = row.scope.removeprefix("host ") if kind == "host" else None
            place = {"host": host_name, "segment": uuid if kind == "segment" else None}
            outbox.store_arming(connection, _why_armed(ended[-1]), scope=row.open_key, **place)
    return ended


def _why_armed(order: Disarm) -> Reason:
    return because(Code.DISARM_OVER, scope=order.scope, by=order.by, why=order.why)


def standing_for(connection: Connection, incident: Incident, *hosts: Host) -> Disarm | None:
    """Return the order that stops the incident's orders, also by other hosts that they may be about; of several the one that ends last."""
    keys = ("all", f"segment:{incident.segment}", f"host:{incident.host_uuid}", *_keys_of(hosts))
    longest = select(schema.disarms).where(_d.open_key.in_(keys), *_stands()).order_by(_d.until.desc()).limit(1)
    row = connection.execute(longest).first()
    return None if row is None else _order(row)


def is_stopped(connection: Connection, lease: Lease, *hosts: Host) -> bool:
    """Tell whether a human has paused, cancelled or disarmed the recovery, or other hosts that the order is about: the last question
    before it leaves."""
    own = or_(
        _d.open_key.in_(("all", *_keys_of(hosts))),
        _d.open_key == literal("segment:").concat(_SEGMENT),
        _d.open_key == literal("host:").concat(_r.host_uuid),
    )
    halted = _r.phase.in_((Phase.HALTED.value, Phase.CANCELLING.value))
    disarmed = select(_d.id).where(own, *_stands()).correlate(schema.recoveries).exists()
    stopped = select(_r.id).where(and_(_r.uuid == lease.recovery, or_(halted, disarmed)))
    return connection.execute(stopped).first() is not None


def _keys_of(hosts: Iterable[Host]) -> list[str]:
    return [key for each in hosts for key in (f"host:{each.uuid}", f"segment:{each.failover_segment_id}")]


def _stands() -> tuple[ColumnElement[bool], ...]:
    return _d.open_key.is_not(None), _d.until > func.database_now()


def _order(row: Row[Any]) -> Disarm:
    return Disarm(scope=row.scope, by=row.by_whom, why=row.why, until=row.until, until_text=_text(row.until))


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
