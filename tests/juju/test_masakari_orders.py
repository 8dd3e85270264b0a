"""The masakari charm where the world is unkind: other orders, peers that are late, incomplete or wrong, bad input, a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.juju import masakari, release
from tests.juju.conftest import needs_boxes
from tests.juju.release import Database
from tests.juju.standin.juju import Juju

pytestmark = [needs_boxes, pytest.mark.slow, pytest.mark.timeout(180)]
PEERS = ("masakari-mysql-router", "keystone", "rabbitmq-server", "vault")


@pytest.fixture(scope="module")
def charm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The charm under test."""
    found, _ = masakari.find_charm(tmp_path_factory.mktemp("charm"))
    return found


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
    """One unit whose peers are all late; its router is the newer operator's."""
    folder = tmp_path_factory.mktemp("alone")
    with masakari.make(folder, database) as juju:
        masakari.deploy_cloud(juju, modes=dict.fromkeys(PEERS, "late"))
        juju.config("masakari-mysql-router", {"flavour": "operator"})
        masakari.deploy_masakari(juju, charm, wheels, units=1)
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
    """When the last peer answers, the unit is active."""
    for name in PEERS:
        alone.config(name, {"mode": "normal"})
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()


@pytest.mark.parametrize("mode", ["incomplete", "wrong"])
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_turns_bad_breaks_no_hook(alone: Juju, name: str, mode: str) -> None:
    """Whatever a peer writes, no hook fails, what runs goes on, the status tells of it, and a good answer mends it."""
    machine = alone.machine("masakari/0")
    before = len(alone.history("masakari/0"))
    alone.config(name, {"mode": mode})
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert status.word in ("waiting", "blocked"), f"{name} {mode}: {status}"
    assert machine.service("masakari-api").is_active
    assert machine.service("masakari-engine").is_active
    alone.config(name, {"mode": "normal"})
    alone.settle()
    assert alone.model.unit("masakari/0").status.word == "active", alone.status()
    assert not [hook for hook in alone.history("masakari/0")[before:] if hook.endswith("failed")]


def test_a_virtual_ip_outside_of_the_networks(alone: Juju) -> None:
    """A virtual IP that no network of the unit holds blocks it, and names the option; taken back, all is well."""
    alone.config("masakari", {"vip": "203.0.113.9"})
    alone.settle()
    status = alone.model.unit("masakari/0").status
    assert status.word == "blocked"
    assert "vip" in status.message
    assert "203.0.113.9" in status.message
    alone.config("masakari", {"vip": None})
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


@pytest.mark.parametrize("seed", [7])
def test_other_orders_end_the_same(tmp_path: Path, charm: Path, wheels: Path, seed: int) -> None:
    """In whatever order the events come, two units are active and no hook fails."""
    database = Database()
    with masakari.make(tmp_path, database, seed=seed) as juju:
        masakari.deploy_cloud(juju)
        masakari.deploy_masakari(juju, charm, wheels, units=2)
        masakari.integrate(juju, "masakari-mysql-router", "keystone")
        juju.settle()
        # A follower that came before the leader's schema looks again at the next event.
        juju.update_status("masakari/0", "masakari/1")
        juju.settle()
        assert [unit.status.word for unit in juju.model.units_of("masakari")] == ["active"] * 2, juju.status()
        assert not [hook for unit in ("masakari/0", "masakari/1") for hook in juju.history(unit) if "failed" in hook]
        assert database.schema == 1
