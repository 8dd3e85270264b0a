"""A webhook without a network, and couriers over any outbox, for tests in virtual time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vmha.core.alerting import RetryTerms
from vmha.engine.couriers import Courier, Dispatcher
from vmha.ports import Clock, Deadline, Outbox, WebhookFailed

TERMS = RetryTerms(retry_seconds=5.0, longest_retry_seconds=60.0, give_up_seconds=3600.0)
POST_SECONDS = 10.0


@dataclass(slots=True)
class FakeWebhook:
    """Takes what the test lets it take. `troubles` are raised one after the other; the last one stays, none is a success."""

    key: str
    clock: Clock
    troubles: deque[Exception | None] = field(default_factory=deque)
    taken: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[tuple[str, int]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """A name for humans."""
        return f"receiver {self.key}"

    def post(self, document: str, *, alert: str, attempt: int, deadline: Deadline) -> str:
        """Take it, or fail."""
        if self.clock.monotonic() >= deadline.at:
            raise WebhookFailed("no time was left")
        self.attempts.append((alert, attempt))
        self.during()
        if self.clock.monotonic() + self.seconds > deadline.at:
            self.clock.sleep(max(deadline.at - self.clock.monotonic(), 0.0))
            raise WebhookFailed("did not answer in time")
        trouble = self.troubles[0] if self.troubles else None
        if len(self.troubles) > 1:
            self.troubles.popleft()
        if trouble is not None:
            raise trouble
        self.taken.append(json.loads(document))
        return "204 No Content"


def failing(webhook: FakeWebhook, *troubles: Exception | None) -> None:
    """Set what comes next: a failure, or None for a success."""
    webhook.troubles = deque(troubles)


def courier(webhook: FakeWebhook, outbox: Outbox, engine: str = "engine-1", **more: Any) -> Courier:
    """Build a courier."""
    return Courier(
        webhook=webhook,
        outbox=outbox,
        engine=engine,
        clock=webhook.clock,
        **{"terms": TERMS, "post_seconds": POST_SECONDS, **more},
    )


def dispatcher(outbox: Outbox, *couriers: Courier) -> Dispatcher:
    """Build the dispatcher of an engine with these couriers."""
    return Dispatcher(outbox=outbox, couriers={each.webhook.key: each for each in couriers}, terms=TERMS)
