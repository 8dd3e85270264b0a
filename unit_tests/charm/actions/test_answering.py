"""answer-recovery, against the real masakari-manage."""

from __future__ import annotations

from typing import Any

import pytest

from masakari_charm.workload.machine import Answer
from unit_tests.charm.actions.acting import Acting
from unit_tests.charm.rig import Rig
from unit_tests.cli.rig import Cloud
from vmha.core.events import Confirmed, Paused, Rejected

SAID = {"word": "pause", "reason": "the rack is rewired", "by": "ann"}


@pytest.mark.parametrize("by_host", [True, False])
def test_a_pause_and_a_resume(by_host: bool, unit: Acting, cloud: Cloud) -> None:
    """The recovery stands until the resume, and its timeline has both names, the unit and the reasons."""
    uuid = cloud.report()
    named = {"host": "c1"} if by_host else {"recovery": uuid}
    shown = unit.act("answer-recovery", **named, **SAID)
    assert (shown.failure, shown.results["recovery"], shown.results["host"]) == (None, uuid, "c1")
    assert shown.outcome == f"pause recorded; see: show-recovery recovery={uuid}"
    cloud.run()
    assert unit.act("show-recovery", recovery=uuid).json["phase"] == "halted"
    unit.act("answer-recovery", **(SAID | {"word": "resume", "by": "bob"}), **named)
    cloud.run()
    told = unit.act("show-recovery", recovery=uuid)
    assert told.json["outcome"] == "recovered"
    assert "ann (juju action on masakari/0) paused the recovery of c1: the rack is rewired" in told.results["timeline"]
    assert "bob (juju action on masakari/0) resumed the recovery" in told.results["timeline"]


@pytest.mark.parametrize(("word", "says"), [("cancel", "cancelled: "), ("reject", "rejected: ")])
def test_what_ends_it(word: str, says: str, unit: Acting, cloud: Cloud) -> None:
    """A cancel and a reject end a recovery in which nothing was done yet."""
    uuid = cloud.report()
    assert unit.act("answer-recovery", **(SAID | {"word": word}), host="c1").failure is None
    cloud.run()
    told = unit.act("show-recovery", recovery=uuid)
    assert told.json["outcome"] == "rejected"
    assert f"ann (juju action on masakari/0) {says}" in told.results["timeline"]


def test_a_word_may_look_like_an_option(unit: Acting, cloud: Cloud) -> None:
    """What an operator writes is never taken for an option, and stays one text."""
    cloud.waiting()
    unit.act("answer-recovery", host="c1", word="pause", reason="--by=root; $(reboot)", by="-v bob")
    assert cloud.letters() == [Paused(by="-v bob (juju action on masakari/0)", why="--by=root; $(reboot)")]


@pytest.mark.parametrize(
    "params",
    [{}, {"host": "c1", "recovery": "x"}, {"host": " "}, {"host": "c1", "reason": "    "}, {"host": "c1", "by": " "}],
)
def test_a_word_without_its_parts_is_refused(params: dict[str, Any], unit: Acting, cloud: Cloud) -> None:
    """Neither or both of host and recovery, no reason or no name: nothing is recorded."""
    cloud.waiting()
    shown = unit.act("answer-recovery", **(SAID | params))
    assert shown.failure is not None
    assert "nothing was recorded" in shown.failure
    assert cloud.letters() == []


def test_a_host_without_a_recovery_is_refused(unit: Acting, cloud: Cloud) -> None:
    """The open ones are named."""
    cloud.waiting()
    shown = unit.act("answer-recovery", host="c2", **SAID)
    assert shown.failure == (
        "no recovery of the host c2 is open, so nothing was recorded; "
        "open: c1; list-recoveries shows those of instances and processes too"
    )
    assert cloud.letters() == []


def test_what_means_nothing_is_refused_in_the_services_words(unit: Acting, cloud: Cloud, rig: Rig) -> None:
    """A resume of what is not paused fails with the reason."""
    cloud.report()
    shown = unit.act("answer-recovery", **(SAID | {"word": "resume"}), host="c1")
    assert shown.failure is not None
    assert "only what is paused can go on" in shown.failure
    rig.system.answers["masakari-manage"] = Answer(code=None)
    assert "did not end in time" in str(unit.act("answer-recovery", host="c1", **SAID).failure)


def test_a_host_means_its_own_recovery(unit: Acting, cloud: Cloud) -> None:
    """The younger incident of a process of it is another one; where the host has none of its own nothing is recorded."""
    host = cloud.report()
    small = cloud.report_process()
    shown = unit.act("answer-recovery", host="c1", **SAID)
    assert (shown.failure, shown.results["recovery"]) == (None, host)
    assert host != small
    assert [type(letter) for letter in cloud.letters()] == [Paused]


def test_the_incident_of_a_process_is_no_hosts(unit: Acting, cloud: Cloud) -> None:
    """By the host's name it is not found, by its own it takes a reject."""
    small = cloud.report_process()
    shown = unit.act("answer-recovery", host="c1", **(SAID | {"word": "reject"}))
    assert "no recovery of the host c1 is open" in str(shown.failure)
    assert cloud.letters() == []
    assert unit.act("answer-recovery", recovery=small, **(SAID | {"word": "reject"})).failure is None
    assert cloud.letters() == [Rejected(by="ann (juju action on masakari/0)", why="the rack is rewired")]


def test_what_a_process_asks_is_confirmed_here(unit: Acting, cloud: Cloud) -> None:
    """A confirm of the host is another action's, which names this one for an incident that is no host's."""
    small = cloud.asking()
    said = {"reason": "its owner agrees", "by": "ann"}
    refused = unit.act("confirm-host-down", recovery=small, **said)
    assert f"answer-recovery word=confirm recovery={small}" in str(refused.failure)
    assert cloud.letters() == []
    assert unit.act("answer-recovery", word="confirm", recovery=small, **said).failure is None
    assert cloud.letters() == [Confirmed(by="ann (juju action on masakari/0)", why="its owner agrees", asked="asking")]


def test_a_host_is_not_confirmed_here(unit: Acting, cloud: Cloud) -> None:
    """The action that says what the word means is named."""
    uuid = cloud.waiting()
    for named in ({"host": "c1"}, {"recovery": uuid}):
        shown = unit.act("answer-recovery", **(SAID | {"word": "confirm"}), **named)
        assert "confirm-host-down" in str(shown.failure)
    assert cloud.letters() == []


def test_a_release_from_before_knows_hosts_alone(unit: Acting, rig: Rig) -> None:
    """Its list has no kinds: all of it is of hosts, by either name."""
    rig.system.answers["masakari-manage"] = Answer(code=0, out='[{"uuid": "x", "host": "c1", "phase": "unproven"}]')
    for named in ({"host": "c1"}, {"recovery": "x"}):
        assert unit.act("answer-recovery", **named, **SAID).results["recovery"] == "x"
