"""The masakari charm on three units, in chapters of one story: each goes on where the one before it ended.

The cloud around it is scripted, systemd and apt are recorders, and the release does nothing but answer (see README.md).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.juju import inside, masakari, release
from tests.juju.conftest import needs_boxes
from tests.juju.peers import hacluster
from tests.juju.release import Database
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Relation

pytestmark = [needs_boxes, pytest.mark.slow, pytest.mark.timeout(600)]
UNITS = ("masakari/0", "masakari/1", "masakari/2")
SERVICES = ("masakari-api", "masakari-engine")
READY = "Unit is ready (no fencing-inventory: no host can be fenced)"
SECOND_VIP = "10.64.0.101"
PASSWORDS = ("keystone-gave-this", "rabbit-gave-this", "router-gave-this", "another-rabbit-password")


@dataclass(slots=True)
class Cloud:
    """The model of the story, its database and its charm."""

    juju: Juju
    database: Database
    charm: Path
    folder: Path

    def relation(self, endpoint: str) -> Relation:
        """Return masakari's relation at an endpoint."""
        return next(r for r in self.juju.model.relations_of("masakari") if r.ends["masakari"] == endpoint)

    def words(self) -> list[str]:
        """Return the status word of each unit."""
        return [unit.status.word for unit in self.juju.model.units_of("masakari")]

    def starts(self) -> dict[str, int]:
        """Return how often each service of each unit was started or reloaded."""
        return {
            f"{unit} {name}": service.starts + service.reloads
            for unit in UNITS
            if unit in self.juju.agents
            for name, service in self.juju.machine(unit).services.items()
        }

    def changes(self, unit: str, since: int) -> list[tuple[str, ...]]:
        """Return the calls that changed something on a unit's machine, after the first `since`."""
        asks = ("is-active", "is-enabled", "show", "reset-failed")
        calls = self.juju.machine(unit).calls[since:]
        return [call for call in calls if call[0] != "dpkg-query" and not set(asks) & set(call)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, charm: Path) -> Iterator[Cloud]:
    """Three units of masakari with a virtual IP, related to all five peers, settled."""
    folder = tmp_path_factory.mktemp("masakari")
    database = Database()
    with masakari.make(folder / "units", database) as juju:
        masakari.deploy_cloud(juju)
        wheels = release.pack(folder / "wheels-1.tar")
        masakari.deploy_masakari(juju, charm, wheels, config={"vip": masakari.VIP})
        masakari.integrate(juju)
        juju.settle()
        yield Cloud(juju, database, charm, folder)


def test_three_units_are_active_with_a_virtual_ip(cloud: Cloud) -> None:
    """Three units settle without a failed hook, are active, and every one asks hacluster for the same virtual IP."""
    assert cloud.words() == ["active"] * 3, cloud.juju.status()
    assert not [hook for unit in UNITS for hook in cloud.juju.history(unit) if hook.endswith(("failed", "killed"))]
    bags = cloud.relation("ha").bags
    asked = [hacluster.parse(bags[unit]) for unit in UNITS]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0].virtual_ips() == [masakari.VIP]
    assert set(asked[0].clones.values()) == {"res_masakari_haproxy"}


def test_the_endpoint_is_behind_the_virtual_ip(cloud: Cloud) -> None:
    """Every unit registers the same address: the virtual IP, with TLS, as vault issued certificates."""
    bags = [cloud.relation("identity-service").bags[unit] for unit in UNITS]
    assert {bag["service"] for bag in bags} == {"masakari"}
    assert {bag["public_url"] for bag in bags} == {f"https://{masakari.VIP}:15868/v1/%(tenant_id)s"}
    asked = json.loads(cloud.relation("certificates").bags["masakari/0"]["cert_requests"])
    assert all(masakari.VIP in request["sans"] for request in asked.values())


def test_the_machines_run_what_they_should(cloud: Cloud) -> None:
    """API and engine run from the release, and start with the machine; haproxy is left to Pacemaker; the port is open."""
    for unit in UNITS:
        machine, box = cloud.juju.machine(unit), cloud.juju.box(unit)
        for name in SERVICES:
            service = machine.service(name)
            assert (service.is_active, service.is_enabled) == (True, True), name
        assert not machine.called("systemctl", " haproxy", "start")
        assert not machine.service("haproxy").is_enabled
        assert box.run("readlink", "/opt/masakari/current").strip() == "releases/1.0-standin"
        assert cloud.juju.model.unit(unit).ports == {"15868/tcp"}
        config = box.read("/etc/masakari/masakari.conf")
        assert "mysql+pymysql://masakari:router-gave-this@127.0.0.1:3306/masakari" in config
        assert "keystone-gave-this" in config
        assert box.run("stat", "-c", "%U:%G %a", "/etc/masakari/masakari.conf").strip() == "root:masakari 640"


def test_the_shortcut_ends_the_same(cloud: Cloud, tmp_path: Path) -> None:
    """What the units ask for and write in their boxes is what the charm asks for and writes in the test's own process."""
    database = Database()
    with masakari.make(tmp_path, database) as juju:
        masakari.deploy_cloud(juju)
        machines = inside.deploy(juju, database, config={"vip": masakari.VIP})
        masakari.integrate(juju)
        juju.settle()
        for model in (juju.model, cloud.juju.model):
            assert {unit.status.message for unit in model.units_of("masakari")} == {READY}
        for one, other in zip(*(each.model.relations_of("masakari") for each in (juju, cloud.juju)), strict=True):
            assert {unit: one.bags[unit] for unit in UNITS} == {unit: other.bags[unit] for unit in UNITS}, one.ends
        for unit, path in itertools.product(UNITS, ("/etc/masakari/masakari.conf", "/etc/haproxy/haproxy.cfg")):
            assert (machines[unit].root / path[1:]).read_text() == cloud.juju.box(unit).read(path)
        assert database.calls.count(("db sync", 1)) == cloud.database.calls.count(("db sync", 1))


def test_the_leader_alone_brings_the_schema_up(cloud: Cloud) -> None:
    """One unit made the schema; the others looked and went on."""
    assert cloud.database.schema == 1
    assert [verb for verb, _ in cloud.database.calls].count("db sync") == 1


def test_no_password_is_shown(cloud: Cloud) -> None:
    """What the peers gave stands in files of the units, not in a status, a log line or a bag of ours."""
    shown = [cloud.juju.status()]
    for unit in UNITS:
        shown += [line for _, line in cloud.juju.model.unit(unit).log]
        shown += [str(relation.bags[unit]) for relation in cloud.juju.model.relations_of("masakari")]
        shown += [" ".join(call) for call in cloud.juju.machine(unit).calls]
        shown.append((cloud.juju.box(unit).folder / "hooks.log").read_text())
    assert not [password for password in PASSWORDS if any(password in text for text in shown)]


def test_update_status_changes_nothing(cloud: Cloud) -> None:
    """A second look runs no command but readings, writes no bag and starts nothing."""
    before = cloud.starts()
    counts = {unit: len(cloud.juju.machine(unit).calls) for unit in UNITS}
    versions = {r.id: dict(r.versions) for r in cloud.juju.model.relations.values()}
    cloud.juju.update_status(*UNITS)
    assert cloud.juju.settle() == 3
    assert cloud.starts() == before
    assert {unit: cloud.changes(unit, counts[unit]) for unit in UNITS} == {unit: [] for unit in UNITS}
    assert {r.id: dict(r.versions) for r in cloud.juju.model.relations.values()} == versions


def test_a_paused_unit_stays_paused(cloud: Cloud) -> None:
    """pause stops and masks; hooks start nothing; resume brings the unit back with what came meanwhile."""
    outcome = cloud.juju.run("masakari/1", "pause")
    assert outcome.failure is None
    machine = cloud.juju.machine("masakari/1")
    cloud.juju.config("masakari", {"debug": True})
    cloud.juju.update_status("masakari/1")
    cloud.juju.settle()
    assert [(machine.service(name).is_active, machine.service(name).is_masked) for name in SERVICES] == [
        (False, True)
    ] * 2
    assert cloud.words() == ["active", "maintenance", "active"]
    assert "Use 'resume' action" in cloud.juju.model.unit("masakari/1").status.message
    assert cloud.juju.run("masakari/1", "resume").failure is None
    assert cloud.words() == ["active"] * 3
    assert all(machine.service(name).is_active for name in SERVICES)
    assert "debug = true" in cloud.juju.box("masakari/1").read("/etc/masakari/masakari.conf").lower()


def test_a_rotated_password_restarts_each_service_once(cloud: Cloud) -> None:
    """When rabbitmq's password changes, every unit takes it and restarts what reads it, however many hooks tell of it."""
    before = cloud.starts()
    cloud.juju.config("rabbitmq-server", {"password": "another-rabbit-password"})
    cloud.juju.settle()
    for unit in UNITS:
        assert "another-rabbit-password" in cloud.juju.box(unit).read("/etc/masakari/masakari.conf")
    after = cloud.starts()
    grown = {name: after[name] - count for name, count in before.items() if after[name] != count}
    assert grown == {f"{unit} {name}.service": 1 for unit in UNITS for name in SERVICES}


def test_a_command_that_fails_is_shown_and_made_up_for(cloud: Cloud) -> None:
    """A service that does not start blocks the unit with what to do; the next hook mends it by itself."""
    machine = cloud.juju.machine("masakari/2")
    machine.fail("systemctl", "restart masakari-engine", errors="Job for masakari-engine.service failed.")
    cloud.juju.config("masakari", {"brake-hosts": 3})
    cloud.juju.settle()
    status = cloud.juju.model.unit("masakari/2").status
    assert status.word == "blocked"
    assert "masakari-engine" in status.message
    machine.mend()
    cloud.juju.update_status("masakari/2")
    cloud.juju.settle()
    assert cloud.words() == ["active"] * 3


def test_a_hook_that_fails_is_retried(cloud: Cloud) -> None:
    """A hook whose tool fails fails, and its unit is in error; retried, it ends as if nothing had been."""
    before = dict(cloud.relation("ha").versions)
    cloud.juju.break_tool("masakari/1", "relation-set", times=1)
    cloud.juju.config("masakari", {"vip": f"{masakari.VIP} {SECOND_VIP}"})
    cloud.juju.settle(retries=0)
    assert cloud.juju.history("masakari/1")[-1] == "config-changed failed"
    assert cloud.juju.model.unit("masakari/1").agent.word == "error"
    assert cloud.relation("ha").versions["masakari/1"] == before["masakari/1"]
    cloud.juju.settle()
    asked = [hacluster.parse(cloud.relation("ha").bags[unit]) for unit in UNITS]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0].virtual_ips() == [masakari.VIP, SECOND_VIP]
    assert cloud.words() == ["active"] * 3


def test_a_unit_killed_in_mid_hook_makes_up_for_it(cloud: Cloud) -> None:
    """A unit that dies between writing a file and the restart runs the hook again, and restarts then."""
    cloud.juju.kill("masakari/2", "systemctl", "restart masakari-engine")
    cloud.juju.config("masakari", {"brake-hosts": 4})
    cloud.juju.settle()
    assert cloud.juju.history("masakari/2")[-1] == "config-changed killed"
    before = cloud.juju.machine("masakari/2").service("masakari-engine").starts
    cloud.juju.revive("masakari/2")
    cloud.juju.settle()
    assert cloud.juju.machine("masakari/2").service("masakari-engine").starts == before + 1
    assert cloud.words() == ["active"] * 3


def test_a_relation_broken_and_joined_again(cloud: Cloud) -> None:
    """Without keystone the units are blocked and what runs goes on; with keystone again they are active."""
    before = cloud.starts()
    cloud.juju.remove_relation("masakari:identity-service", "keystone:identity-service")
    cloud.juju.settle()
    assert cloud.words() == ["blocked"] * 3
    assert "'identity-service' missing" in cloud.juju.model.unit("masakari/0").status.message
    assert cloud.starts() == before
    assert all(cloud.juju.machine(unit).service(name).is_active for unit in UNITS for name in SERVICES)
    masakari.integrate(cloud.juju, "keystone")
    cloud.juju.settle()
    assert cloud.words() == ["active"] * 3
    assert cloud.starts() == before


def test_the_leader_dies_during_an_upgrade(cloud: Cloud) -> None:
    """A leader killed in its migration holds nobody up for long: the next leader migrates, and calls all to the new release."""
    wheels = release.pack(cloud.folder / "wheels-2.tar", schema=2)
    cloud.juju.kill("masakari/0", "masakari-manage", "db sync")
    cloud.juju.refresh("masakari", cloud.charm, resources={"wheels": wheels})
    cloud.juju.settle()
    assert cloud.juju.history("masakari/0")[-1] == "upgrade-charm killed"
    assert cloud.database.schema == 1
    for unit in UNITS[1:]:
        status = cloud.juju.model.unit(unit).status
        assert (status.word, "schema" in status.message) == ("waiting", True)
        assert cloud.juju.box(unit).run("readlink", "/opt/masakari/current").strip() == "releases/1.0-standin"
        assert all(cloud.juju.machine(unit).service(name).is_active for name in SERVICES)
    assert cloud.juju.expire_leadership("masakari") == "masakari/1"
    cloud.juju.settle()
    assert cloud.database.schema == 2
    cloud.juju.revive("masakari/0")
    cloud.juju.settle()
    assert cloud.words() == ["active"] * 3, cloud.juju.status()
    for unit in UNITS:
        box = cloud.juju.box(unit)
        assert box.run("readlink", "/opt/masakari/current").strip() == "releases/2.0-standin"
        assert box.run("readlink", "/opt/masakari/previous").strip() == "releases/1.0-standin"


def test_an_upgrade_that_waits_for_the_operator(cloud: Cloud) -> None:
    """With action-managed-upgrade a refreshed unit keeps its release, says so, and switches with the action."""
    cloud.juju.config("masakari", {"action-managed-upgrade": True})
    cloud.juju.refresh(
        "masakari", cloud.charm, resources={"wheels": release.pack(cloud.folder / "wheels-3.tar", schema=3)}
    )
    cloud.juju.settle()
    for unit in UNITS:
        assert cloud.juju.box(unit).run("readlink", "/opt/masakari/current").strip() == "releases/2.0-standin"
        assert "3.0-standin" in cloud.juju.model.unit(unit).status.message
    assert cloud.database.schema == 2
    leader = cloud.juju.model.applications["masakari"].leader or ""
    outcome = cloud.juju.run(leader, "openstack-upgrade")
    assert outcome.failure is None, outcome
    assert cloud.juju.box(leader).run("readlink", "/opt/masakari/current").strip() == "releases/3.0-standin"
    assert cloud.words() == ["active"] * 3


def test_removal(cloud: Cloud) -> None:
    """A unit that is removed stops its services and takes its files along; the others stay active."""
    machine, folder = cloud.juju.machine("masakari/2"), cloud.juju.box("masakari/2").folder
    cloud.juju.remove_unit("masakari/2")
    history = cloud.juju.history("masakari/2")
    cloud.juju.settle()
    assert history[-2:] == ["stop", "remove"]
    assert not any(machine.service(name).is_active for name in SERVICES)
    assert cloud.words() == ["active"] * 2
    assert "masakari-hacluster/2" not in cloud.juju.model.units
    # The charm left nothing of the service on the disk, and the box is gone too.
    assert not (folder / "own" / "opt.own" / "masakari").exists()
    assert not list((folder / "root").iterdir())


def test_a_unit_that_comes_late(cloud: Cloud) -> None:
    """A virtual IP is dropped, then a unit is added: it asks hacluster for the same as the others, and to delete the same."""
    cloud.juju.config("masakari", {"vip": masakari.VIP})
    cloud.juju.settle()
    cloud.juju.add_unit("masakari")
    cloud.juju.settle()
    units = [unit.name for unit in cloud.juju.model.units_of("masakari")]
    bags = [cloud.relation("ha").bags[unit] for unit in units]
    keys = {key for bag in bags for key in bag if key.startswith(("json_", "corosync_"))}
    asked = [{key: bag.get(key) for key in keys} for bag in bags]
    assert asked[0] == asked[1] == asked[2]
    gone = hacluster.parse(bags[2]).deleted
    assert "grp_masakari_vips" in gone
    assert len(gone) == 2
    assert cloud.words() == ["active"] * 3, cloud.juju.status()
