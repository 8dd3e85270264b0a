"""Recoveries as people read them: one row each, and what belongs to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, select

from vmha.adapters.db import listing
from vmha.adapters.db.schema import fence_proofs, hosts, moves, recoveries, recovery_notifications, timeline
from vmha.core.kinds import ENDED, KINDS
from vmha.core.model import Move, Outcome, PowerReading
from vmha.core.plain import from_plain
from vmha.core.stops import HumanWord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Row

    from vmha.adapters.db.listing import Page
    from vmha.core.incidents import AnyPhase

_SEGMENT = select(hosts.c.failover_segment_id).where(hosts.c.uuid == recoveries.c.host_uuid).scalar_subquery()
"""Where the row names no segment: see the table."""

_SHOWN = (
    recoveries.c.uuid,
    recoveries.c.kind,
    recoveries.c.subject,
    recoveries.c.host_name,
    recoveries.c.host_uuid,
    case((recoveries.c.segment_uuid == "", _SEGMENT), else_=recoveries.c.segment_uuid).label("segment_uuid"),
    recoveries.c.method,
    recoveries.c.phase,
    recoveries.c.outcome,
    recoveries.c.message,
    recoveries.c.opened_at,
    recoveries.c.ended_at,
)
"""All but the state, which grows with the number of instances."""
_ALL = select(*_SHOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryView:
    """One recovery; times are seconds since the epoch. `subject` is the instance, or the process, where not the host itself failed."""

    uuid: str
    kind: str
    subject: str | None
    host_name: str
    host_uuid: str
    segment_uuid: str | None
    method: str | None
    phase: AnyPhase
    outcome: Outcome | None
    message: str
    opened_at: float
    ended_at: float | None

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more is done about it."""
        return self.phase in ENDED

    @property
    def of(self) -> str:
        """Say what it is about."""
        return self.host_name if self.subject is None else f"{self.kind} {self.subject} on {self.host_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofView:
    """One proof that the host is off: what was read, or who said so."""

    uuid: str
    host_name: str
    rung: str
    readings: tuple[PowerReading, ...]
    word: HumanWord | None
    established_at: float
    read_at: float
    valid_until: float
    revoked_at: float | None
    revoked_because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineLine:
    """One line of what happened and why."""

    at: float
    engine: str
    code: str
    facts: Mapping[str, str]
    sentence: str


def find(connection: Connection, uuid: str) -> RecoveryView | None:
    """Return the recovery with `uuid`."""
    row = connection.execute(select(*_SHOWN).where(listing.equals(recoveries.c.uuid, uuid))).one_or_none()
    return None if row is None else _recovery(row)


def find_by_notification(connection: Connection, notification_uuid: str) -> RecoveryView | None:
    """Return the recovery that a notification opened or joined."""
    query = select(*_SHOWN).where(
        recovery_notifications.c.notification_uuid == notification_uuid,
        recoveries.c.uuid == recovery_notifications.c.recovery_uuid,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _recovery(row)


def listed(connection: Connection, conditions: Sequence[ColumnElement[bool]], page: Page) -> list[RecoveryView]:
    """Return a page of the recoveries that meet all `conditions`."""
    rows = listing.read_page(connection, recoveries, _ALL, conditions, page, uuid="uuid")
    return [_recovery(row) for row in rows]


def notifications_of(connection: Connection, uuid: str) -> list[str]:
    """Return the uuids of the recovery's notifications, the one that opened it first."""
    query = select(recovery_notifications.c.notification_uuid).where(recovery_notifications.c.recovery_uuid == uuid)
    first_first = (recovery_notifications.c.is_first.desc(), recovery_notifications.c.notification_uuid)
    return list(connection.scalars(query.order_by(*first_first)))


def moves_of(connection: Connection, uuid: str) -> list[Move]:
    """Return the recovery's moves in their order."""
    query = select(moves.c.state).where(moves.c.recovery_uuid == uuid).order_by(moves.c.position)
    return [from_plain(Move, json.loads(state)) for state in connection.scalars(query)]


def proofs_of(connection: Connection, uuid: str) -> list[ProofView]:
    """Return the recovery's proofs, oldest first, those that died too."""
    query = select(fence_proofs).where(fence_proofs.c.recovery_uuid == uuid).order_by(fence_proofs.c.id)
    return [_proof(row) for row in connection.execute(query)]


def timeline_of(connection: Connection, uuid: str) -> list[TimelineLine]:
    """Return everything that happened, oldest first."""
    query = select(timeline).where(timeline.c.recovery_uuid == uuid).order_by(timeline.c.id)
    return [_line(row) for row in connection.execute(query)]


def _recovery(row: Row[*tuple[Any, ...]]) -> RecoveryView:
    values = dict(row._mapping)
    outcome = values["outcome"]
    phases = {phase.value: phase for phase in KINDS[values["kind"]].phases}
    return RecoveryView(
        **{
            **values,
            "method": values["method"] or None,
            "phase": phases[values["phase"]],
            "outcome": None if outcome is None else Outcome(outcome),
        }
    )


def _proof(row: Row[Any]) -> ProofView:
    evidence = json.loads(row.evidence)
    word = evidence["word"]
    return ProofView(
        uuid=row.uuid,
        host_name=row.host_name,
        rung=row.rung,
        readings=tuple(from_plain(PowerReading, each) for each in evidence["readings"]),
        word=None if word is None else from_plain(HumanWord, word),
        established_at=row.established_at,
        read_at=row.read_at,
        valid_until=row.valid_until,
        revoked_at=row.revoked_at,
        revoked_because=row.revoked_because,
    )


def _line(row: Row[Any]) -> TimelineLine:
    return TimelineLine(at=row.at, engine=row.engine, code=row.code, facts=json.loads(row.facts), sentence=row.sentence)
