"""Database, broker, Nova and Keystone go away, and the service itself is restarted: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.service.stories import ALERT_SECRET, INSTANCES, STORIES, VICTIM, Outcomes
from vmha.core.model import Outcome
from vmha.sim.checker import check

pytestmark = pytest.mark.timeout(600)

Tell = Callable[[str], Outcomes]
PROMPT_SECONDS = 40.0
"""The time of an order, and much more for a busy machine; who waited for what hangs or is away would take a minute."""
AWAY = {"nova_away": "Nova", "keystone_away": "Keystone"}
HAS_LOG_LINES = 200
"""More lines than any of these stories has to tell; a log that is flooded has thousands."""


@pytest.mark.parametrize("story", STORIES)
def test_the_recovery_ends_well(story: str, tell: Tell) -> None:
    """Whatever was away, the recovery that was accepted ends recovered."""
    told = tell(story)
    assert told.outcome is Outcome.RECOVERED, told.sentences


@pytest.mark.parametrize("story", STORIES)
def test_each_instance_is_evacuated_once(story: str, tell: Tell) -> None:
    """Nova took exactly one evacuation of each instance, each runs once, elsewhere, and no promise was broken."""
    told = tell(story)
    assert len(told.evacuated) == INSTANCES
    assert set(Counter(told.evacuated).values()) == {1}
    assert check(told.facts) == []
    running: dict[str, list[str]] = {}
    for fact in told.facts:
        if fact["what"] == "guest":
            hosts = running.setdefault(fact["instance"], [])
            (hosts.append if fact["runs"] else hosts.remove)(fact["host"])
    assert all(len(running[instance]) == 1 and running[instance] != [VICTIM] for instance in told.evacuated)


@pytest.mark.parametrize("story", STORIES)
def test_the_log_is_quiet(story: str, tell: Tell) -> None:
    """No program crashed or flooded its log, and no password stands in it."""
    for name, log in tell(story).logs.items():
        assert "Traceback" not in log, name
        assert len(log.splitlines()) < HAS_LOG_LINES, name
        assert "secret-of-broker" not in log
        assert ALERT_SECRET not in log


@pytest.mark.parametrize("story", AWAY)
def test_a_recovery_that_cannot_go_on_says_so(story: str, tell: Tell) -> None:
    """While Nova or Keystone is away the timeline says who did not answer, once, and the moves go on afterwards."""
    told = tell(story)
    away = [sentence for code, sentence in zip(told.codes, told.sentences, strict=True) if code == "NOVA_AWAY"]
    assert len(away) == 1
    assert (
        AWAY[story] in away[0] or "token" in away[0]
    )  # the first to notice may be a Nova that no longer knows our token
    assert told.codes.index("NOVA_AWAY") < len(told.codes) - 1


@pytest.mark.parametrize("story", ["restarted"])
def test_sigterm_gives_the_work_back(story: str, tell: Tell) -> None:
    """masakari-standalone ends within seconds and with exit 0; when it is started again it goes on at once where it was."""
    told = tell(story)
    assert told.notes["code"] == 0
    assert told.notes["leave_seconds"] < PROMPT_SECONDS
    assert "RESUMED" in told.codes
    assert [line for line in told.log_lines("engine-stopped") if "still under way" in line] == []
    assert 0 < len([fact for fact in told.facts[: told.notes["before"]] if fact["what"] == "evacuation"]) < INSTANCES


@pytest.mark.parametrize("story", ["restarted_while_nova_hangs"])
def test_sigterm_does_not_wait_for_what_hangs(story: str, tell: Tell) -> None:
    """While Nova and a BMC hang it ends after the time of an order, says so, and gives no lease back."""
    told = tell(story)
    assert told.notes["code"] == 0
    assert told.notes["leave_seconds"] < PROMPT_SECONDS
    assert len([line for line in told.log_lines("engine-stopped") if "leases run out by themselves" in line]) == 1


@pytest.mark.parametrize("story", ["broker_away"])
def test_a_broker_is_not_needed(story: str, tell: Tell) -> None:
    """Without its broker the API accepts at once and engines find the work by themselves; each says once that it is away.

    What they announce goes to another one, which takes connections and says nothing: that holds up nobody either.
    """
    told = tell(story)
    assert told.notes["report_seconds"] < PROMPT_SECONDS
    assert told.notes["announced"]
    for name in ("api", "engine-1", "engine-2"):
        assert sum("broker is away" in line for line in told.logs[name].splitlines()) <= 1
    assert told.log_lines("broker is away")
    assert [code for code, _ in told.notes["leave"]] == [0, 0, 0]
    assert max(seconds for _, seconds in told.notes["leave"]) < PROMPT_SECONDS


@pytest.mark.parametrize("story", ["database_away"])
def test_a_database_may_come_late_and_go(story: str, tell: Tell) -> None:
    """Without its database the API answers 503 in its envelope; the engine says once for each absence that it is away, and is back."""
    told = tell(story)
    for when in ("without", "meanwhile"):
        status, body = told.notes[when]
        assert status == 503
        assert list(body) == ["serviceUnavailable"]
        assert "pymysql" not in body["serviceUnavailable"]["message"]
    # While it waits at its start it tells no answer and no database of that name apart.
    assert 1 <= len(told.log_lines("vmha.cli.serving database-away")) <= 2
    assert len(told.log_lines("vmha.cli.serving database-back")) == 1
    assert len(told.log_lines("vmha.engine.loop database-away")) == 1
    assert len(told.log_lines("vmha.engine.loop database-back")) == 1


@pytest.mark.parametrize("story", ["database_locked"])
def test_a_database_may_be_locked(story: str, tell: Tell) -> None:
    """While somebody holds SQLite's lock the API answers 503 and the engine waits; each says so once, and the work goes on."""
    told = tell(story)
    status, body = told.notes["meanwhile"]
    assert status == 503
    assert list(body) == ["serviceUnavailable"]
    assert len(told.log_lines("vmha.engine.loop database-away")) == 1
    assert len(told.log_lines("vmha.engine.loop database-back")) == 1
