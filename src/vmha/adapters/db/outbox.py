"""The outbox of alerts in SQL: written in the transaction of what decided them, and emptied by compare-and-swap.

Rules: an alert that is stored is delivered or given up, never forgotten; who takes a delivery gives it a new `next_at` and counts the
attempt, so that nobody else takes it before, and what comes of an older attempt changes nothing; the database's clock decides.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, assert_never

from sqlalchemy import bindparam, func, insert, select, update

from vmha.adapters import alert_document
from vmha.adapters.db import schema
from vmha.adapters.db.connection import sentence, transaction
from vmha.core.alerting import Delivered, GivenUp, Overtaken, TryAgain
from vmha.core.effects import AlertKind
from vmha.ports import Delivery, Outlook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection, Engine, RowMapping

    from vmha.core.alerting import RetryTerms, Verdict
    from vmha.core.effects import Alert
    from vmha.core.explain import Reason
    from vmha.core.incidents import Incident

alerts = schema.alerts
deliveries = schema.alert_deliveries

AT_ONCE = 200
"""Alerts that are addressed in one transaction."""

RACES = 5
"""How often a delivery may be lost to another engine before this one looks again later."""

REPEATED_SECONDS = 3600.0
"""How often at most it is told that the failure of one host was refused."""

_LAST = select(func.max(alerts.c.number)).where(alerts.c.recovery_uuid == bindparam("recovery"))

OVERTAKEN = "not sent: a younger alert of the same incident says how it stands now"
UNSERVED = "no engine has this webhook any more"


def store_alerts(
    connection: Connection, recovery: Incident, told: Iterable[Alert], now: float, *, is_new: bool = False
) -> None:
    """Write alerts of a recovery, whose row the caller's transaction has locked. `is_new`: it was opened in it, and has none yet."""
    mine = list(told)
    if not mine:
        return
    last = 0 if is_new else connection.scalar(_LAST, {"recovery": recovery.uuid}) or 0
    rows = [_row(recovery, alert, number, now) for number, alert in enumerate(mine, last + 1)]
    connection.execute(insert(alerts), rows)


def _row(recovery: Incident, alert: Alert, number: int, now: float) -> dict[str, Any]:
    return {
        "uuid": alert_document.alert_uuid(recovery.uuid, number),
        "recovery_uuid": recovery.uuid,
        "number": number,
        "kind": alert.kind.value,
        "host_name": alert.host,
        "segment_uuid": recovery.segment,
        "code": alert.reason.code.name,
        "document": json.dumps(alert_document.document(recovery, alert, number=number, at=now)),
        "made_at": now,
    }


def store_refusal(connection: Connection, reason: Reason, *, host: str, segment: str) -> bool:
    """Write that the failure of a host was refused, unless that was told of late; monitors repeat what they say. Tell whether it was."""
    now = float(connection.execute(select(func.database_now())).scalar_one())
    same = (alerts.c.recovery_uuid.is_(None), alerts.c.host_name == host, alerts.c.code == reason.code.name)
    late = alerts.c.made_at > now - REPEATED_SECONDS
    if connection.execute(select(alerts.c.id).where(*same, late).limit(1)).first() is not None:
        return False
    _store_bare(connection, alert_document.document_of_refusal(reason, host=host, segment=segment, at=now), now)
    return True


def store_arming(connection: Connection, reason: Reason, *, scope: str, host: str | None, segment: str | None) -> None:
    """Write that a disarming has run out, in the transaction that closes it."""
    now = float(connection.execute(select(func.database_now())).scalar_one())
    document = alert_document.document_of_arming(reason, scope=scope, host=host, segment=segment, at=now)
    _store_bare(connection, document, now)


def _store_bare(connection: Connection, document: dict[str, Any], now: float) -> None:
    """Write an alert of no recovery."""
    connection.execute(
        insert(alerts).values(
            uuid=document["id"],
            number=document["number"],
            kind=document["kind"],
            host_name=document["host"],
            segment_uuid=document["segment"],
            code=document["code"],
            document=json.dumps(document),
            made_at=now,
        )
    )


class SqlOutbox:
    """The `Outbox` port over SQLAlchemy."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, webhooks: Mapping[str, str], terms: RetryTerms) -> Outlook:
        """Address what is new, close what nobody serves, and find what is due."""
        with transaction(self._engine) as connection:
            too_old = _address(connection, webhooks, terms.give_up_seconds)
            unserved = _close_unserved(connection, webhooks, terms.give_up_seconds)
            _cut_times_to_come(connection, terms)
            now, mine = func.database_now(), deliveries.c.webhook.in_(list(webhooks))
            due = select(deliveries.c.webhook).where(deliveries.c.next_at <= now, mine)
            keys = frozenset(connection.scalars(due.distinct()))
        return Outlook(due=keys, too_old=too_old, unserved=unserved)

    def take(self, webhook: str, engine: str, *, seconds: float) -> Delivery | None:
        """Take the oldest that is due; where another engine was faster, the next one."""
        with transaction(self._engine) as connection:
            for _ in range(RACES):
                row = _oldest(connection, webhook)
                if row is None:
                    return None
                if _claim(connection, row, engine, seconds):
                    return _delivery(connection, row)
        return None

    def settle(self, delivery: Delivery, verdict: Verdict) -> bool:
        """Store what came of it, unless it was taken anew."""
        mine = (deliveries.c.id == delivery.id, deliveries.c.attempts == delivery.attempt)
        is_open = deliveries.c.next_at.is_not(None)
        with transaction(self._engine) as connection:
            stored = connection.execute(update(deliveries).where(*mine, is_open).values(**_settled(verdict)))
            return stored.rowcount == 1


def _address(connection: Connection, webhooks: Mapping[str, str], give_up_seconds: float) -> int:
    """Write a delivery to each webhook for each alert that no engine has addressed yet; count those that were too old for it."""
    now = float(connection.execute(select(func.database_now())).scalar_one())
    new = select(alerts.c.uuid, alerts.c.made_at).where(alerts.c.spread_at.is_(None)).order_by(alerts.c.id)
    too_old = 0
    for uuid, made_at in connection.execute(new.limit(AT_ONCE)).all():
        first = update(alerts).where(alerts.c.uuid == uuid, alerts.c.spread_at.is_(None)).values(spread_at=now)
        if connection.execute(first).rowcount != 1:
            continue
        if made_at < now - give_up_seconds:
            too_old += 1
        elif webhooks:
            common = {"alert_uuid": uuid, "attempts": 0, "next_at": now}
            rows = [{**common, "webhook": key, "name": name} for key, name in webhooks.items()]
            connection.execute(insert(deliveries), rows)
    return too_old


def _close_unserved(connection: Connection, webhooks: Mapping[str, str], give_up_seconds: float) -> Counter[str]:
    """Give up what was due for so long that no engine can have its webhook any more; count it by the webhook's name."""
    long_ago = func.database_now() - give_up_seconds
    left = (deliveries.c.next_at < long_ago, deliveries.c.webhook.not_in(list(webhooks)))
    closed: Counter[str] = Counter()
    for number, name in connection.execute(
        select(deliveries.c.id, deliveries.c.name).where(*left).limit(AT_ONCE)
    ).all():
        gone = update(deliveries).where(deliveries.c.id == number, *left)
        values = {"next_at": None, "gave_up_at": func.database_now(), "last_error": UNSERVED}
        closed[name] += connection.execute(gone.values(**values)).rowcount
    return +closed


def _cut_times_to_come(connection: Connection, terms: RetryTerms) -> None:
    now = func.database_now()
    too_far = now + terms.longest_wait_seconds
    connection.execute(update(deliveries).where(deliveries.c.next_at > too_far).values(next_at=now))


def _oldest(connection: Connection, webhook: str) -> RowMapping | None:
    due = (deliveries.c.webhook == webhook, deliveries.c.next_at <= func.database_now())
    wanted = (deliveries.c.id, deliveries.c.webhook, deliveries.c.attempts)
    of_alert = (alerts.c.uuid, alerts.c.recovery_uuid, alerts.c.number, alerts.c.kind, alerts.c.host_name)
    age = (func.database_now() - alerts.c.made_at).label("age_seconds")
    query = select(*wanted, *of_alert, alerts.c.document, age).join(alerts, alerts.c.uuid == deliveries.c.alert_uuid)
    return connection.execute(query.where(*due).order_by(alerts.c.id).limit(1)).mappings().first()


def _claim(connection: Connection, row: RowMapping, engine: str, seconds: float) -> bool:
    now = func.database_now()
    still = (deliveries.c.id == row["id"], deliveries.c.attempts == row["attempts"], deliveries.c.next_at <= now)
    values = {"attempts": row["attempts"] + 1, "next_at": now + seconds, "claimed_by": engine}
    return connection.execute(update(deliveries).where(*still).values(**values)).rowcount == 1


def _delivery(connection: Connection, row: RowMapping) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook=row["webhook"],
        attempt=row["attempts"] + 1,
        alert=row["uuid"],
        kind=row["kind"],
        host=row["host_name"],
        document=row["document"],
        age_seconds=float(row["age_seconds"]),
        is_overtaken=row["kind"] == AlertKind.REMINDER.value and _has_younger(connection, row),
    )


def _has_younger(connection: Connection, row: RowMapping) -> bool:
    younger = (alerts.c.recovery_uuid == row["recovery_uuid"], alerts.c.number > row["number"])
    return connection.execute(select(alerts.c.id).where(*younger).limit(1)).first() is not None


def _settled(verdict: Verdict) -> dict[str, Any]:
    now = func.database_now()
    match verdict:
        case Delivered():
            return {"next_at": None, "delivered_at": now, "last_error": None}
        case Overtaken():
            return {"next_at": None, "gave_up_at": now, "last_error": OVERTAKEN}
        case TryAgain():
            return {"next_at": now + verdict.pause_seconds, "last_error": sentence(verdict.why)}
        case GivenUp():
            return {"next_at": None, "gave_up_at": now, "last_error": sentence(verdict.why)}
        case _:
            assert_never(verdict)
