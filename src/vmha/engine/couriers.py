"""Delivers stored alerts to webhooks, beside the loop: nothing here decides on a recovery, and no recovery waits for anything here.

Rules: each webhook has a courier of its own, so that one that hangs delays no other; a courier takes an alert, posts it once within
its time, and stores what came of it; after a failure it rests, however much is due.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmha.core.alerting import CLAIM_MARGIN_SECONDS, Delivered, GivenUp, Overtaken, TryAgain, after_failure
from vmha.logs import log
from vmha.ports import Deadline, WebhookFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vmha.core.alerting import RetryTerms, Verdict
    from vmha.ports import Clock, Delivery, Outbox, Webhook

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Alerts that a courier delivers in one round, before it looks whether it shall stop."""

RESULTS = {Delivered: "delivered", Overtaken: "overtaken", TryAgain: "failed", GivenUp: "given_up"}
"""What metrics call what came of a delivery."""


def _nobody(_webhook: str, _result: str) -> None:
    """Tell nobody."""


@dataclass(slots=True, kw_only=True)
class Courier:
    """Delivers to one webhook, for one engine. Not thread safe: one thread calls `deliver_due()`."""

    webhook: Webhook
    outbox: Outbox
    engine: str
    clock: Clock
    terms: RetryTerms
    post_seconds: float
    on_result: Callable[[str, str], None] = _nobody
    unsettled: tuple[Delivery, Verdict] | None = None
    is_failing: bool = False

    def deliver_due(self) -> bool:
        """Deliver what is due, oldest first. Tell whether the webhook took all of it; False: let it rest. Raises `StoreUnavailable`."""
        if self.unsettled is not None:
            self._settle(*self.unsettled)
        for _ in range(AT_ONCE):
            # The time runs from before it is taken: who was stopped in between posts nothing that another engine may have taken since.
            deadline = Deadline(at=self.clock.monotonic() + self.post_seconds)
            delivery = self.outbox.take(self.webhook.key, self.engine, seconds=self.post_seconds + CLAIM_MARGIN_SECONDS)
            if delivery is None:
                return True
            verdict = self._deliver(delivery, deadline)
            self.unsettled = (delivery, verdict)
            self._settle(delivery, verdict)
            if isinstance(verdict, TryAgain | GivenUp):
                return False
        return True

    def _deliver(self, delivery: Delivery, deadline: Deadline) -> Verdict:
        """Post it, unless a younger alert says more."""
        if delivery.is_overtaken:
            return Overtaken()
        try:
            self.webhook.post(delivery.document, alert=delivery.alert, attempt=delivery.attempt, deadline=deadline)
        except WebhookFailed as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - a defect there is a failure like any other: it is tried again, and told
            why = f"{self.webhook.name}: unexpected {type(error).__name__}: {error}"
        else:
            self._note_well()
            return Delivered()
        self._note_failure(why)
        return after_failure(why, attempt=delivery.attempt, age_seconds=delivery.age_seconds, terms=self.terms)

    def _settle(self, delivery: Delivery, verdict: Verdict) -> None:
        """Store what came of it; where the database is away that is done before the next one is taken."""
        is_mine = self.outbox.settle(delivery, verdict)
        self.unsettled = None
        if not is_mine:
            says = "it was taken by another engine before this was stored, and may be delivered twice"
            log(logger, "alert-taken-anew", level=logging.WARNING, alert=delivery.alert, host=delivery.host, says=says)
            return
        self.on_result(self.webhook.name, RESULTS[type(verdict)])
        if isinstance(verdict, GivenUp):
            log(
                logger,
                "alert-given-up",
                level=logging.ERROR,
                webhook=self.webhook.name,
                alert=delivery.alert,
                kind=delivery.kind,
                host=delivery.host,
                attempts=delivery.attempt,
                says=f"{verdict.why}; see: masakari-manage alerts list",
            )

    def _note_failure(self, why: str) -> None:
        """Say once that the webhook fails, not for each alert."""
        if not self.is_failing:
            log(logger, "webhook-failing", level=logging.WARNING, webhook=self.webhook.name, says=f"{why}; tried again")
        self.is_failing = True

    def _note_well(self) -> None:
        if self.is_failing:
            log(logger, "webhook-well", webhook=self.webhook.name)
        self.is_failing = False


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """Looks at the outbox for all couriers of an engine. Not thread safe: one thread calls `look()`."""

    outbox: Outbox
    couriers: Mapping[str, Courier]
    terms: RetryTerms
    names: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Know the webhooks by their keys."""
        self.names = {key: courier.webhook.name for key, courier in self.couriers.items()}

    def look(self) -> frozenset[str]:
        """Address what is new, say what was closed unsent, and return the webhooks for which something is due."""
        found = self.outbox.look(self.names, self.terms)
        if found.too_old:
            says = (
                f"they were made more than {self.terms.give_up_seconds:g} s ago, and no engine with a webhook ran since"
            )
            log(logger, "alerts-too-old", level=logging.ERROR, count=found.too_old, says=says)
        for webhook, count in found.unserved.items():
            says = "no engine has this webhook any more"
            log(logger, "alerts-unserved", level=logging.ERROR, webhook=webhook, count=count, says=says)
        return found.due
