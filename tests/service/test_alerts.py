"""Alerts of real engines on their way to real receivers, across the death of the engine that posts one."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable

import pytest

from tests.service.stories import ALERT_SECRET, Outcomes
from unit_tests.adapters.receiver import Posted
from unit_tests.alert_schema import check_incident

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("killed_while_posting")]


@pytest.fixture
def killed_while_posting(tell: Callable[[str], Outcomes]) -> Outcomes:
    """Give what came of the story."""
    return tell("killed_while_posting")


def test_what_was_on_its_way_comes_again_and_nothing_else(killed_while_posting: Outcomes) -> None:
    """The alert that the dead engine was posting arrives twice, with one id and two attempts; every other one arrives once."""
    posted: list[Posted] = killed_while_posting.notes["posted"]
    attempts = [(each.headers["x-vmha-alert"], each.headers["x-vmha-attempt"]) for each in posted]
    first, _ = attempts[0]
    assert sorted(attempt for alert, attempt in attempts if alert == first) == ["1", "2"]
    others = Counter(alert for alert, _ in attempts if alert != first)
    assert set(others.values()) == {1}
    stored = {alert["id"] for alert in killed_while_posting.notes["stored"]}
    assert {first, *others} == stored


def test_the_story_is_whole(killed_while_posting: Outcomes) -> None:
    """What was stored are the alerts of one recovery that recovered, as the schema has them; what arrived is that, to the byte."""
    stored = killed_while_posting.notes["stored"]
    check_incident(stored, outcome="recovered", waits=False)
    by_id = {alert["id"]: alert for alert in stored}
    for posted in killed_while_posting.notes["posted"]:
        assert posted.alert == by_id[posted.alert["id"]]
        at, _, signature = posted.headers["x-vmha-signature"].partition(",v1=")
        signed = at.removeprefix("t=").encode() + b"." + posted.body
        assert hmac.compare_digest(signature, hmac.new(ALERT_SECRET.encode(), signed, hashlib.sha256).hexdigest())


def test_the_other_webhooks_are_told_of_and_left_behind(killed_while_posting: Outcomes) -> None:
    """The one that hangs is tried again and again, the one with a wrong certificate gets nothing; each engine says once what is wrong."""
    assert killed_while_posting.notes["strange"] == []
    assert killed_while_posting.notes["mute"]
    lines = killed_while_posting.log_lines("webhook-failing")
    assert any("certificate that is not trusted" in line for line in lines)
    assert any(
        re.search(r"did not answer within \d+ s", line) for line in lines
    )  # what is left of 15 s when it is sent
    assert len(lines) <= 4


def test_two_engines_on_one_port_are_no_trouble(killed_while_posting: Outcomes) -> None:
    """One engine shows its metrics, the other says that it cannot, and both work."""
    assert len(killed_while_posting.log_lines("metrics-served")) == 1
    assert len(killed_while_posting.log_lines("metrics-not-served")) == 1


def test_the_api_shows_what_is_left(killed_while_posting: Outcomes) -> None:
    """/metrics of the API, asked without a token, counts what is on its way to the webhooks that take nothing."""
    shown = killed_while_posting.notes["api"]
    assert "vmha_database_up 1.0" in shown
    assert shown.count("vmha_alerts_undelivered{webhook=") == 2
