"""Alerts as people read them: what was told, and what came of it at each webhook."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from vmha.adapters.db.outbox import OVERTAKEN
from vmha.adapters.db.schema import alert_deliveries as deliveries
from vmha.adapters.db.schema import alerts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """An alert at one webhook; times are seconds since the epoch. `next_at` is None once it is over."""

    webhook: str
    attempts: int
    next_at: float | None
    delivered_at: float | None
    gave_up_at: float | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One alert; `is_addressed` tells whether an engine has given it to its webhooks."""

    document: Mapping[str, Any]
    made_at: float
    is_addressed: bool
    deliveries: tuple[DeliveryView, ...]


def listed(connection: Connection, *, everything: bool, limit: int) -> list[AlertView]:
    """Return the youngest alerts, the youngest first: all, or those that some webhook has not taken."""
    query = select(alerts.c.uuid, alerts.c.document, alerts.c.made_at, alerts.c.spread_at)
    wanted = query if everything else query.where(or_(alerts.c.spread_at.is_(None), _is_undelivered()))
    rows = connection.execute(wanted.order_by(alerts.c.id.desc()).limit(limit)).all()
    found: dict[str, list[DeliveryView]] = {row.uuid: [] for row in rows}
    of_these = select(deliveries).where(deliveries.c.alert_uuid.in_(list(found))).order_by(deliveries.c.id)
    for row in connection.execute(of_these) if found else ():
        found[row.alert_uuid].append(_delivery(row))
    return [
        AlertView(
            document=json.loads(row.document),
            made_at=row.made_at,
            is_addressed=row.spread_at is not None,
            deliveries=tuple(found[row.uuid]),
        )
        for row in rows
    ]


def _is_undelivered() -> ColumnElement[bool]:
    """Tell whether it is on its way somewhere, or was given up there; what a younger alert overtook is not missed."""
    given_up = and_(deliveries.c.gave_up_at.is_not(None), deliveries.c.last_error != OVERTAKEN)
    mine = deliveries.c.alert_uuid == alerts.c.uuid
    return select(deliveries.c.id).where(mine, or_(deliveries.c.next_at.is_not(None), given_up)).exists()


def _delivery(row: Row[Any]) -> DeliveryView:
    return DeliveryView(
        webhook=row.name,
        attempts=row.attempts,
        next_at=row.next_at,
        delivered_at=row.delivered_at,
        gave_up_at=row.gave_up_at,
        last_error=row.last_error,
    )
