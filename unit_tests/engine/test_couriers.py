"""Couriers deliver what is stored, once where all goes well, again where it does not, and give up in time."""

from __future__ import annotations

import json
import logging

import pytest

from unit_tests.engine.alert_rig import POST_SECONDS, TERMS, FakeWebhook, courier, dispatcher, failing
from unit_tests.engine.loop_rig import HandClock
from unit_tests.ports.outbox_contract import tell
from unit_tests.ports.store_contract import own
from unit_tests.ports.test_memory_store import MemoryRig
from unit_tests.ports.webhook_contract import WebhookContract
from vmha.core.alerting import CLAIM_MARGIN_SECONDS, GivenUp
from vmha.core.effects import AlertKind
from vmha.errors import StoreUnavailable
from vmha.ports import WebhookFailed

DOWN = WebhookFailed("it answered 500")


class FakeHarness:
    """The webhook of these tests."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.webhook = FakeWebhook("w", self.clock)

    def take(self) -> None:
        """Raise nothing."""
        failing(self.webhook, None)

    def refuse(self) -> None:
        """Raise."""
        failing(self.webhook, DOWN)

    def hang(self) -> None:
        """Take a minute."""
        self.webhook.seconds = 60.0

    def taken(self) -> list[str]:
        """Return what was taken."""
        return [json.dumps(document) for document in self.webhook.taken]


class TestFakeWebhook(WebhookContract):
    """The fake keeps the contract of the real one."""

    @pytest.fixture
    def harness(self) -> FakeHarness:
        """Give the fake."""
        return FakeHarness()


class Rig:
    """A store with an outbox, and one engine with a courier for each of two webhooks. Both clocks go together."""

    def __init__(self) -> None:
        self.memory = MemoryRig()
        self.clock = HandClock()
        self.outbox = self.memory.outbox
        self.one, self.other = FakeWebhook("one", self.clock), FakeWebhook("other", self.clock)
        self.results: list[tuple[str, str]] = []
        heard = {"on_result": lambda webhook, result: self.results.append((webhook, result))}
        self.couriers = [courier(webhook, self.outbox, **heard) for webhook in (self.one, self.other)]
        self.dispatcher = dispatcher(self.outbox, *self.couriers)

    def deliver(self) -> list[bool]:
        """Let the engine look once, and each courier work once."""
        due = self.dispatcher.look()
        return [each.deliver_due() for each in self.couriers if each.webhook.key in due]

    def pass_time(self, seconds: float) -> None:
        """Let time pass everywhere."""
        self.memory.pass_time(seconds)
        self.clock.sleep(seconds)


@pytest.fixture
def rig() -> Rig:
    """Two webhooks that take everything."""
    return Rig()


def test_each_webhook_gets_each_alert_once(rig: Rig) -> None:
    """What was stored is taken by both, in order, and then nothing is due any more."""
    owner = own(rig.memory)
    tell(owner)
    assert rig.deliver() == [True, True]
    assert rig.deliver() == []
    for webhook in (rig.one, rig.other):
        assert [alert["kind"] for alert in webhook.taken] == ["opened", "waits"]
        assert [attempt for _, attempt in webhook.attempts] == [1, 1]
    assert rig.results == [("receiver one", "delivered")] * 2 + [("receiver other", "delivered")] * 2


def test_one_that_fails_delays_no_other(rig: Rig) -> None:
    """While one webhook fails, the other has everything at once."""
    failing(rig.one, DOWN)
    own(rig.memory)
    own(rig.memory, "c2")
    assert rig.deliver() == [False, True]
    assert len(rig.other.taken) == 2
    assert rig.one.taken == []


def test_a_courier_rests_after_a_failure(rig: Rig) -> None:
    """However much is due, one failure ends the round: a receiver in trouble is not hurried."""
    failing(rig.one, DOWN)
    for host in ("c1", "c2", "c3"):
        own(rig.memory, host)
    rig.deliver()
    assert len(rig.one.attempts) == 1


def test_a_failure_is_tried_again_with_growing_pauses(rig: Rig) -> None:
    """Each attempt has its number and comes when its pause is over; the id stays the same."""
    failing(rig.one, DOWN, DOWN, DOWN, None)
    own(rig.memory)
    seen = []
    for _ in range(100):
        rig.deliver()
        seen.append(len(rig.one.attempts))
        rig.pass_time(0.999)  # and a millisecond of the database's
    # After 5, 10 and 20 s, seen at the next look.
    assert [seen.index(count) for count in (1, 2, 3, 4)] == [0, 5, 15, 35]
    assert [attempt for _, attempt in rig.one.attempts] == [1, 2, 3, 4]
    assert len({alert for alert, _ in rig.one.attempts}) == 1
    assert len(rig.one.taken) == 1


def test_it_gives_up_in_time_and_says_so(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """An alert that nobody took until it was too old is given up, in one line at level ERROR; the failures before are one warning."""
    failing(rig.one, DOWN)
    own(rig.memory)
    with caplog.at_level(logging.INFO, logger="vmha"):
        for _ in range(200):
            rig.deliver()
            rig.pass_time(30.0)
    (mine,) = (row for row in rig.outbox.deliveries if row.webhook == "one")
    assert mine.verdict == GivenUp(why="it answered 500")
    given_up = [record for record in caplog.records if record.message == "alert-given-up"]
    assert [record.levelno for record in given_up] == [logging.ERROR]
    assert "masakari-manage alerts list" in given_up[0].fields["says"]  # type: ignore[attr-defined]
    assert [record.message for record in caplog.records].count("webhook-failing") == 1
    assert rig.one.attempts[-1][1] < 70
    assert rig.results.count(("receiver one", "given_up")) == 1
    assert rig.results.count(("receiver one", "failed")) == len(rig.one.attempts) - 1


def test_a_webhook_that_is_well_again_is_said_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """After failures the first success is a line of the log; further ones are none."""
    failing(rig.one, DOWN, None)
    own(rig.memory)
    with caplog.at_level(logging.INFO, logger="vmha"):
        for _ in range(10):
            rig.deliver()
            rig.pass_time(2.0)
        own(rig.memory, "c2")
        rig.deliver()
    assert [record.message for record in caplog.records].count("webhook-well") == 1


def test_reminders_do_not_pile_up(rig: Rig) -> None:
    """After an outage of the receiver the wait, the last reminder and the end are delivered, not all reminders between."""
    failing(rig.one, DOWN)
    owner = own(rig.memory)
    tell(owner)
    for _ in range(5):
        tell(owner, AlertKind.REMINDER)
    rig.deliver()
    failing(rig.one, None)
    for _ in range(10):
        rig.pass_time(20.0)
        rig.deliver()
    kinds = [alert["kind"] for alert in rig.one.taken]
    assert sorted(kinds) == ["opened", "reminder", "waits"]
    assert rig.one.taken[kinds.index("reminder")]["number"] == 7
    assert rig.results.count(("receiver one", "overtaken")) == 4


def test_a_defect_in_the_webhook_is_a_failure(rig: Rig) -> None:
    """Whatever is raised there, the alert is tried again and the courier lives."""
    failing(rig.one, ZeroDivisionError("oops"), None)
    own(rig.memory)
    assert rig.deliver() == [False, True]
    (mine,) = (row for row in rig.outbox.deliveries if row.webhook == "one")
    assert "unexpected ZeroDivisionError: oops" in getattr(mine.verdict, "why", "")
    rig.pass_time(5.0)
    assert rig.deliver() == [True]


def test_who_was_stopped_before_posting_posts_nothing(rig: Rig) -> None:
    """An engine that slept between taking and posting does not post what another one has delivered meanwhile."""
    own(rig.memory)
    rig.dispatcher.look()
    sleeper = courier(rig.one, Sleepy(rig), "engine-2")
    assert sleeper.deliver_due() is False
    assert rig.one.taken == []
    rig.pass_time(TERMS.retry_seconds)
    rig.deliver()
    assert len(rig.one.taken) == 1


class Sleepy:
    """An outbox whose caller is stopped for a minute after it took something."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def __getattr__(self, name: str) -> object:
        """Pass on."""
        return getattr(self._rig.outbox, name)

    def take(self, webhook: str, engine: str, *, seconds: float) -> object:
        """Take it, and sleep."""
        taken = self._rig.outbox.take(webhook, engine, seconds=seconds)
        self._rig.clock.sleep(60.0)
        return taken


def test_a_database_that_is_away_after_the_post_costs_no_second_one(rig: Rig) -> None:
    """What came of a delivery is kept and stored before the next one is taken."""
    own(rig.memory)
    own(rig.memory, "c2")
    rig.one.during = lambda: setattr(rig.memory.store, "away_until", rig.memory.now + 5.0)
    rig.dispatcher.look()
    with pytest.raises(StoreUnavailable):
        rig.couriers[0].deliver_due()
    rig.one.during = lambda: None
    with pytest.raises(StoreUnavailable):
        rig.couriers[0].deliver_due()
    rig.pass_time(5.0)
    assert rig.couriers[0].deliver_due() is True
    rig.pass_time(POST_SECONDS + CLAIM_MARGIN_SECONDS)
    assert rig.couriers[0].deliver_due() is True
    assert [attempt for _, attempt in rig.one.attempts] == [1, 1]
    assert len({alert for alert, _ in rig.one.attempts}) == 2


def test_who_is_too_late_to_store_an_outcome_says_so(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Where another engine took it meanwhile, the receiver may get it twice: with the same id, and a line of the log."""
    own(rig.memory)
    rig.dispatcher.look()
    other = courier(rig.one, rig.outbox, "engine-2")

    def oversleep() -> None:
        rig.one.during = lambda: None
        rig.memory.pass_time(POST_SECONDS + CLAIM_MARGIN_SECONDS)
        assert other.deliver_due()

    rig.one.during = oversleep
    with caplog.at_level(logging.WARNING, logger="vmha"):
        rig.couriers[0].deliver_due()
    assert [record.message for record in caplog.records] == ["alert-taken-anew"]
    assert [attempt for _, attempt in rig.one.attempts] == [1, 2]
    assert len({alert["id"] for alert in rig.one.taken}) == 1
    assert rig.deliver() == [True]  # the other webhook's
    assert len(rig.one.attempts) == 2


def test_what_was_closed_unsent_is_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Alerts too old for anybody, and those of a webhook that is configured no more, are an ERROR each, once."""
    own(rig.memory)
    rig.pass_time(TERMS.give_up_seconds)
    own(rig.memory, "c2")
    gone = FakeWebhook("gone", rig.clock)
    with caplog.at_level(logging.ERROR, logger="vmha"):
        dispatcher(rig.outbox, courier(gone, rig.outbox)).look()
        rig.pass_time(TERMS.give_up_seconds)
        for _ in range(2):
            rig.deliver()
    assert [record.message for record in caplog.records] == ["alerts-too-old", "alerts-unserved"]
    assert caplog.records[1].fields["webhook"] == "receiver gone"  # type: ignore[attr-defined]
