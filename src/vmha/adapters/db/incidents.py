"""Opens and feeds recoveries inside the API's own transactions: an accepted notification and its incident are stored together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from vmha.adapters.db import outbox, schema
from vmha.adapters.db.connection import sentence
from vmha.core.alerting import alerts_of
from vmha.core.events import Notified
from vmha.core.model import DetectorWord, RecoveryMethod
from vmha.core.plain import event_to_plain, to_plain
from vmha.core.recovery import open_recovery

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vmha.core.events import Event
    from vmha.core.explain import Reason

recoveries = schema.recoveries
_IS_OPEN = recoveries.c.open_key == bindparam("key")
_OPEN_ONE = select(recoveries.c.uuid).where(_IS_OPEN)
_TOUCH_OPEN_ONE = update(recoveries).where(_IS_OPEN).values(wake_at=func.database_now())
_PUT = insert(schema.inbox).values(created_at=func.database_now())
_NOW = select(func.database_now())


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """An accepted notification that a host stopped; `says_off` with host_status NORMAL, which is that it is off."""

    notification_uuid: str
    host_uuid: str
    host_name: str
    segment_uuid: str
    method: str
    says_off: bool

    @property
    def open_key(self) -> str:
        """Return the key that no two open recoveries may share."""
        return f"host:{self.host_uuid}"


def report_host(connection: Connection, report: HostReport) -> str:
    """Open the recovery of the host, or join the one that is open; return its uuid.

    Joining touches the recovery's row, so that it and the commit that ends the recovery cannot pass each other unseen.
    """
    known = _join(connection, report)
    if known is not None:
        return known
    try:
        with connection.begin_nested():
            return _open(connection, report)
    except (IntegrityError, DBDuplicateEntry):
        known = _join(connection, report)
        if known is None:  # opened by another API process and ended since: open our own
            return _open(connection, report)
        return known


def say(connection: Connection, recovery_uuid: str, event: Event) -> None:
    """Put a human's word into the inbox of the recovery and let its engine look at once."""
    _put(connection, recovery_uuid, event)
    connection.execute(update(recoveries).where(recoveries.c.uuid == recovery_uuid).values(wake_at=func.database_now()))


def tell(connection: Connection, recovery_uuid: str, reason: Reason, *, at: float) -> None:
    """Add a line to the timeline of the recovery."""
    line = {
        "recovery_uuid": recovery_uuid,
        "at": at,
        "engine": "api",
        "code": reason.code.name,
        "facts": json.dumps(dict(reason.facts)),
        "sentence": sentence(reason.sentence),
    }
    connection.execute(insert(schema.timeline), line)


def _join(connection: Connection, report: HostReport) -> str | None:
    key = {"key": report.open_key}
    if connection.execute(_TOUCH_OPEN_ONE, key).rowcount == 0:
        return None
    uuid: str = connection.execute(_OPEN_ONE, key).scalar_one()
    _attach(connection, uuid, report.notification_uuid, is_first=False)
    _put(connection, uuid, Notified(notification=report.notification_uuid, says_off=report.says_off))
    return uuid


def _put(connection: Connection, recovery_uuid: str, event: Event) -> None:
    values = {"recovery_uuid": recovery_uuid, "event": json.dumps(event_to_plain(event))}
    connection.execute(_PUT, values)


def _open(connection: Connection, report: HostReport) -> str:
    now = float(connection.execute(_NOW).scalar_one())
    uuid = str(uuid4())
    state, decision = open_recovery(
        uuid=uuid,
        host=report.host_name,
        host_uuid=report.host_uuid,
        segment=report.segment_uuid,
        method=RecoveryMethod(report.method),
        now=now,
        detector=DetectorWord(report.notification_uuid, now) if report.says_off else None,
    )
    row = {
        "uuid": uuid,
        "kind": "host",
        "open_key": report.open_key,
        "host_uuid": report.host_uuid,
        "host_name": report.host_name,
        "segment_uuid": report.segment_uuid,
        "method": report.method,
        "phase": state.phase.value,
        "message": sentence(state.reason.sentence),
        "state": json.dumps(to_plain(state)),
        "version": 1,
        "opened_at": now,
        "wake_at": now,
        "epoch": 0,
    }
    connection.execute(insert(recoveries), row)
    _attach(connection, uuid, report.notification_uuid, is_first=True)
    for reason in decision.reasons:
        tell(connection, uuid, reason, at=now)
    outbox.store_alerts(connection, state, alerts_of(state, state, decision.effects), now, is_new=True)
    return uuid


def _attach(connection: Connection, recovery: str, notification: str, *, is_first: bool) -> None:
    values = {"notification_uuid": notification, "recovery_uuid": recovery, "is_first": is_first}
    connection.execute(insert(schema.recovery_notifications), values)
