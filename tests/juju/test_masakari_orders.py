"""The masakari charm where the world is unkind: peers that are late, incomplete or wrong, relations that go, bad input, a full disk.

And its product's own actions, as a user would call them. All of it in boxes; the orders of events are those of a seed.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.juju import masakari, release
from tests.juju.conftest import needs_boxes
from tests.juju.release import Database
from tests.juju.standin.errors import JujuError
from tests.juju.standin.juju import Juju
from tests.juju.standin.tools import Answer
from unit_tests.cli.rig import Cloud, Installed
from vmha.core.events import Confirmed

pytestmark = [needs_boxes, pytest.mark.slow, pytest.mark.timeout(600)]
PEERS = ("masakari-mysql-router", "keystone", "rabbitmq-server", "vault", "masakari-hacluster")
SEED = 7
SERVICES = ("masakari-api", "masakari-engine")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release under test."""
    return release.pack(tmp_path_factory.mktemp("wheels") / "wheels.tar")


@pytest.fixture(scope="module")
def database() -> Database:
    """The database of the unit that is alone."""
    return Database()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, charm: Path, wheels: Path, database: Database) -> Iterator[Juju]:
    """One unit whose peers are all late; its router is the newer operator's. Its hooks come in another order than Juju's usual one.

    Many orders on three units are tried in test_masakari_seeds.py.
    """
    folder = tmp_path_factory.mktemp("alone")
    with masakari.make(folder, database, seed=SEED) as juju:
        masakari.deploy_cloud(juju, modes=dict.fromkeys(PEERS, "late"))
        juju.config("masakari-mysql-router", {"flavour": "operator"})
        juju.config("masakari-hacluster", {"cluster_count": 1})
        masakari.deploy_masakari(juju, charm, wheels, units=1, config={"vip": masakari.VIP})
        masakari.integrate(juju, *PEERS)
        juju.settle()
        yield juju


def test_late_peers_are_waited_for(alone: Juju) -> None:
    """While nobody has answered, the unit waits and names whom it waits for; nothing runs."""
    status = alone.model.unit("masakari/0").status
    assert status.word == "waiting"
    for endpoint in ("shared-db", "identity-service", "amqp", "certificates"):
        assert f"'{endpoint}' incomplete" in status.message
    assert not alone.machine("masakari/0").called("systemctl start")


def test_everything_answered_late_is_as_good_as_in_time(alone: Juju) -> None:
    """The service runs when all but hacluster have answered; the unit waits for the cluster, and is active with it."""
    *others, last = PEERS
    for name in others:
        alone.config(name, {"mode": "normal"})
    alone.settle()
    machine = alone.machine("masakari/0")
    assert all(machine.service(name).is_active for name in SERVICES)
    assert not machine.service("haproxy").is_enabled
    status = alone.model.unit("masakari/0").status
    assert (status.word, status.message) == ("waiting", "'ha' incomplete")
    alone.config(last, {"mode": "normal"})
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()


@pytest.mark.parametrize("mode", ["incomplete", "wrong"])
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_turns_bad_breaks_no_hook(alone: Juju, name: str, mode: str) -> None:
    """Whatever a peer writes, no hook fails, what runs goes on, the status tells of it, and a good answer mends it."""
    machine = alone.machine("masakari/0")
    before, starts = len(alone.history("masakari/0")), machine.service("haproxy").starts
    alone.config(name, {"mode": mode})
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert status.word in ("waiting", "blocked"), f"{name} {mode}: {status}"
    assert f"'{masakari.RELATIONS[name]}' incomplete" in status.message or status.word == "blocked"
    assert all(machine.service(each).is_active for each in (*SERVICES, "haproxy"))
    assert machine.service("haproxy").starts == starts
    alone.config(name, {"mode": "normal"})
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()
    assert not [hook for hook in alone.history("masakari/0")[before:] if hook.endswith("failed")]


def test_a_virtual_ip_outside_of_the_networks(alone: Juju) -> None:
    """A virtual IP that no network of the unit holds blocks it, and names the option; corrected, all is well."""
    alone.config("masakari", {"vip": "203.0.113.9"})
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert status.word == "blocked"
    assert "vip" in status.message
    assert "203.0.113.9" in status.message
    alone.config("masakari", {"vip": masakari.VIP})
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()


def test_a_broken_inventory(alone: Juju) -> None:
    """A secret that is not granted, then broken, blocks the unit without a word of its content; a good one is taken."""
    identifier = alone.add_secret({"inventory": "hosts: {c1: {ipmi: {password: do-not-show"})
    alone.config("masakari", {"fencing-inventory": identifier})
    alone.settle()
    assert "juju grant-secret" in alone.model.unit("masakari/0").status.message
    alone.model.secrets[identifier.removeprefix("secret:")].granted.add(("masakari", None))
    alone.update_status("masakari/0")
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert (status.word, "fencing-inventory" in status.message) == ("blocked", True)
    good = "hosts:\n  c1:\n    ipmi: {address: 10.64.9.1, user: admin, password: do-not-show}\n"
    alone.update_secret(identifier, {"inventory": good})
    alone.settle()
    assert alone.history("masakari/0")[-1] == "secret-changed"
    assert alone.model.unit("masakari/0").status.message == "Unit is ready"
    box = alone.box("masakari/0")
    assert box.read("/etc/masakari/fencing.yaml") == good
    assert box.run("stat", "-c", "%U %a", "/etc/masakari/fencing.yaml").strip() == "masakari 600"
    shown = [line for _, line in alone.model.unit("masakari/0").log] + [status.message, alone.status()]
    assert not [line for line in shown if "do-not-show" in line]


def test_a_database_that_refuses(alone: Juju, database: Database) -> None:
    """A database that does not let us in blocks the unit and what runs goes on; it recovers by itself."""
    alone.config("masakari-mysql-router", {"password": "of tomorrow"})
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert (status.word, "access denied" in status.message) == ("blocked", True)
    assert alone.machine("masakari/0").service("masakari-api").is_active
    assert "of tomorrow" not in status.message
    database.password = "of tomorrow"
    alone.update_status("masakari/0")
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()


def test_relations_broken_and_joined_again(alone: Juju) -> None:
    """All relations go, and come again: the unit is blocked meanwhile, what runs goes on, and in the end it is active as before."""
    machine, names = alone.machine("masakari/0"), masakari.RELATIONS
    config = alone.box("masakari/0").read("/etc/masakari/masakari.conf")
    for name, endpoint in names.items():
        alone.remove_relation(f"masakari:{endpoint}", f"{name}:{endpoint}")
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert (status.word, status.message) == ("blocked", "'shared-db' missing, 'identity-service' missing")
    assert all(machine.service(each).is_active for each in SERVICES)
    masakari.integrate(alone)
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()
    assert alone.box("masakari/0").read("/etc/masakari/masakari.conf") == config


@pytest.fixture
def installed(tmp_path: Path, database: Database) -> Iterator[Installed]:
    """The real masakari-manage answers what actions ask, on a database of its own without tables yet."""
    made = Installed(tmp_path)

    def manage(words: list[str]) -> Answer:
        command = (*made.command("manage"), *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return Answer(code=done.returncode, output=done.stdout, errors=done.stderr)

    database.service = manage
    yield made
    database.service = None


WORD = {"by": "ann", "reason": "pulled both power cords"}
NO_TABLES = "the database has no tables of this service; run: masakari-manage db sync"
ASKING: dict[str, tuple[dict[str, str], str]] = {
    "list-recoveries": ({}, "recovery list"),
    "show-recovery": ({"recovery": "5ea2e72a-0000"}, "recovery show"),
    "confirm-host-down": ({"host": "c1", **WORD}, "recovery list"),
    "fencing-check": ({"host": "c9"}, "fencing check"),
    "answer-recovery": ({"word": "pause", "host": "c1", **WORD}, "recovery list"),
    "return-host": ({"host": "c1", **WORD}, "host return"),
    "check-readiness": ({}, "readiness"),
}


@pytest.mark.parametrize("action", ASKING)
def test_an_action_that_cannot_be_answered(
    alone: Juju, database: Database, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """Where the service cannot answer, the action fails with the service's own words, and its process ends well."""
    monkeypatch.setattr(database, "service", lambda _: Answer(code=2, errors=f"masakari-manage: {NO_TABLES}\n"))
    parameters, words = ASKING[action]
    outcome = alone.run("masakari/0", action, **parameters)
    assert outcome.results == {}
    assert outcome.failure == f"masakari-manage {words}: {NO_TABLES}; correct that and run the action again"
    assert alone.model.unit("masakari/0").status.word == "active"


@pytest.mark.parametrize(
    ("action", "parameters", "words"),
    [
        ("show-recovery", {}, "'recovery' is a required property"),
        ("confirm-host-down", {"host": "c1", "by": "ann"}, "'reason' is a required property"),
        ("answer-recovery", {"word": "evacuate", "host": "c1", **WORD}, "'evacuate' is not one of"),
        ("return-host", {"host": "c1", "reason": "new board"}, "'by' is a required property"),
        ("list-recoveries", {"everything": True}, "Additional properties are not allowed"),
    ],
)
def test_parameters_are_checked(alone: Juju, action: str, parameters: dict[str, Any], words: str) -> None:
    """Juju refuses what an action does not take, before the charm hears of it."""
    with pytest.raises(JujuError, match=words):
        alone.run("masakari/0", action, **parameters)


def test_actions_about_a_recovery(alone: Juju, installed: Installed) -> None:
    """A recovery that waits is listed and shown, as text and for programs, and a human's word on it is recorded."""
    installed.sync()
    cloud = Cloud(installed)
    uuid = cloud.waiting()
    listed = alone.run("masakari/0", "list-recoveries")
    assert (listed.failure, listed.results["outcome"]) == (None, "1 open, 1 waiting for a human")
    assert [row["uuid"] for row in json.loads(listed.results["json"])] == [uuid]
    shown = alone.run("masakari/0", "show-recovery", recovery=uuid)
    assert shown.failure is None
    assert shown.results["outcome"].startswith("c1: unproven: ")
    assert json.loads(shown.results["json"])["host"] == "c1"
    confirmed = alone.run("masakari/0", "confirm-host-down", host="c1", **WORD)
    assert (confirmed.failure, confirmed.results["recovery"]) == (None, uuid)
    by = "ann (juju action on masakari/0)"
    assert cloud.letters() == [Confirmed(by=by, why=WORD["reason"], asked="unproven")]
    cloud.close()


def test_actions_that_check(alone: Juju, installed: Installed) -> None:
    """Both fail where something is not well, and the results say what to do; fencing-check succeeds where every BMC answers."""
    installed.configure(keystone_authtoken={"password": "nobody asks"})
    installed.sync()
    checked = alone.run("masakari/0", "fencing-check")
    assert (checked.failure, checked.results["outcome"]) == (None, "0 of 0 BMCs answer")
    checked = alone.run("masakari/0", "fencing-check", host="c9")
    assert checked.failure == "not ok: c9; the result hosts says what to do"
    assert checked.results["hosts"].startswith("UNPROTECTED  c9  ")
    ready = alone.run("masakari/0", "check-readiness")
    assert ready.failure == "not ok: segments, cloud; each result says what to do"
    assert ready.results["segments"].startswith(
        "NOT OK: no host is in a segment, so nothing is recovered; openstack segment create"
    )
    assert "Connection refused" in ready.results["cloud"]


def test_a_full_disk_at_install(tmp_path: Path, charm: Path, wheels: Path) -> None:
    """A unit without room for the release says so, and goes on by itself when there is room."""
    with masakari.make(tmp_path, Database()) as juju:
        masakari.deploy_masakari(juju, charm, wheels, units=1)
        juju.box("masakari/0").limit("/opt", "1m")
        juju.settle()
        status = juju.model.unit("masakari/0").status
        assert (status.word, "make room on the disk" in status.message) == ("blocked", True)
        assert not [hook for hook in juju.history("masakari/0") if hook.endswith("failed")]
        juju.box("masakari/0").limit("/opt", "100m")
        juju.update_status("masakari/0")
        juju.settle()
        assert "'shared-db' missing" in juju.model.unit("masakari/0").status.message
