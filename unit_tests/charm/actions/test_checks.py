"""fencing-check and check-readiness, against the real masakari-manage and a simulated cloud over HTTP and IPMI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit_tests.charm.actions.acting import Acting
from unit_tests.cli.rig import Installed
from unit_tests.cli.served_rig import ServedCloud, serving


@pytest.fixture
def served(installed: Installed) -> Iterator[ServedCloud]:
    """Three hosts in one segment, all with a BMC."""
    with serving(installed) as cloud:
        cloud.register("c1", "c2", "c3")
        yield cloud


def break_password(cloud: ServedCloud, host: str) -> None:
    """Let the inventory have a wrong password."""
    entries = cloud.inventory()
    entries[host]["password"] = "a-wrong-word"
    cloud.write_inventory(entries)


def test_every_bmc_answers(unit: Acting, served: ServedCloud) -> None:
    """Each host is a line, the sum is the outcome, and nothing was switched."""
    shown = unit.act("fencing-check")
    assert (shown.failure, shown.outcome) == (None, "3 of 3 BMCs answer")
    assert [line.split()[:2] for line in shown.results["hosts"].splitlines()] == [
        [word, f"c{n}"] for n, word in enumerate(["OK"] * 3, 1)
    ]
    assert [host["power"] for host in shown.json["hosts"]] == ["on"] * 3
    assert {order for _, order in served.asked()} == {"read"}


def test_a_bmc_that_does_not_answer_fails(unit: Acting, served: ServedCloud) -> None:
    """The host is named, what to do stands in its line, and no password anywhere."""
    break_password(served, "c2")
    shown = unit.act("fencing-check")
    assert shown.failure == "not ok: c2; the result hosts says what to do"
    assert shown.outcome == "2 of 3 BMCs answer"
    assert "correct user and password" in shown.results["hosts"]
    assert "a-wrong-word" not in str(shown)


def test_one_host_is_asked_alone(unit: Acting, served: ServedCloud) -> None:
    """With a host, only its BMC is asked; one that has none fails."""
    assert unit.act("fencing-check", host="c2").outcome == "1 of 1 BMCs answer"
    assert served.asked() == [("c2", "read")]
    shown = unit.act("fencing-check", host="c9")
    assert shown.failure == "not ok: c9; the result hosts says what to do"
    assert unit.act("fencing-check", host="--json").failure is not None


def test_an_unprotected_host_is_named(unit: Acting, served: ServedCloud) -> None:
    """A host of a segment without a BMC stands in the outcome, and does not fail the action."""
    entries = served.inventory()
    del entries["c3"]
    served.write_inventory(entries)
    shown = unit.act("fencing-check")
    assert (shown.failure, shown.outcome) == (None, "2 of 2 BMCs answer, 1 host unprotected")
    assert "UNPROTECTED  c3  " in shown.results["hosts"]


def test_a_host_whose_monitor_is_believed_is_named(unit: Acting, served: ServedCloud) -> None:
    """With policy = detector a host without a BMC is counted apart."""
    entries = served.inventory()
    del entries["c3"]
    served.write_inventory(entries, believed=("az1",))
    shown = unit.act("fencing-check")
    assert (shown.failure, shown.outcome) == (None, "2 of 2 BMCs answer, 1 host believed without a proof")
    assert "NO PROOF  c3  " in shown.results["hosts"]


def test_ready(unit: Acting, served: ServedCloud) -> None:
    """Each point is a result of its own, and what nobody can know does not fail it."""
    shown = unit.act("check-readiness")
    assert (shown.failure, shown.outcome) == (None, "ready, 2 unknown")
    assert shown.results["segments"] == "OK: 3 hosts in 1 segment"
    assert shown.results["monitors"].startswith("UNKNOWN: ")
    assert {check["check"] for check in shown.json} | {"outcome", "json"} == set(shown.results)


def test_not_ready(unit: Acting, served: ServedCloud) -> None:
    """A point that is NOT OK fails the action, and says what to do."""
    break_password(served, "c1")
    shown = unit.act("check-readiness")
    assert shown.failure == "not ok: fencing; each result says what to do"
    assert shown.outcome == "not ready, 2 unknown"
    assert shown.results["fencing"].startswith("NOT OK: cannot read power of c1")
    assert shown.results["cloud"].startswith("OK: ")
