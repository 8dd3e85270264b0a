"""list-recoveries, show-recovery and confirm-host-down, against the real masakari-manage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from masakari_charm.workload.machine import Answer
from unit_tests.charm.actions.acting import Acting
from unit_tests.charm.rig import Rig
from unit_tests.cli.rig import Cloud
from vmha.core.events import Confirmed
from vmha.core.model import Phase
from vmha.sim.faults import inject

WORD = {"reason": "I pulled both power cords", "by": "ann"}


def test_an_empty_list(unit: Acting, cloud: Cloud) -> None:
    """Where nothing is open that is said, and the list for programs is empty."""
    shown = unit.act("list-recoveries")
    assert (shown.failure, shown.outcome, shown.json) == (None, "0 open, 0 waiting for a human", [])
    assert shown.results["recoveries"] == "none"


def test_what_is_open_is_listed(unit: Acting, cloud: Cloud) -> None:
    """A recovery is one line with uuid, host and where it stands, and the same as JSON."""
    uuid = cloud.waiting()
    shown = unit.act("list-recoveries")
    assert shown.outcome == "1 open, 1 waiting for a human"
    assert shown.results["recoveries"].split()[:3] == [uuid, "c1", "unproven"]
    assert [(row["uuid"], row["waits_for_human"]) for row in shown.json] == [(uuid, True)]


def test_what_has_ended_is_listed_on_demand(unit: Acting, cloud: Cloud) -> None:
    """A recovery that has ended is shown with all=true only."""
    uuid = cloud.report()
    cloud.run()
    assert unit.act("list-recoveries").json == []
    shown = unit.act("list-recoveries", all=True)
    assert shown.outcome == "0 open, 0 waiting for a human"
    assert shown.results["recoveries"].split()[:3] == [uuid, "c1", "recovered"]


def test_the_whole_story_is_shown(unit: Acting, cloud: Cloud) -> None:
    """Instances, proofs and timeline are texts of lines, and everything is JSON too."""
    uuid = cloud.report()
    cloud.run()
    shown = unit.act("show-recovery", recovery=uuid)
    assert shown.failure is None
    assert shown.outcome.startswith("c1: recovered: ")
    assert sorted(line.split()[0] for line in shown.results["instances"].splitlines()) == ["web-0", "web-1", "web-2"]
    assert shown.results["proofs"].startswith("by ipmi, read last ")
    assert "power-off of c1 ordered" in shown.results["timeline"]
    assert shown.json["outcome"] == "recovered"


def test_a_monitors_word_is_shown_as_no_proof(unit: Acting, cloud: Cloud) -> None:
    """With policy = detector what stood in the place of a proof is called what it is."""
    uuid = cloud.report()
    cloud.run(believing=True)
    shown = unit.act("show-recovery", recovery=uuid)
    assert shown.json["outcome"] == "recovered"
    assert shown.results["proofs"].startswith("no proof: the monitor's word was taken (policy = detector), read last ")


@pytest.mark.parametrize("uuid", ["00000000-0000-4000-8000-000000000000", "--help"])
def test_a_recovery_that_is_none_fails(uuid: str, unit: Acting, cloud: Cloud) -> None:
    """An unknown uuid, and what is none, fail with where to look."""
    shown = unit.act("show-recovery", recovery=uuid)
    assert shown.failure is not None
    assert "list" in shown.failure
    assert shown.results == {}


@pytest.mark.parametrize("by_host", [True, False])
def test_a_word_ends_the_wait(by_host: bool, unit: Acting, cloud: Cloud) -> None:
    """The word is recorded with the name, the unit and the reason, and the engine goes on with it."""
    inject(cloud.world, "bmc_silent", host="c1")
    inject(cloud.world, "power_lost", host="c1")
    uuid = cloud.report()
    cloud.run(75.0)
    named = {"host": "c1"} if by_host else {"recovery": uuid}
    shown = unit.act("confirm-host-down", **named, **WORD)
    assert shown.failure is None
    assert (shown.results["recovery"], shown.results["host"]) == (uuid, "c1")
    cloud.run()
    told = unit.act("show-recovery", recovery=uuid)
    assert told.json["outcome"] == "recovered"
    assert "ann (juju action on masakari/0) confirmed: I pulled both power cords" in told.results["timeline"]
    assert told.results["proofs"].startswith("by human")


def test_a_word_may_look_like_an_option(unit: Acting, cloud: Cloud) -> None:
    """What an operator writes is never taken for an option, and stays one text."""
    cloud.waiting()
    unit.act("confirm-host-down", host="c1", reason="--config-file /etc/passwd; $(reboot)", by="-v 'bob'")
    expected = Confirmed(by="-v 'bob' (juju action on masakari/0)", why="--config-file /etc/passwd; $(reboot)")
    assert [replace(letter, asked="") for letter in cloud.letters() if isinstance(letter, Confirmed)] == [expected]


@pytest.mark.parametrize("is_off", [True, False])
def test_a_word_says_that_the_host_is_off(is_off: bool, unit: Acting, cloud: Cloud) -> None:
    """Only where the operator says so; without it the word answers whatever is asked."""
    cloud.waiting()
    unit.act("confirm-host-down", host="c1", **WORD, **{"host-is-off": is_off})
    (letter,) = cloud.letters()
    assert isinstance(letter, Confirmed)
    assert letter.is_off is is_off


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"host": "c1", "recovery": "x"},
        {"host": "  ", "recovery": " "},
        {"host": "c1", "reason": "    "},
        {"host": "c1", "by": " "},
    ],
)
def test_a_word_without_its_parts_is_refused(params: dict[str, Any], unit: Acting, cloud: Cloud) -> None:
    """Neither or both of host and recovery, no reason or no name: nothing is recorded."""
    cloud.waiting()
    shown = unit.act("confirm-host-down", **(WORD | params))
    assert shown.failure is not None
    assert "nothing was recorded" in shown.failure
    assert cloud.letters() == []


def test_a_word_that_nobody_waits_for_is_refused(unit: Acting, cloud: Cloud) -> None:
    """Where no recovery of the host is open, those that wait are named, and nothing is recorded."""
    cloud.waiting()
    shown = unit.act("confirm-host-down", host="c2", **WORD)
    assert shown.failure == ("no recovery of c2 is open, so nothing was recorded; hosts that wait for it: c1")
    assert cloud.letters() == []


def test_the_word_is_for_the_host(unit: Acting, cloud: Cloud) -> None:
    """An incident of a process of the same host, though it is younger, is not what is confirmed; alone it takes no such word."""
    process = cloud.report_process()
    refused = unit.act("confirm-host-down", recovery=process, **WORD)
    assert refused.failure is not None
    assert f"recovery {process} is of the process nova-compute" in refused.failure
    assert "nothing was recorded" in refused.failure
    waiting = cloud.waiting()
    assert unit.act("confirm-host-down", host="c1", **WORD).results["recovery"] == waiting
    assert process in unit.act("list-recoveries").results["recoveries"]


def test_a_recovery_that_works_takes_no_word(unit: Acting, cloud: Cloud) -> None:
    """A recovery that waits for no human says where it stands."""
    cloud.report()
    shown = unit.act("confirm-host-down", host="c1", **WORD)
    assert shown.failure is not None
    assert "it is witnessing; nothing was recorded" in shown.failure
    assert cloud.letters() == []


@pytest.mark.parametrize("phase", [Phase.HELD, Phase.STOPPED])
def test_a_wait_for_something_else_takes_no_word(phase: Phase, unit: Acting, cloud: Cloud) -> None:
    """In a wait that does not ask whether the host is down, this word would mean nothing."""
    cloud.waiting(phase)
    shown = unit.act("confirm-host-down", host="c1", **WORD)
    assert shown.failure is not None
    assert f"it is {phase.value}" in shown.failure
    assert cloud.letters() == []


def test_what_masakari_manage_refuses_is_passed_on(unit: Acting, cloud: Cloud, rig: Rig) -> None:
    """A recovery that ends between the look and the word is refused by the service, in its own words."""
    uuid = cloud.waiting()
    start = "masakari-manage --config-file /etc/masakari/masakari.conf recovery confirm"
    rig.system.answers[start] = Answer(code=1, err=f"masakari-manage: recovery {uuid} waits for no human\n")
    shown = unit.act("confirm-host-down", host="c1", **WORD)
    assert shown.failure is not None
    assert f"recovery {uuid} waits for no human" in shown.failure
