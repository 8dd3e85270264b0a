"""The life of one unit on a real systemd, in chapters of one story: each goes on where the one before it ended.

The packed charm's own hooks do everything on the machine. MariaDB, RabbitMQ and Keystone are real; Nova, Placement and the BMCs are
simulated, behind real sockets (see README.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.cloud.rig.waiting import until
from tests.systemd import peers
from tests.systemd.environment import API, BINDINGS, ENGINE, FLAGS, UNIT, Environment
from tests.systemd.neighbours import HOSTS, INSTANCES, VICTIM
from vmha.sim.checker import check

# The first chapter begins with what is made once per machine: a root file system, Keystone's environment, the wheels.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SERVICES = (API, ENGINE)


def test_a_full_disk_at_install(unit: Environment) -> None:
    """A disk that is full at the install leaves nothing half-made and a status that says what to do; with room the unit goes on."""
    options = {"openstack-origin": "distro", "config-flags": FLAGS, "fence-attempts": 2}
    unit.juju.deploy(unit.this.result().charm, spaces=BINDINGS, config=options)
    unit.machine.run("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", "/opt")
    status = unit.run_one_hook()
    assert unit.juju.history(UNIT) == ["install"]
    assert status.word == "blocked"
    assert status.message.endswith("make room on the disk; the next hook goes on"), status.message
    assert unit.machine.run("ls", "-A", "/opt/masakari/releases") == ""
    unit.machine.run("umount", "/opt")
    status = unit.settle()
    assert (status.word, status.message) == ("blocked", "'shared-db' missing, 'identity-service' missing")


def test_the_release_came_from_the_wheels_inside(unit: Environment) -> None:
    """The hook installed packages from apt's cache and the release from the charm's wheels: there is no way to any index."""
    machine, release = unit.machine, unit.this.result().name
    assert machine.run("ip", "route", "show", "default") == ""
    assert machine.ask("getent", "hosts", "deb.debian.org").returncode != 0
    installed = machine.run("dpkg-query", "--show", "--showformat=${db:Status-Status}\n", "python3-venv", "logrotate")
    assert installed.split() == ["installed", "installed"]
    assert machine.run("readlink", "/opt/masakari/current").strip() == f"releases/{release}"
    assert (
        machine.run("head", "-n1", "/usr/local/bin/masakari-manage")
        == f"#!/opt/masakari/releases/{release}/bin/python\n"
    )
    assert unit.juju.model.applications["masakari"].version == release


def test_a_database_that_refuses(unit: Environment) -> None:
    """A database that does not let the user in is named with what to do, nothing is started; once it does, the unit goes on by itself."""
    unit.neighbours.database.sql("CREATE USER masakari@127.0.0.1 IDENTIFIED BY 'a password of somebody else'")
    peers.deploy(unit.juju, unit.neighbours)
    peers.integrate(unit.juju)
    status = unit.settle()
    assert status.word == "blocked"
    assert "cannot use the database" in status.message, status.message
    assert "Access denied for user 'masakari'@" in status.message, status.message
    assert "see that the database is reachable and takes this user (relation shared-db)" in status.message
    assert peers.DATABASE_PASSWORD not in status.message
    assert not unit.is_active(API)
    unit.neighbours.database.sql(f"ALTER USER masakari@127.0.0.1 IDENTIFIED BY '{peers.DATABASE_PASSWORD}'")
    status = unit.update_status()
    assert (status.word, status.message) == (
        "active",
        "Unit is ready (no fencing-inventory: no host can be fenced)",
    )


def test_the_services_run_hardened(unit: Environment, record_property: Callable[[str, object], None]) -> None:
    """Both run from the release as the system user, without any capability, behind a filter of system calls, and start with the machine."""
    for service in SERVICES:
        shown = unit.show(service, "ActiveState", "UnitFileState", "User", "ProtectSystem", "MainPID", "NRestarts")
        pid = shown.pop("MainPID")
        assert shown == {
            "ActiveState": "active",
            "UnitFileState": "enabled",
            "User": "masakari",
            "ProtectSystem": "strict",
            "NRestarts": "0",
        }
        process = dict(re.findall(r"^(\w+):\t(.+)$", unit.machine.read(f"/proc/{pid}/status"), re.MULTILINE))
        assert process["Uid"].split()[0] == unit.machine.run("id", "-u", "masakari").strip()
        assert (process["NoNewPrivs"], process["Seccomp"], int(process["CapBnd"], 16)) == ("1", "2", 0)
        command = unit.machine.read(f"/proc/{pid}/cmdline").split("\0")
        assert f"/opt/masakari/current/bin/{service}" in command
    assert unit.machine.run("stat", "-c", "%U:%G %a", "/etc/masakari/masakari.conf").strip() == "root:masakari 640"
    judged = unit.machine.run("systemd-analyze", "security", "--no-pager", *SERVICES)
    exposure = re.findall(r"^(masakari-\w+)\.service +([\d.]+) (\w+)", judged, re.MULTILINE)
    record_property("systemd-analyze security", str(exposure))
    print(f"\nsystemd-analyze security (0 is best, 10 worst): {exposure}")


def test_the_neighbours_are_in_use(unit: Environment) -> None:
    """The engine is known to MariaDB and to RabbitMQ, the API asks Keystone about tokens and is found in its catalog."""
    until(lambda: unit.sql("SELECT name FROM engines") == "masakari-0", "the engine", timeout_seconds=60)
    until(unit.answers, "the API", timeout_seconds=60)
    connected = unit.neighbours.broker_says("list_connections", "user", "vhost").split("\n")
    assert "masakari\tmasakari" in connected
    assert list(unit.neighbours.client().segments()) == []
    assert unit.neighbours.client().get_endpoint().startswith("http://10.64.1.10:15868/v1/")


def test_a_broken_inventory(unit: Environment) -> None:
    """An inventory that cannot be used is named by host and key, and what runs goes on; a mended one comes by itself."""
    before = unit.starts()
    secret = unit.juju.add_secret(
        {"inventory": "hosts: {c1: {ipmi: {address: 10.0.0.7, pasword: oops}}}\n"}, to="masakari"
    )
    unit.juju.config("masakari", {"fencing-inventory": secret})
    status = unit.settle()
    assert status.word == "blocked"
    assert status.message == (
        "fencing-inventory: host c1 has the unknown key pasword; "
        "run: juju update-secret NAME inventory#file=fencing.yaml with a corrected file"
    )
    assert unit.starts() == before
    unit.juju.update_secret(secret, {"inventory": unit.neighbours.inventory()})
    status = unit.settle()
    assert (status.word, status.message) == ("active", "Unit is ready")
    now = unit.starts()
    assert now[ENGINE] != before[ENGINE]
    assert now[API] == before[API]
    assert unit.machine.run("stat", "-c", "%U %a", "/etc/masakari/fencing.yaml").split() == ["masakari", "600"]
    outcome = unit.juju.run(UNIT, "fencing-check")
    assert (outcome.failure, outcome.results["outcome"]) == (None, f"{len(HOSTS)} of {len(HOSTS)} BMCs answer")


def test_a_failed_host_is_recovered(unit: Environment) -> None:
    """A monitor's notification through the API lets the engine power the host off by IPMI, and then move its instances, each once."""
    unit.make_segment("first")
    unit.neighbours.lose(VICTIM)
    unit.report(VICTIM)
    recovery = unit.wait_until_recovered(VICTIM)
    assert recovery["outcome"] == "recovered", recovery
    facts = unit.neighbours.facts()
    moved = [fact for fact in facts if fact["what"] == "evacuation"]
    assert len({fact["instance"] for fact in moved}) == len(moved) == INSTANCES
    assert {fact["outcome"] for fact in moved} == {"taken"}
    assert any(fact["what"] == "bmc" and fact["order"] == "off" and fact["host"] == VICTIM for fact in facts)
    assert check(facts) == []
    shown = unit.juju.run(UNIT, "show-recovery", recovery=recovery["uuid"])
    assert shown.failure is None
    assert shown.results["outcome"].startswith(f"{VICTIM}: recovered")


def test_readiness(unit: Environment) -> None:
    """check-readiness finds the one thing that is wrong with these neighbours, says what to do, and is content once it is done."""
    outcome = unit.juju.run(UNIT, "check-readiness")
    assert outcome.failure == "not ok: database; each result says what to do"
    assert "innodb_flush_log_at_trx_commit = 1 on every server" in outcome.results["database"]
    unit.neighbours.database.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    outcome = unit.juju.run(UNIT, "check-readiness")
    assert (outcome.failure, outcome.results["outcome"]) == (None, "ready, 2 unknown")


def test_an_archive_that_is_away(unit: Environment) -> None:
    """package-upgrade without a way to the archive fails and says so, and changes nothing."""
    before = unit.starts()
    outcome = unit.juju.run(UNIT, "package-upgrade")
    assert outcome.failure is not None
    assert "see that this unit reaches its package archive" in outcome.failure
    assert unit.starts() == before


def test_a_hook_that_changes_nothing_does_nothing(unit: Environment) -> None:
    """update-status and a config-changed without a change restart nothing and write nothing."""
    before, files = unit.starts(), unit.written()
    unit.update_status()
    unit.juju.config("masakari", {"verbose": True})
    unit.settle()
    assert unit.starts() == before
    assert unit.written() == files


def test_a_killed_engine_is_restarted(unit: Environment) -> None:
    """systemd starts an engine again that was killed, and it takes up its work."""
    before = unit.starts()[ENGINE]
    unit.machine.run("systemctl", "kill", "--signal=KILL", ENGINE)
    again = {"NRestarts": "1", "ActiveState": "active"}
    until(lambda: unit.show(ENGINE, *again) == again, "systemd's restart", timeout_seconds=60)
    assert unit.starts()[ENGINE] != before
    assert (unit.update_status().word, unit.show(ENGINE, "NRestarts")["NRestarts"]) == ("active", "1")


def test_logs_are_rotated(unit: Environment) -> None:
    """logrotate takes the logs by the rules that the charm wrote, and the programs go on in new files."""
    log = "/var/log/masakari/masakari-api.log"
    unit.machine.run("logrotate", "--force", "/etc/logrotate.d/masakari")
    assert unit.machine.run("stat", "-c", "%U %a %s", log).split() == ["masakari", "640", "0"]
    assert "masakari" in unit.machine.read(f"{log}.1")
    assert unit.knock() == 401
    until(lambda: "Authorization failed" in unit.machine.read(log), "a line in the new log", timeout_seconds=60)


def test_a_paused_unit_stays_paused(unit: Environment) -> None:
    """pause stops both; neither hooks nor a reboot start them; resume does, with what was configured meanwhile."""
    assert unit.juju.run(UNIT, "pause").failure is None
    assert not [name for name in SERVICES if unit.is_active(name)]
    unit.juju.config("masakari", {"debug": True})
    paused = ("maintenance", "Paused. Use 'resume' action to resume normal service.")
    for look in (unit.settle, unit.update_status):
        status = look()
        assert (status.word, status.message) == paused
    unit.machine.reboot()
    assert [unit.show(name, "LoadState", "ActiveState") for name in SERVICES] == [
        {"LoadState": "masked", "ActiveState": "inactive"}
    ] * 2
    assert (unit.update_status().word, unit.is_active(API)) == ("maintenance", False)
    assert unit.juju.run(UNIT, "resume").failure is None
    assert [name for name in SERVICES if unit.is_active(name)] == list(SERVICES)
    assert "debug = true" in unit.machine.read("/etc/masakari/masakari.conf")
    assert unit.update_status().message == "Unit is ready"


def test_what_runs_comes_back_with_the_machine(unit: Environment) -> None:
    """After a reboot both services run without any hook, and the API answers."""
    unit.machine.reboot()
    until(lambda: all(map(unit.is_active, SERVICES)), "both services", timeout_seconds=60)
    until(unit.answers, "the API", timeout_seconds=60)
    assert unit.update_status().word == "active"


def test_another_release_and_back(unit: Environment) -> None:
    """A later release waits for its action, brings its schema, keeps what is there; the way back keeps what came in between."""
    this, later = unit.this.result(), unit.later.result()
    unit.juju.config("masakari", {"action-managed-upgrade": True, "debug": False})
    unit.settle()
    before, rows = unit.starts(), unit.rows()
    made = unit.machine.run("stat", "-c", "%Y %i", f"/opt/masakari/releases/{this.name}/complete")

    unit.juju.refresh("masakari", later.charm)
    status = unit.settle()
    assert status.message == f"Unit is ready (release {later.name} waits for the action openstack-upgrade)"
    assert unit.starts() == before
    assert unit.schema() == this.step
    outcome = unit.juju.run(UNIT, "openstack-upgrade")
    assert (outcome.failure, outcome.results.get("release")) == (None, later.name)
    assert (unit.release(), unit.schema(), unit.rows()) == (later.name, later.step, rows)
    assert not [name for name, start in unit.starts().items() if start == before[name]]
    until(unit.answers, "the API", timeout_seconds=60)
    unit.make_segment("in between")

    unit.juju.refresh("masakari", this.charm)
    unit.settle()
    assert unit.juju.run(UNIT, "openstack-upgrade").failure is None
    assert (unit.release(), unit.schema()) == (this.name, later.step)
    until(unit.answers, "the API", timeout_seconds=60)
    assert {segment.name for segment in unit.neighbours.client().segments()} == {"first", "in between"}
    assert unit.machine.run("stat", "-c", "%Y %i", f"/opt/masakari/releases/{this.name}/complete") == made
    unit.make_segment("on the new schema")
    status = unit.update_status()
    assert (status.word, status.message) == ("active", "Unit is ready")


def test_tls(unit: Environment) -> None:
    """With certificates haproxy holds the API's port with TLS, and plaintext is on loopback only; clients follow the catalog."""
    ca = unit.join_vault()
    assert unit.status.message == "Unit is ready"
    assert unit.listening(API) == {("127.0.0.1", 15848)}
    assert unit.listening("haproxy") == {("0.0.0.0", 15868)}
    client = unit.neighbours.client(ca=ca)
    until(lambda: client.get_endpoint().startswith("https://10.64.1.10:15868/"), "the catalog", timeout_seconds=60)
    # haproxy may have looked before the API was up again, and looks anew soon.
    until(lambda: unit.reached(client), "the API behind haproxy", timeout_seconds=60)
    assert len(list(client.segments())) == 3
    before = unit.starts()
    assert (unit.update_status().word, unit.starts()) == ("active", before)


def test_no_password_was_written_down(unit: Environment) -> None:
    """What the neighbours gave stands in no log of the machine, of the service, of the hooks or of Juju, though some of it was at debug."""
    machine = unit.machine
    logs = machine.run("journalctl", "--no-pager", "--output=cat")
    logs += "".join(path.read_text() for path in machine.path("/var/log/masakari").iterdir())
    logs += (machine.folder / "hooks.log").read_text()
    logs += "\n".join(f"{line}" for line in unit.juju.model.unit(UNIT).log)
    assert "masakari-engine.service" in logs
    assert [password for password in peers.PASSWORDS if password in logs] == []


def test_removal(unit: Environment) -> None:
    """A unit that goes stops its services and takes everything of the charm with it; the database and the logs stay."""
    machine, rows = unit.machine, unit.rows()
    unit.juju.remove_unit(UNIT)
    unit.juju.settle(retries=0)
    assert UNIT not in unit.juju.agents
    for path in ("etc/masakari", "opt/masakari", "var/lib/masakari-charm", "etc/logrotate.d/masakari"):
        assert not (machine.disk / path).exists(), path
    assert not list((machine.disk / "usr/local").rglob("masakari-*"))
    assert (machine.disk / "var/log/masakari/masakari-engine.log").exists()
    assert unit.rows() == rows
