"""The `Outbox` port in memory, for scenarios and storms. It passes the same contract tests as the SQL one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmha.adapters import alert_document
from vmha.core.alerting import TryAgain
from vmha.core.effects import AlertKind
from vmha.ports import Delivery, Outlook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vmha.core.alerting import RetryTerms, Verdict
    from vmha.core.effects import Alert
    from vmha.core.incidents import Incident


@dataclass(slots=True, kw_only=True)
class StoredAlert:
    """A row of the alerts table."""

    document: dict[str, Any]
    made_at: float
    is_spread: bool = False


@dataclass(slots=True, kw_only=True)
class StoredDelivery:
    """A row of the deliveries table; `next_at` None says that it is over, `verdict` how."""

    alert: StoredAlert
    webhook: str
    name: str
    next_at: float | None
    attempts: int = 0
    verdict: Verdict | None = None


@dataclass(slots=True)
class MemoryOutbox:
    """Alerts and deliveries as plain objects; `now` is the database's time, and raises where the database is away."""

    now: Callable[[], float]
    alerts: list[StoredAlert] = field(default_factory=list)
    deliveries: list[StoredDelivery] = field(default_factory=list)

    def store(self, recovery: Incident, told: Iterable[Alert], now: float) -> None:
        """Keep alerts of a recovery."""
        for alert in told:
            number = 1 + len(self.of(recovery.uuid))
            document = alert_document.document(recovery, alert, number=number, at=now)
            # As the database does: what is sent was text before, and what cannot be text is found out here.
            self.alerts.append(StoredAlert(document=json.loads(json.dumps(document)), made_at=now))

    def of(self, recovery: str) -> list[dict[str, Any]]:
        """Return the documents of one recovery, oldest first."""
        return [alert.document for alert in self.alerts if alert.document["incident"] == recovery]

    # The port

    def look(self, webhooks: Mapping[str, str], terms: RetryTerms) -> Outlook:
        """Address what is new, close what nobody serves, and find what is due."""
        now, too_old, unserved = self.now(), 0, Counter[str]()
        long_ago = now - terms.give_up_seconds
        for alert in self.alerts:
            is_old = alert.made_at < long_ago
            too_old += is_old and not alert.is_spread
            if not alert.is_spread and not is_old:
                self.deliveries += [
                    StoredDelivery(alert=alert, webhook=key, name=name, next_at=now) for key, name in webhooks.items()
                ]
            alert.is_spread = True
        for row in self.deliveries:
            if row.next_at is not None and row.webhook not in webhooks and row.next_at < long_ago:
                row.next_at = None
                unserved[row.name] += 1
            elif row.next_at is not None and row.next_at > now + terms.longest_wait_seconds:
                row.next_at = now
        due = (row.webhook for row in self.deliveries if row.next_at is not None and row.next_at <= now)
        return Outlook(due=frozenset(due) & webhooks.keys(), too_old=too_old, unserved=unserved)

    def take(self, webhook: str, engine: str, *, seconds: float) -> Delivery | None:
        """Take the oldest that is due."""
        now = self.now()
        for number, row in enumerate(self.deliveries):
            if row.webhook == webhook and row.next_at is not None and row.next_at <= now:
                row.next_at, row.attempts = now + seconds, row.attempts + 1
                return self._delivery(number, row, now)
        return None

    def _delivery(self, number: int, row: StoredDelivery, now: float) -> Delivery:
        document = row.alert.document
        mine = self.of(document["incident"])
        is_reminder = document["kind"] == AlertKind.REMINDER.value
        return Delivery(
            id=number,
            webhook=row.webhook,
            attempt=row.attempts,
            alert=document["id"],
            kind=document["kind"],
            host=document["host"],
            document=json.dumps(document),
            age_seconds=now - row.alert.made_at,
            is_overtaken=is_reminder and document["number"] < len(mine),
        )

    def settle(self, delivery: Delivery, verdict: Verdict) -> bool:
        """Keep what came of it, unless it was taken anew."""
        row, now = self.deliveries[delivery.id], self.now()
        if row.attempts != delivery.attempt or row.next_at is None:
            return False
        row.verdict = verdict
        row.next_at = now + verdict.pause_seconds if isinstance(verdict, TryAgain) else None
        return True
