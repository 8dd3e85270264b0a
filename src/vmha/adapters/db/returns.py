"""The way back in SQL: what is known of a host, and the right to let it back as a unique row among the claims.

Rules: the host's row is locked as a report locks it, so that a report comes before the right or after it; the database's clock says
when the right is over; one that was taken at a time to come, as after the clock was set back, is none.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from vmha.adapters.db import disarming, hosts, records, recovery_views, schema
from vmha.adapters.db.connection import sentence, transaction
from vmha.core.explain import Code, because
from vmha.core.model import CLOCK_TOLERANCE_SECONDS, Phase, Recovery, Rung
from vmha.core.plain import from_plain
from vmha.core.returning import WORDS, Known, Past, ReturnRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine, RowMapping

    from vmha.adapters.db.hosts import Host
    from vmha.core.explain import Reason
    from vmha.return_ports import Hold

recoveries, claims = schema.recoveries, schema.claims

REMEMBERED = 50
"""Recoveries of one host that are looked at: those since it was let back are the youngest."""

TOLD = tuple(code.name for code in (Code.RETURNED, Code.RETURNED_AS_RESERVED))
"""Lines of a timeline that say that the host was let back."""


def _tell_nobody(host: Host, action: str) -> None:
    """Announce nothing."""


def is_held(connection: Connection, recovery: str) -> bool:
    """Tell whether the host of a recovery is held for its return."""
    host = connection.execute(select(recoveries.c.host_uuid).where(recoveries.c.uuid == recovery)).scalar_one()
    held = select(claims.c.id).where(claims.c.claim_key == _key(host), *_is_young())
    return connection.execute(held).first() is not None


class SqlReturns:
    """The `Returns` port over SQLAlchemy. `via` is the program that stands for the engine on the timelines.

    `on_host` is told of each host whose row was changed, and how: `update` or `delete`. It must not raise.
    """

    def __init__(self, engine: Engine, *, via: str, on_host: Callable[[Host, str], None] = _tell_nobody) -> None:
        self._engine = engine
        self._via = via
        self._on_host = on_host

    def look(self, host: str) -> Known | None:
        """Read the host's row and its recoveries."""
        with transaction(self._engine) as connection:
            row = hosts.find_by_name(connection, host)
            if row is None:
                return None
            of_it = select(recoveries).where(*_of_host(row)).order_by(recoveries.c.id.desc())
            found = connection.execute(of_it.limit(REMEMBERED)).mappings().all()
            still = next((each for each in found if each["phase"] != Phase.ENDED.value), None)
            return Known(
                host=row.name,
                uuid=row.uuid,
                now=_now(connection),
                is_reserved=row.reserved,
                on_maintenance=row.on_maintenance,
                open=None if still is None else (still["uuid"], still["phase"]),
                claimed_by=_claimed_by(connection, row.name),
                past=_all_past(connection, [each for each in found if each["phase"] == Phase.ENDED.value]),
            )

    def hold(self, hold: Hold, known: Known, *, ends_maintenance: bool, told: tuple[Reason, ...] = ()) -> None:
        """Insert the right, after a look at what was opened since."""
        with transaction(self._engine) as connection:
            row = _locked(connection, known)
            _demand_no_recovery(connection, row, known)
            _demand_no_claim(connection, row, known)
            _demand_nobody(connection, row)
            now = _now(connection)
            right = {"claim_key": _key(row.uuid), "recovery_uuid": hold.token, "held_by": sentence(hold.by)[:255]}
            try:
                connection.execute(insert(claims).values(**right, made_at=now, expires_at=now + hold.seconds))
            except (IntegrityError, DBDuplicateEntry) as error:
                raise ReturnRefused(_held(row.name, "somebody else", 0.0, hold.seconds)) from error
            changed = _set_flags(connection, row, now, {"on_maintenance": False} if ends_maintenance else {})
            self._tell(connection, hold.record, now, told)
        self._announce(changed)

    def settle(
        self,
        hold: Hold,
        *,
        is_reserved: bool | None = None,
        on_maintenance: bool | None = None,
        keeps: bool = False,
        told: tuple[Reason, ...] = (),
    ) -> None:
        """Store what came of it, if the right still stands."""
        with transaction(self._engine) as connection:
            row = _demand_right(connection, hold)
            if not keeps:
                connection.execute(delete(claims).where(claims.c.recovery_uuid == hold.token))
            now = _now(connection)
            flags = {} if is_reserved is None else {"reserved": is_reserved}
            if on_maintenance is not None and _open(connection, row) is None:
                flags["on_maintenance"] = on_maintenance
            changed = _set_flags(connection, row, now, flags)
            self._tell(connection, hold.record, now, told)
        self._announce(changed)

    def forget(self, hold: Hold, told: tuple[Reason, ...]) -> None:
        """Mark the host's row as deleted."""
        with transaction(self._engine) as connection:
            row = _demand_right(connection, hold)
            _demand_none_open(connection, row)
            connection.execute(delete(claims).where(claims.c.recovery_uuid == hold.token))
            now = _now(connection)
            # It would stand for nobody: a host that is added again under the name is another one.
            disarming.arm(connection, disarming.host(row.uuid, row.name), because=f"{hold.by} retired the host")
            hosts.delete(connection, row.uuid, now=_stamp(now))
            self._tell(connection, hold.record, now, told)
        self._on_host(row, "delete")

    def tell(self, record: str, told: tuple[Reason, ...]) -> None:
        """Write lines of a timeline."""
        with transaction(self._engine) as connection:
            self._tell(connection, record, _now(connection), told)

    def _announce(self, changed: Host | None) -> None:
        if changed is not None:
            self._on_host(changed, "update")

    def _tell(self, connection: Connection, record: str | None, now: float, told: tuple[Reason, ...]) -> None:
        lines = [
            {
                "recovery_uuid": record,
                "at": now,
                "engine": self._via,
                "code": reason.code.name,
                "facts": json.dumps(dict(reason.facts)),
                "sentence": sentence(reason.sentence),
            }
            for reason in told
        ]
        if record is not None and lines:
            connection.execute(insert(schema.timeline), lines)


def _all_past(connection: Connection, rows: Sequence[RowMapping]) -> tuple[Past, ...]:
    """Read recoveries that have ended, youngest first. Raises `ReturnRefused` where only a newer version can.

    Older ones that a purge has begun with are left out. It takes proofs first, and what is left tells half: not whether the proof was a
    word, nor that the host was let back since.
    """
    read = (_past(connection, row) for row in rows)
    return tuple(
        past for n, past in enumerate(read) if n == 0 or not past.was_proven_off or _rungs(connection, past.uuid)
    )


def _past(connection: Connection, row: RowMapping) -> Past:
    uuid = row["uuid"]
    try:
        state = from_plain(Recovery, json.loads(row["state"]) | {"moves": []})
    except Exception as error:
        raise ReturnRefused(
            because(Code.RETURN_UNREADABLE, host=row["host_name"], recovery=uuid, detail=repr(error))
        ) from error
    was_proven_off = records.is_on_maintenance(state)
    by_word = was_proven_off and _is_by_word(connection, uuid)
    returns = _returns(connection, uuid) if was_proven_off else frozenset()
    return Past(
        uuid=uuid,
        ended_at=row["ended_at"],
        was_proven_off=was_proven_off,
        prior=state.prior,
        by_word=by_word,
        ordered=by_word and any(move.attempts for move in recovery_views.moves_of(connection, uuid)),
        reserved=() if Code.RETURNED_AS_RESERVED.name in returns else records.spent_reserves(state),
        given_back=_given_back(connection, uuid) if was_proven_off else frozenset(),
        joins=records.joined(state),
        is_returned=bool(returns),
    )


def _is_by_word(connection: Connection, uuid: str) -> bool:
    rungs = _rungs(connection, uuid)
    return bool(rungs) and rungs <= WORDS


def _rungs(connection: Connection, uuid: str) -> frozenset[Rung]:
    """Return what proved the host off."""
    table = schema.fence_proofs
    rungs = connection.scalars(select(table.c.rung).where(table.c.recovery_uuid == uuid).distinct())
    return frozenset(Rung(rung) for rung in rungs)


def _returns(connection: Connection, uuid: str) -> frozenset[str]:
    """Return the codes of the lines that say how the host was let back."""
    table = schema.timeline
    told = select(table.c.code).where(table.c.recovery_uuid == uuid, table.c.code.in_(TOLD)).distinct()
    return frozenset(connection.scalars(told))


def _given_back(connection: Connection, uuid: str) -> frozenset[str]:
    """Name the reserved hosts that went back to the reserve by the lines of this timeline."""
    table = schema.timeline
    told = select(table.c.facts).where(table.c.recovery_uuid == uuid, table.c.code == Code.SPARE_BACK.name)
    return frozenset(json.loads(facts)["reserved"] for facts in connection.scalars(told))


def _locked(connection: Connection, known: Known) -> Host:
    row = hosts.lock_by_name(connection, known.host)
    if row is None or row.uuid != known.uuid:
        raise ReturnRefused(because(Code.RETURN_CHANGED, host=known.host))
    return row


def _demand_no_recovery(connection: Connection, row: Host, known: Known) -> None:
    """Raise `ReturnRefused` for a recovery that is open, or that was not known."""
    _demand_none_open(connection, row)
    of_it = select(recoveries.c.uuid).where(*_of_host(row)).order_by(recoveries.c.id.desc())
    youngest = connection.scalars(of_it.limit(1)).first()
    if youngest != (known.past[0].uuid if known.past else None):
        raise ReturnRefused(because(Code.RETURN_CHANGED, host=row.name))


def _demand_none_open(connection: Connection, row: Host) -> None:
    """Raise `ReturnRefused` for a recovery that is open."""
    still = _open(connection, row)
    if still is not None:
        recovery, phase = still
        raise ReturnRefused(because(Code.RETURN_RECOVERY_OPEN, host=row.name, recovery=recovery, phase=phase))


def _demand_no_claim(connection: Connection, row: Host, known: Known) -> None:
    """Raise `ReturnRefused` where a recovery took the host for its reserve since it was known."""
    claimed = _claimed_by(connection, row.name)
    if claimed is not None and claimed != known.claimed_by:
        raise ReturnRefused(because(Code.RETURN_CLAIMED, host=row.name, recovery=claimed))


def _claimed_by(connection: Connection, host: str) -> str | None:
    """Name the open recovery that took the host for its reserve."""
    return connection.scalars(select(claims.c.recovery_uuid).where(claims.c.claim_key == f"reserved:{host}")).first()


def _open(connection: Connection, row: Host) -> tuple[str, str] | None:
    return hosts.open_recovery(connection, segment_uuid=row.failover_segment_id, uuid=row.uuid, kind="host")


def _of_host(row: Host) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a recovery is of the host as a whole; those of its instances and processes are no hindrance."""
    return recoveries.c.host_uuid == row.uuid, recoveries.c.kind == "host"


def _demand_nobody(connection: Connection, row: Host) -> None:
    """Raise `ReturnRefused` while somebody holds the host; forget a right that is over."""
    mine = claims.c.claim_key == _key(row.uuid)
    held = connection.execute(select(claims).where(mine, *_is_young())).mappings().one_or_none()
    if held is not None:
        now = _now(connection)
        since, wait = now - held["made_at"], held["expires_at"] - now
        raise ReturnRefused(_held(row.name, held["held_by"], max(since, 0.0), wait))
    connection.execute(delete(claims).where(mine))


def _demand_right(connection: Connection, hold: Hold) -> Host:
    """Lock the host's row. Raises `ReturnRefused` where the right to it is gone."""
    row = hosts.lock_by_name(connection, hold.host)
    mine = (claims.c.recovery_uuid == hold.token, *_is_young())
    if row is None or connection.execute(select(claims.c.id).where(*mine)).first() is None:
        raise ReturnRefused(because(Code.RETURN_TOO_SLOW, host=hold.host))
    return row


def _held(host: str, by: str, since: float, wait: float) -> Reason:
    return because(Code.RETURN_HELD, host=host, by=by, seconds=since, wait=wait)


def _is_young() -> tuple[ColumnElement[bool], ...]:
    now = func.database_now()
    return claims.c.expires_at > now, claims.c.made_at <= now + CLOCK_TOLERANCE_SECONDS


def _set_flags(connection: Connection, row: Host, now: float, flags: Mapping[str, bool]) -> Host | None:
    """Store flags of a host and return its row with them; None where there is nothing to store."""
    if not flags:
        return None
    stamp = _stamp(now)
    hosts.change(connection, row.uuid, flags, now=stamp)
    return replace(
        row,
        updated_at=stamp,
        reserved=flags.get("reserved", row.reserved),
        on_maintenance=flags.get("on_maintenance", row.on_maintenance),
    )


def _stamp(now: float) -> datetime:
    """Turn the database's time into that of upstream's columns: naive UTC, in whole seconds."""
    return datetime.fromtimestamp(int(now), UTC).replace(tzinfo=None)


def _key(host_uuid: str) -> str:
    return f"host:{host_uuid}:return"


def _now(connection: Connection) -> float:
    return float(connection.execute(select(func.database_now())).scalar_one())
