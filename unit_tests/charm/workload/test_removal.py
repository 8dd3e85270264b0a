"""What is gone after the charm, and what stays."""

from __future__ import annotations

from dataclasses import replace

from masakari_charm.workload import services
from masakari_charm.workload.converge import converge
from masakari_charm.workload.machine import Answer
from masakari_charm.workload.removal import remove
from unit_tests.charm.workload.fake_system import FakeSystem
from unit_tests.charm.workload.plans import API, ENGINE, HAPROXY, PLAN, plan


def test_everything_of_the_charm_goes(system: FakeSystem) -> None:
    """Services, files, releases, links and memory are gone; logs and the service's own files stay. A second call does no harm."""
    machine = system.machine
    converge(plan(trusted=(("vault", "PEM"),)), machine)
    machine.path("/var/log/masakari/masakari-engine.log").write_text("a line")
    assert remove(machine) == ()
    assert (system.active, system.enabled) == (set(), set())
    left = sorted(str(path.relative_to(system.root)) for path in system.root.rglob("*") if not path.is_dir())
    assert left == [
        "var/lib/juju/charm/wheels/release.json",
        "var/lib/juju/charm/wheels/requirements.txt",
        "var/log/masakari/masakari-engine.log",
    ]
    assert not machine.path("/etc/masakari").exists()
    assert remove(machine) == ()


def test_a_paused_unit_is_removed_too(system: FakeSystem) -> None:
    """Nothing stays masked behind a charm that has gone."""
    converge(PLAN, system.machine)
    services.remember_pause(system.machine, paused=True)
    converge(plan(is_paused=True), system.machine)
    assert remove(system.machine) == ()
    assert system.masked == set()
    assert not services.is_paused(system.machine)


def test_what_pacemaker_ran_is_stopped(system: FakeSystem) -> None:
    """hacluster goes before its unit does: a haproxy that still runs then has nobody else to stop it."""
    converge(plan(services=(replace(HAPROXY, is_ours=False), API, ENGINE)), system.machine)
    system.active.add("haproxy")
    assert remove(system.machine) == ()
    assert system.active == set()


def test_what_never_was_of_the_charm_is_left(system: FakeSystem) -> None:
    """A haproxy that the operator runs for something else goes on."""
    converge(plan(services=(API, ENGINE)), system.machine)
    system.active.add("haproxy")
    assert remove(system.machine) == ()
    assert system.active == {"haproxy"}


def test_a_service_that_does_not_stop_keeps_everything(system: FakeSystem) -> None:
    """While an engine still runs its files are not taken away; the next call does it."""
    converge(PLAN, system.machine)
    system.answers["systemctl stop masakari-engine"] = Answer(code=1, err="timed out\n")
    (problem,) = remove(system.machine)
    assert problem.what.startswith("cannot stop masakari-engine: ")
    assert system.machine.path("/etc/masakari/masakari.conf").exists()
    system.lives()
    assert remove(system.machine) == ()
