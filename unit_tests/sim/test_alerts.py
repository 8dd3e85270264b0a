"""Alerts of whole storms: each recovery's tell its story, and a webhook that always fails, or hangs, changes nothing of any recovery."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from unit_tests.alert_schema import check_incident
from unit_tests.engine.alert_rig import FakeWebhook, courier, dispatcher, failing
from vmha.core.alerting import Delivered, GivenUp, Overtaken
from vmha.core.model import Recovery
from vmha.engine.couriers import Courier
from vmha.errors import StoreUnavailable
from vmha.ports import WebhookFailed
from vmha.sim.ports import SimClock
from vmha.sim.storm import Storm

SEEDS = range(12)
MORE_SEEDS = range(12, 48)
LOOK_SECONDS = 2.0
ALERT_SECONDS = 300.0
"""After so long in a wait humans were told in any case; waits that may mend themselves are told after a tenth of it."""


class Told:
    """A storm whose two engines have couriers, in the storm's own time."""

    def __init__(self, seed: int, *trouble: Exception | None) -> None:
        self.storm = Storm(seed)
        self.world = self.storm.world
        outbox = self.storm.rig.memory.outbox
        self.webhook = FakeWebhook("w", SimClock(self.world))
        failing(self.webhook, *trouble)
        self.couriers = [courier(self.webhook, outbox, engine) for engine in self.storm.rig.actors]
        self.dispatchers = [dispatcher(outbox, each) for each in self.couriers]
        self._round()

    def _round(self) -> None:
        for looks, delivers in zip(self.dispatchers, self.couriers, strict=True):
            self._deliver(looks.look, delivers)
        self.world.after(LOOK_SECONDS, self._round)

    def _deliver(self, look: object, delivers: Courier) -> None:
        try:
            look()  # type: ignore[operator]
            delivers.deliver_due()
        except StoreUnavailable:
            return


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Storms log more than anybody reads."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def check_story(storm: Storm) -> int:
    """See that the alerts of each recovery tell its story; return how many there were."""
    memory = storm.rig.memory
    for row in memory.rows.values():
        state = row.state
        is_long = storm.world.now - state.phase_since > ALERT_SECONDS
        outcome = state.outcome.value if state.outcome else None
        is_host = isinstance(state, Recovery)
        waits = is_host and state.phase.is_wait and is_long and not away(storm)
        check_incident(memory.outbox.of(state.uuid), outcome=outcome, waits=waits, is_host=is_host)
    return len(memory.outbox.alerts)


def away(storm: Storm) -> bool:
    """Tell whether nobody could have told anything: no engine runs."""
    return all(actor.is_dead or actor.is_paused for actor in storm.rig.actors.values())


def play(seed: int) -> None:
    """Play a storm as it is, and once more with a webhook that fails all the time; compare what happened."""
    plain = Storm(seed)
    plain.run()
    assert check_story(plain) > 0
    told = Told(seed, WebhookFailed("nobody is there"))
    result = told.storm.run()
    assert told.world.record.facts == plain.world.record.facts
    assert result.violations == []
    assert told.webhook.attempts
    assert told.webhook.taken == []
    ours, theirs = told.storm.rig.memory, plain.rig.memory
    assert [row.timeline for row in ours.rows.values()] == [row.timeline for row in theirs.rows.values()]
    assert [alert.document for alert in ours.outbox.alerts] == [alert.document for alert in theirs.outbox.alerts]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_webhook_that_always_fails_changes_nothing(seed: int) -> None:
    """To the last order and sentence a storm is the same with a webhook that never takes anything; no promise is broken."""
    play(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_more_storms_with_a_failing_webhook(seed: int) -> None:
    """The same for more of them."""
    play(seed)


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_a_webhook_that_fails_now_and_then_has_everything_in_the_end(seed: int) -> None:
    """Between two engines every alert is delivered once, but for reminders that were overtaken; the story is whole."""
    told = Told(seed, *[WebhookFailed("not now"), None, None] * 40, None)
    told.storm.run()
    told.storm.rig.memory.away_until = 0.0
    told.world.advance(told.world.now + 2 * ALERT_SECONDS)
    check_story(told.storm)
    rows = told.storm.rig.memory.outbox.deliveries
    young = told.world.now - LOOK_SECONDS
    assert all(
        isinstance(row.verdict, Delivered | Overtaken) or row.alert.made_at >= young
        for row in rows
        if not isinstance(row.verdict, GivenUp)
    )
    ids = [alert["id"] for alert in told.webhook.taken]
    assert len(ids) == len(set(ids)) > 0
    missing = {row.alert.document["kind"] for row in rows if isinstance(row.verdict, Overtaken)}
    assert missing <= {"reminder"}
