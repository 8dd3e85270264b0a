"""Each engine, a real process, stands still at a step (SIGSTOP) for longer than its lease, another one takes over, and it wakes (SIGCONT).

It must change nothing and send nothing then, whatever it was about to do: what was decided and not yet given, what waits before the
door, and what has passed the door and is about to leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import select

from tests.crash.rig import QUICK, Cloud, Stopped, played
from tests.sql.servers import Server
from unit_tests.adapters.db.rig import SqlRig
from unit_tests.engine.crash_rig import FIRST, SECOND
from vmha.adapters.db import schema
from vmha.sim.checker import check
from vmha.sim.record import Fact

STEPS = ("commit fencing:1:after", "admit PowerOff:1:after", "admit ForceDown:1:before", "admit Evacuate:2:after")
PACKET_SECONDS = 2 * float(QUICK["fencing"]["power_call_seconds"])
"""A power-off reaches the BMC while the call lasts, or a little later where the machine stood still, and more than once where IPMI had
to send it again. What the first engine would send when it wakes comes before: the other one looks before it orders."""

CLOCK_SECONDS = 1.0
"""How far the clocks of the cloud's record and of the database may be apart: one goes on from its start, the other one may be set."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cases(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stopped]]:
    """Run all cases to their ends."""
    make = [partial(_case, step) for step in STEPS]
    with played(mariadb, tmp_path_factory.mktemp("stopped"), make) as made:
        yield {case.step: case for case in made}


def _case(step: str, cloud: Cloud, victim: str, rig: SqlRig) -> Stopped:
    return Stopped(cloud, step, victim, rig)


@pytest.mark.parametrize("step", STEPS)
def test_who_wakes_sends_nothing(cases: dict[str, Stopped], step: str) -> None:
    """After it stood still the first engine gives no order: all that Nova and the BMC got since then is the other engine's."""
    case = cases[step]
    case.see_it_recovered()
    since = [fact for fact in case.cloud.facts()[len(case.before) :] if _is_about(case, fact)]
    assert {fact["caller"] for fact in since if fact["what"] in ("evacuation", "service")} == {SECOND}
    offs = [order["sent_at"] for order in case.orders_of(SECOND) if order["kind"] == "PowerOff" and order["sent_at"]]
    taken = [fact["at"] for fact in since if fact["what"] == "bmc" and fact["order"] == "off"]
    assert [at for at in taken if not any(-CLOCK_SECONDS <= at - sent <= PACKET_SECONDS for sent in offs)] == []


def _is_about(case: Stopped, fact: Fact) -> bool:
    return case.victim in (fact.get("host"), fact.get("source"))


@pytest.mark.parametrize("step", STEPS)
def test_who_wakes_changes_nothing(cases: dict[str, Stopped], step: str) -> None:
    """The recovery stays the other engine's to its end, and nothing that the first one decided or gave was stored since."""
    case = cases[step]
    (recovery,) = case.rig.read(select(schema.recoveries))
    assert (recovery["owner"], recovery["epoch"]) == (SECOND, 2)
    assert case.given or step.startswith("commit"), "it was to stand still after its first order"
    assert case.orders_of(FIRST) == case.given


@pytest.mark.parametrize("step", STEPS)
def test_who_wakes_is_well(cases: dict[str, Stopped], step: str) -> None:
    """It goes on as an engine that owns nothing, and ends in good order."""
    engine = cases[step].engines[FIRST]
    engine.terminate()
    assert engine.wait(60) == 0, cases[step].last_words()


def test_no_promise_was_broken(cases: dict[str, Stopped]) -> None:
    """The record of the whole cloud shows no broken promise, on no host."""
    assert [str(violation) for violation in check(next(iter(cases.values())).cloud.facts())] == []
