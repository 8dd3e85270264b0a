"""What services.py does beside a convergence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masakari_charm.workload import services
from masakari_charm.workload.converge import converge
from masakari_charm.workload.machine import Answer, Trouble
from unit_tests.charm.workload.fake_system import FakeSystem
from unit_tests.charm.workload.plans import API, ENGINE, HAPROXY, PLAN


def test_a_pause_is_remembered(system: FakeSystem) -> None:
    """The file of the pause comes and goes, however often it is asked for."""
    machine = system.machine
    assert not services.is_paused(machine)
    for paused in (True, True, False, False):
        services.remember_pause(machine, paused=paused)
        assert services.is_paused(machine) is paused


def test_restart_stops_all_before_it_starts(system: FakeSystem) -> None:
    """The action stops what is ours from the last to the first, then starts it in the plan's order."""
    converge(PLAN, system.machine)
    system.forget()
    services.restart(system.machine, (API, ENGINE, replace(HAPROXY, is_ours=False)))
    assert system.changes == [
        f"systemctl {verb}"
        for verb in ("stop masakari-engine", "stop masakari-api", "start masakari-api", "start masakari-engine")
    ]


def test_a_restart_that_fails_is_told(system: FakeSystem) -> None:
    """The action fails with systemd's words."""
    system.answers["systemctl start"] = Answer(code=1, err="Job failed\n")
    with pytest.raises(Trouble, match="cannot restart: systemctl start masakari-api failed with 1: Job failed"):
        services.restart(system.machine, (API,))


def test_a_new_unit_file_restarts_its_service_alone(system: FakeSystem) -> None:
    """A unit file that changed is told to systemd, and only its own service is restarted: a reload is not enough."""
    converge(PLAN, system.machine)
    system.forget()
    files = tuple(replace(file, content="[Unit]\n") if "engine" in file.path else file for file in PLAN.files)
    converge(replace(PLAN, files=files), system.machine)
    assert [words for words in system.changes if words.startswith("systemctl")] == [
        "systemctl daemon-reload",
        "systemctl restart masakari-engine",
    ]


def test_a_pause_stops_what_an_earlier_plan_started(system: FakeSystem) -> None:
    """haproxy stops with the others although the plan does not name it now, as while a certificate is waited for; resume brings it back."""
    converge(PLAN, system.machine)
    services.remember_pause(system.machine, paused=True)
    paused = replace(PLAN, services=(API, ENGINE), is_complete=False, is_paused=True)
    assert services.pause(system.machine, paused.services) == ()
    assert (system.active, system.masked) == (set(), {"masakari-api", "masakari-engine", "haproxy"})
    assert converge(paused, system.machine).running == ()
    converge(PLAN, system.machine)
    assert system.active == {"masakari-api", "masakari-engine", "haproxy"}


def test_what_runs_on_a_paused_unit_is_reported(system: FakeSystem) -> None:
    """A service that cannot be stopped is named, also one that the plan does not name; on a unit that is not paused none is."""
    assert converge(PLAN, system.machine).running == ()
    system.answers["systemctl stop haproxy"] = Answer(code=1, err="Job failed\n")
    report = converge(replace(PLAN, services=(API, ENGINE), is_complete=False, is_paused=True), system.machine)
    assert report.running == ("haproxy",)
