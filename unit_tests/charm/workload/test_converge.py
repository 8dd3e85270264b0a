"""One convergence after the other: what is done, what is left alone, what a failure leaves behind."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace

import pytest

from masakari_charm.plan import CONFIG_FILE, FENCING_FILE, File, Plan, Problem, Report
from masakari_charm.workload import release, services
from masakari_charm.workload.converge import converge
from masakari_charm.workload.machine import Answer
from unit_tests.charm.workload.fake_system import BROKEN, Died, FakeSystem, put_wheels
from unit_tests.charm.workload.plans import API, CERTIFICATE_FILE, ENGINE, HAPROXY, HAPROXY_FILE, PLAN, plan, with_file

FIRST, SECOND = "0.1.0-aaaa", "0.2.0-bbbb"
RUNS = {"masakari-api", "masakari-engine", "haproxy"}


def runs_on(release: str, *, waiting_release: str | None = None) -> Report:
    """Return the report of a unit that runs a release on its schema."""
    return Report(release=release, schema=release, waiting_release=waiting_release)


def settle(system: FakeSystem, wanted: Plan = PLAN) -> Report:
    """Converge, and let the recorder begin anew."""
    report = converge(wanted, system.machine)
    system.forget()
    return report


def written(system: FakeSystem, path: str) -> str:
    """Read a file of the machine."""
    return system.machine.path(path).read_text()


def test_a_fresh_machine_becomes_a_running_unit(system: FakeSystem) -> None:
    """Packages, user, release, schema, files and services: everything of the plan is there afterwards, in that order."""
    report = converge(PLAN, system.machine)
    assert report == runs_on(FIRST)
    assert system.packages >= {"haproxy", "python3-venv"}
    assert "masakari" in system.users
    assert (system.schema, system.active, system.enabled) == (1, RUNS, RUNS)
    assert [written(system, file.path) for file in PLAN.files] == [file.content for file in PLAN.files]
    told = (
        ("apt-get",),
        ("useradd",),
        ("pip",),
        ("config check",),
        ("haproxy -c",),
        ("db sync",),
        ("daemon-reload",),
        ("start",),
    )
    places = [next(n for n, words in enumerate(system.changes) if f"{each} " in f"{words} ") for (each,) in told]
    assert places == sorted(places)


def test_a_second_convergence_only_reads(system: FakeSystem) -> None:
    """Where nothing changed no command runs but readings, and the report is the same."""
    first = settle(system)
    assert converge(PLAN, system.machine) == first
    assert system.changes == []


def test_it_can_die_anywhere(system: FakeSystem, tmp_path: object) -> None:
    """A hook that is killed before any of its commands is completed by the next one, and a third has nothing to do."""
    converge(PLAN, system.machine)
    count = len(system.changes)
    assert count > 10
    for number in range(count):
        fresh = FakeSystem(system.root / f"again-{number}", dies_at=number)
        put_wheels(fresh)
        with pytest.raises(Died):
            converge(PLAN, fresh.machine)
        fresh.lives()
        assert converge(PLAN, fresh.machine) == runs_on(FIRST), number
        assert (fresh.active, fresh.schema) == (RUNS, 1), number
        fresh.forget()
        converge(PLAN, fresh.machine)
        assert fresh.changes == [], number


def test_an_upgrade_can_die_anywhere(system: FakeSystem) -> None:
    """The same from one release, with other files, to the next: no order of deaths leaves an old process behind."""
    wanted = with_file(CONFIG_FILE, "[DEFAULT]\ndebug = true\n")
    for number in range(100):
        fresh = FakeSystem(system.root / f"again-{number}", needs={SECOND: 2})
        put_wheels(fresh)
        settle(fresh)
        put_wheels(fresh, SECOND)
        fresh.dies_at = number
        try:
            converge(wanted, fresh.machine)
        except Died:
            fresh.lives()
            before = list(fresh.changes)
            assert converge(wanted, fresh.machine) == runs_on(SECOND)
            done = [*before, *fresh.changes]
            assert {f"systemctl restart {name}" for name in ("masakari-api", "masakari-engine")} <= set(done), number
            fresh.forget()
            converge(wanted, fresh.machine)
            assert fresh.changes == [], number
        else:
            break
    assert number > 5


def test_only_what_changed_is_restarted(system: FakeSystem) -> None:
    """Another inventory restarts the engine, which alone reads it; another certificate reloads haproxy."""
    settle(system)
    converge(with_file(FENCING_FILE, "hosts:\n"), system.machine)
    assert [words for words in system.changes if words.startswith("systemctl")] == ["systemctl restart masakari-engine"]
    settle(system)
    converge(with_file(CERTIFICATE_FILE, "PEM 2\n"), system.machine)
    assert [words for words in system.changes if words.startswith("systemctl")] == ["systemctl reload haproxy"]


def test_a_broken_configuration_replaces_nothing(system: FakeSystem) -> None:
    """What the release refuses is a problem with its own words; files and services stay, until it is mended."""
    settle(system)
    broken = with_file(CONFIG_FILE, f"[DEFAULT]\nhost = {BROKEN}\n")
    report = converge(broken, system.machine)
    (problem,) = report.problems
    assert f"[DEFAULT] host = {BROKEN} in {CONFIG_FILE} cannot be used: set host" in problem.what
    assert "the one before stays in use" in problem.fix
    assert written(system, CONFIG_FILE) == PLAN.files[0].content
    assert system.active == RUNS
    assert not [words for words in system.changes if words.startswith("systemctl")]
    assert not system.machine.path("/run/masakari-charm").exists()
    assert settle(system) == runs_on(FIRST)


def test_a_broken_haproxy_configuration_replaces_nothing(system: FakeSystem) -> None:
    """haproxy reads its configuration before it is replaced, with the certificate that comes with it."""
    settle(system)
    system.answers["haproxy -c"] = Answer(code=1, err="unable to load certificate\n")
    report = converge(with_file(CERTIFICATE_FILE, "no PEM\n"), system.machine)
    assert [problem.what for problem in report.problems] == [
        "the configuration of haproxy cannot be used: unable to load certificate"
    ]
    assert written(system, CERTIFICATE_FILE) == "PEM\n"


def test_a_candidate_refers_to_itself(system: FakeSystem) -> None:
    """While it is checked, the new configuration leads to the new inventory and certificate and not to those that are in use."""
    seen: dict[str, str] = {}

    def look(command: object) -> Answer:
        for path in (CONFIG_FILE, HAPROXY_FILE):
            place = system.machine.path(f"/run/masakari-charm{path}")
            if place.exists():
                seen[path] = place.read_text().replace(str(system.root), "")
        return system.run(command)  # type: ignore[arg-type]

    converge(PLAN, replace(system.machine, runner=look))
    assert seen == {
        CONFIG_FILE: f"[fencing]\ninventory = /run/masakari-charm{FENCING_FILE}\n",
        HAPROXY_FILE: f"bind :15868 ssl crt /run/masakari-charm{CERTIFICATE_FILE}\n",
    }


def test_a_pause_survives_and_ends(system: FakeSystem) -> None:
    """A paused unit's services are stopped and masked, whatever changes meanwhile; resumed, they run with what changed."""
    settle(system)
    assert settle(system, plan(is_paused=True)) == runs_on(FIRST)
    assert (system.active, system.masked) == (set(), RUNS)
    changed = with_file(CONFIG_FILE, "[DEFAULT]\n", is_paused=True)
    assert converge(changed, system.machine) == runs_on(FIRST)
    assert not [words for words in system.changes if words.startswith("systemctl")]
    assert written(system, CONFIG_FILE) == "[DEFAULT]\n"
    assert system.active == set()
    assert settle(system, with_file(CONFIG_FILE, "[DEFAULT]\n")) == runs_on(FIRST)
    assert (system.active, system.masked) == (RUNS, set())


def test_a_pause_waits_for_nothing(system: FakeSystem) -> None:
    """An operator who pauses gets stopped services, also while the archive is away and the database refuses."""
    settle(system)
    system.packages.clear()
    system.answers["apt-get"] = Answer(code=100, err="E: the mirror is away\n")
    report = converge(plan(is_paused=True), system.machine)
    assert system.active == set()
    assert "the mirror is away" in report.problems[0].what


def test_a_pause_that_fails_is_said(system: FakeSystem) -> None:
    """What still runs on a paused unit is a problem."""
    settle(system)
    system.answers["systemctl stop masakari-engine"] = Answer(code=1, err="Connection timed out\n")
    report = converge(plan(is_paused=True), system.machine)
    assert [problem.what for problem in report.problems] == [
        "masakari-engine cannot be stopped: systemctl stop masakari-engine failed with 1: Connection timed out"
    ]
    assert system.active == {"masakari-engine"}


@pytest.mark.parametrize(
    ("step", "trouble"),
    [
        ("python -m pip", Answer(code=1, err="OSError: [Errno 28] No space left on device\n")),
        ("python -m pip", OSError(errno.ENOSPC, "No space left on device", "/opt")),
        ("python3 -m venv", Answer(code=1, err="Error: [Errno 28] No space left on device\n")),
        ("apt-get -y -q -o DPkg::Lock::Timeout=300 -o", Answer(code=100, err="E: No space left on device\n")),
    ],
    ids=["pip", "charm", "venv", "apt"],
)
def test_a_full_disk_mends_itself(step: str, trouble: Answer | OSError, system: FakeSystem) -> None:
    """A disk that is full is a problem that says so, nothing half-made stays, and the next hook goes on."""
    system.answers[step] = trouble
    report = converge(PLAN, system.machine)
    assert [("make room" in each.fix, report.release) for each in report.problems] == [(True, None)]
    assert list(system.machine.path("/opt/masakari/releases").glob("*")) == []
    system.lives()
    assert converge(PLAN, system.machine) == runs_on(FIRST)


def test_a_full_disk_that_no_program_names(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """venv does not say that the disk was full when its pip could not be written; the disk itself does."""
    system.answers["python3 -m venv"] = Answer(
        code=1, err="Error: Command 'ensurepip' returned non-zero exit status 1.\n"
    )
    (problem,) = converge(PLAN, system.machine).problems
    assert "python3-venv is installed" in problem.fix
    full = shutil.disk_usage("/")._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    (problem,) = converge(PLAN, system.machine).problems
    assert problem.fix == "make room on the disk; the next hook goes on"


def test_a_follower_waits_for_the_schema(system: FakeSystem) -> None:
    """A unit that is not the leader changes nothing before the schema is there, and goes on by itself when it is."""
    waits = converge(plan(may_migrate=False), system.machine)
    assert waits == Report(waits_for_schema=True)
    assert system.schema == 0
    assert not system.machine.path(CONFIG_FILE).exists()
    assert not [words for words in system.changes if "start" in words]
    system.schema = 1
    assert converge(plan(may_migrate=False), system.machine) == runs_on(FIRST)
    assert system.active == RUNS


def test_a_follower_runs_on_while_it_waits(system: FakeSystem) -> None:
    """In an upgrade a follower keeps its old release running until the leader has brought the schema up."""
    settle(system)
    put_wheels(system, SECOND)
    system.needs[SECOND] = 2
    assert converge(plan(may_migrate=False), system.machine) == Report(release=FIRST, waits_for_schema=True)
    assert system.active == RUNS
    assert not [words for words in system.changes if words.startswith("systemctl")]
    system.schema = 2
    assert converge(plan(may_migrate=False), system.machine) == runs_on(SECOND)


def test_a_database_that_refuses_is_a_problem(system: FakeSystem) -> None:
    """The words of the service about the database are the problem; nothing is started or replaced."""
    said = "masakari-manage: the database did not answer (Access denied)\n"
    system.answers["masakari-manage --config-file /run/masakari-charm/etc/masakari/masakari.conf db"] = Answer(
        code=1, err=said
    )
    (problem,) = converge(PLAN, system.machine).problems
    assert problem.what == "cannot use the database: the database did not answer (Access denied)"
    assert "shared-db" in problem.fix
    assert system.active == set()
    system.lives()
    assert converge(PLAN, system.machine) == runs_on(FIRST)


def test_an_incomplete_plan_starts_nothing(system: FakeSystem) -> None:
    """While relations are missing the release is made, so that it is quick later, and nothing is written or started."""
    report = converge(plan(is_complete=False, files=(), services=()), system.machine)
    assert report == Report(release=FIRST)
    assert system.active == set()
    assert not system.machine.path(CONFIG_FILE).exists()
    assert not [words for words in system.changes if words.startswith(("systemctl", "masakari-manage"))]


def test_a_relation_that_goes_stops_nothing(system: FakeSystem) -> None:
    """A plan that became incomplete leaves what runs with its old configuration and release."""
    settle(system)
    put_wheels(system, SECOND)
    report = converge(plan(is_complete=False, files=(), services=()), system.machine)
    assert report == Report(release=FIRST)
    assert system.active == RUNS
    assert written(system, CONFIG_FILE) == PLAN.files[0].content


def test_a_release_waits_for_the_action(system: FakeSystem) -> None:
    """Where the operator upgrades by action, the new release is named and not made; configuration goes on with the old one."""
    settle(system)
    put_wheels(system, SECOND)
    changed = with_file(CONFIG_FILE, "[DEFAULT]\n", may_switch=False)
    assert converge(changed, system.machine) == runs_on(FIRST, waiting_release=SECOND)
    assert not system.machine.path(f"/opt/masakari/releases/{SECOND}").exists()
    assert written(system, CONFIG_FILE) == "[DEFAULT]\n"
    assert settle(system, replace(changed, may_switch=True)) == runs_on(SECOND)


def test_the_first_release_waits_for_nobody(system: FakeSystem) -> None:
    """Upgrades by action do not keep a fresh unit from its first release."""
    assert converge(plan(may_switch=False), system.machine) == runs_on(FIRST)
    assert system.active == RUNS


def test_there_and_back(system: FakeSystem) -> None:
    """The older release is still there: going back is a switch and restarts, on the schema that the newer one left."""
    settle(system)
    put_wheels(system, SECOND)
    system.needs[SECOND] = 2
    assert settle(system) == runs_on(SECOND)
    assert release.previous(system.machine) == FIRST
    put_wheels(system, FIRST)
    assert converge(PLAN, system.machine) == runs_on(FIRST)
    assert not [words for words in system.changes if "pip" in words or "sync" in words]
    assert "systemctl restart masakari-engine" in system.changes
    assert "systemctl restart haproxy" not in system.changes
    assert system.schema == 2


def test_what_stopped_is_started_and_named(system: FakeSystem) -> None:
    """A service that should run and does not is started; one that does not come up is named, and is tried again each time."""
    settle(system)
    system.active.discard("masakari-engine")
    assert converge(PLAN, system.machine) == runs_on(FIRST)
    assert "masakari-engine" in system.active
    system.refuses_to_start.add("masakari-engine")
    system.active.discard("masakari-engine")
    report = converge(PLAN, system.machine)
    assert report.stopped == ("masakari-engine",)
    (problem,) = report.problems
    assert problem.what.startswith("masakari-engine does not start: systemctl start masakari-engine failed with 1: Job")
    assert problem.fix.startswith("see journalctl -u masakari-engine")
    assert "masakari-api" in system.active
    system.refuses_to_start.clear()
    assert converge(PLAN, system.machine) == runs_on(FIRST)


def test_a_failed_restart_is_made_up_for(system: FakeSystem) -> None:
    """A restart that failed is tried again by the next hook, since the stamp still has the old configuration."""
    settle(system)
    system.answers["systemctl restart masakari-api"] = Answer(code=1, err="failed\n")
    changed = with_file(CONFIG_FILE, "[DEFAULT]\n")
    assert [type(each) for each in converge(changed, system.machine).problems] == [Problem]
    system.lives()
    system.forget()
    assert converge(changed, system.machine) == runs_on(FIRST)
    assert "systemctl restart masakari-api" in system.changes


def test_pacemaker_takes_haproxy_over(system: FakeSystem) -> None:
    """What Pacemaker runs is disabled, reloaded when its files change, and neither started nor stopped by pause or absence."""
    settle(system)
    foreign = replace(HAPROXY, is_ours=False)
    clustered = plan(services=(foreign, API, ENGINE))
    settle(system, clustered)
    assert ("haproxy" in system.active, "haproxy" in system.enabled) == (True, False)
    converge(with_file(HAPROXY_FILE, "bind :1\n", services=clustered.services), system.machine)
    assert [words for words in system.changes if "haproxy" in words and "systemctl" in words] == [
        "systemctl reload haproxy"
    ]
    settle(system, replace(clustered, is_paused=True))
    assert "haproxy" in system.active
    system.active.discard("haproxy")
    system.forget()
    converge(with_file(HAPROXY_FILE, "bind :2\n", services=clustered.services), system.machine)
    assert not [words for words in system.changes if words.startswith("systemctl") and "haproxy" in words]
    settle(system, plan(services=(API, ENGINE)))
    assert services.PREFIX + "haproxy" not in [
        path.name for path in system.machine.path("/var/lib/masakari-charm").iterdir()
    ]


def test_a_service_that_is_planned_no_more_is_stopped(system: FakeSystem) -> None:
    """Without TLS and peers haproxy goes: it is stopped and disabled before the others are restarted, since they want its port."""
    settle(system)
    converge(with_file(CONFIG_FILE, "[DEFAULT]\n", services=(API, ENGINE)), system.machine)
    assert (system.active, system.enabled) == (RUNS - {"haproxy"}, RUNS - {"haproxy"})
    stop, restart = "systemctl stop haproxy", "systemctl restart masakari-api"
    assert system.changes.index(stop) < system.changes.index(restart)


def test_what_the_plan_removes_goes(system: FakeSystem) -> None:
    """A path that must not exist is removed, once; a unit file among them is told to systemd."""
    settle(system)
    unit = "/usr/local/lib/systemd/system/old.service"
    system.machine.path(unit).write_text("[Service]\n")
    converge(plan(removed=(unit,)), system.machine)
    assert not system.machine.path(unit).exists()
    assert system.changes == ["systemctl daemon-reload"]


def test_trusted_certificates_come_and_go(system: FakeSystem) -> None:
    """The system is told once about certificates that came, changed or went; what others trust is left alone."""
    trusted = "/usr/local/share/ca-certificates/vault.crt"
    settle(system)
    converge(plan(trusted=(("vault", "PEM"),)), system.machine)
    assert system.changes == ["update-ca-certificates --fresh"]
    assert written(system, trusted) == "PEM"
    other = system.machine.path("/usr/local/share/ca-certificates/other.crt")
    other.write_text("PEM")
    settle(system, plan(trusted=(("vault", "PEM"),)))
    converge(PLAN, system.machine)
    assert system.changes == ["update-ca-certificates --fresh"]
    assert (system.machine.path(trusted).exists(), other.exists()) == (False, True)


def test_wheels_that_cannot_be_read_are_a_problem(system: FakeSystem) -> None:
    """A resource that is no wheels says what to attach; what runs goes on."""
    settle(system)
    system.machine.path("/resource").write_bytes(b"no tar")
    report = converge(plan(wheels="/resource"), system.machine)
    (problem,) = report.problems
    assert problem.what.startswith("cannot use the wheels in /resource: ReadError")
    assert "an empty file for the charm's own" in problem.fix
    assert (report.release, system.active) == (FIRST, RUNS)


def test_a_file_in_the_way_is_a_problem(system: FakeSystem) -> None:
    """A path that cannot be written is named, and is no crash of the hook."""
    system.machine.path("/etc").mkdir()
    system.machine.path("/etc/odd").write_text("a file where a folder should be")
    odd = File(path="/etc/odd/file", content="x")
    (problem,) = converge(plan(files=(*PLAN.files, odd)), system.machine).problems
    assert "/etc/odd" in problem.what
    assert "the next hook goes on" in problem.fix
