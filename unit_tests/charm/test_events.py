"""Every event ends in the same state, and a hook that runs again changes nothing: no bag, no file, no service."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import ops
import pytest
from ops import testing

from charm import MasakariCharm
from masakari_charm.plan import CONFIG_FILE
from masakari_charm.workload.machine import Answer
from unit_tests.charm.rig import Rig, bag, complete, hacluster, peers, vault

Event = Callable[..., Any]

LIFE: dict[str, Event] = {
    "install": lambda context, state: context.on.install(),
    "start": lambda context, state: context.on.start(),
    "config-changed": lambda context, state: context.on.config_changed(),
    "upgrade-charm": lambda context, state: context.on.upgrade_charm(),
    "update-status": lambda context, state: context.on.update_status(),
    "leader-elected": lambda context, state: context.on.leader_elected(),
}
ENDPOINTS = ("shared-db", "amqp", "identity-service", "ha", "cluster", "certificates", "cos-agent")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit."""
    return Rig(tmp_path)


def everything() -> testing.State:
    """Return a unit that is related to everything; vault has not answered."""
    cos = testing.Relation("cos-agent", remote_app_name="grafana-agent", local_unit_data={})
    return complete(hacluster(), peers("10.0.0.6", "10.0.0.7"), vault(), cos, config={"vip": "10.0.0.100"})


def relation_events(endpoint: str) -> list[Event]:
    """Return the events of an endpoint."""

    def relation(state: testing.State) -> Any:
        return state.get_relations(endpoint)[0]

    return [
        lambda context, state: context.on.relation_created(relation(state)),
        lambda context, state: context.on.relation_joined(relation(state)),
        lambda context, state: context.on.relation_changed(relation(state)),
        lambda context, state: context.on.relation_departed(relation(state)),
        lambda context, state: context.on.relation_broken(relation(state)),
    ]


@pytest.mark.parametrize("name", LIFE)
def test_each_event_of_a_units_life_brings_it_up(rig: Rig, name: str) -> None:
    """A unit with all relations becomes active, opens its port and names its release, whatever event comes."""
    state = complete()
    after = rig.run(state, lambda context: LIFE[name](context, state))
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert after.opened_ports == {testing.TCPPort(15868)}
    assert after.workload_version == "0.1.0-aaaa"
    assert rig.system.active == {"masakari-api", "masakari-engine"}
    assert not after.deferred


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_event_of_a_relation_converges(rig: Rig, endpoint: str) -> None:
    """Each event of each relation makes one plan and defers nothing."""
    for event in relation_events(endpoint):
        state = everything()
        count = len(rig.plans)
        after = rig.run(state, partial(event, state=state))
        assert len(rig.plans) == count + 1
        assert not after.deferred
        assert not isinstance(after.unit_status, testing.UnknownStatus)


def test_a_changed_secret_converges(rig: Rig) -> None:
    """A new revision of a secret makes a new plan."""
    secret = testing.Secret({"inventory": "hosts: {}"}, owner=None)
    state = complete(secrets=[secret], config={"fencing-inventory": secret.id})
    rig.run(state, lambda context: context.on.secret_changed(secret))
    assert len(rig.plans) == 1


def test_a_second_run_changes_nothing(rig: Rig) -> None:
    """Every hook that follows a complete one writes no key, runs no command that changes anything and leaves every file alone."""
    first = rig.run(everything_answered())
    files = snapshot(rig.system.root)
    rig.system.forget()
    for event in LIFE.values():
        again = rig.run(first, partial(event, state=first))
        assert [relation.local_unit_data for relation in by_id(again)] == [
            relation.local_unit_data for relation in by_id(first)
        ]
        assert again.opened_ports == first.opened_ports
    assert rig.system.changes == []
    assert snapshot(rig.system.root) == files


def everything_answered() -> testing.State:
    """Return a unit in a cluster of three with a virtual IP."""
    return complete(hacluster(), peers("10.0.0.6", "10.0.0.7"), config={"vip": "10.0.0.100"})


def by_id(state: testing.State) -> list[Any]:
    """Return the relations in an order."""
    return sorted(state.relations, key=lambda relation: relation.id)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return every file below a folder with content, mode and time; the wheels are put there by the rig."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "wheels" not in path.parts
    }


def test_update_status_restarts_nothing(rig: Rig) -> None:
    """An update-status on a unit that is as it should be runs readings only."""
    state = rig.run(complete())
    rig.system.forget()
    rig.run(state, lambda context: context.on.update_status())
    assert rig.system.changes == []


def test_a_changed_password_restarts_what_reads_it(rig: Rig) -> None:
    """A rotated broker password restarts API and engine, and nothing else."""
    rig.run(complete())
    rig.system.forget()
    from_broker = {"private-address": "10.0.0.61", "password": "rotated"}
    state = testing.State(
        leader=True,
        networks=complete().networks,
        relations=[relation for relation in complete().relations if relation.endpoint != "amqp"]
        + [testing.Relation("amqp", remote_app_name="rabbitmq", remote_units_data={0: from_broker})],
    )
    rig.run(state)
    restarts = [words for words in rig.system.changes if words.startswith("systemctl")]
    assert restarts == ["systemctl restart masakari-api", "systemctl restart masakari-engine"]
    assert "rotated" in rig.text(CONFIG_FILE)


def test_a_broken_relation_stops_nothing(rig: Rig) -> None:
    """When the database is taken away, what runs goes on with its old configuration, and the status says what is missing."""
    state = rig.run(complete())
    rig.system.forget()
    (database,) = state.get_relations("shared-db")
    after = rig.run(state, lambda context: context.on.relation_broken(database))
    assert after.unit_status == ops.BlockedStatus("'shared-db' missing")
    assert not rig.plan.is_complete
    assert rig.system.active == {"masakari-api", "masakari-engine"}
    assert rig.system.changes == []


def test_a_relation_that_is_joined_again_brings_it_back(rig: Rig) -> None:
    """After broken comes joined: the unit is active again without a restart, since nothing changed."""
    state = rig.run(complete())
    (database,) = state.get_relations("shared-db")
    rig.run(state, lambda context: context.on.relation_broken(database))
    rig.system.forget()
    after = rig.run(complete())
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert not [words for words in rig.system.changes if "restart" in words]


def test_removal_takes_everything_away(rig: Rig) -> None:
    """The hook remove stops the services and removes the configuration with its secrets."""
    state = rig.run(complete())
    rig.run(state, lambda context: context.on.stop())
    assert rig.system.active == {"masakari-api", "masakari-engine"}
    rig.run(state, lambda context: context.on.remove())
    assert rig.system.active == set()
    assert not rig.system.machine.path(CONFIG_FILE).exists()


def test_removal_fails_where_a_service_cannot_be_stopped(rig: Rig) -> None:
    """A service that does not stop fails the hook, and its configuration stays for the next try."""
    state = rig.run(complete())
    rig.system.answers["systemctl stop"] = Answer(code=1, err="Job failed.\n")
    with pytest.raises(testing.errors.UncaughtCharmError, match="cannot stop"):
        rig.run(state, lambda context: context.on.remove())
    assert rig.system.machine.path(CONFIG_FILE).exists()


@pytest.mark.parametrize("survived", range(0, 24, 2))
def test_a_hook_that_died_is_made_up_for(rig: Rig, survived: int) -> None:
    """Wherever a hook dies, the next one ends where an undisturbed one does, and a third changes nothing."""
    state = everything_answered()
    rig.system.active.add("haproxy")  # by Pacemaker
    rig.system.dies_at = survived
    with suppress(testing.errors.UncaughtCharmError):
        rig.run(state)
    rig.system.lives()
    after = rig.run(state)
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert {"masakari-api", "masakari-engine"} <= rig.system.active
    rig.system.forget()
    rig.run(after)
    assert rig.system.changes == []


def test_what_a_relation_owes_stands_in_the_log(rig: Rig) -> None:
    """For each relation that is waited for the log names the keys, and no value."""
    rig.run(complete(vault()))
    lines = [entry.message for entry in rig.context.juju_log]
    assert "certificates has not answered yet: ca, masakari_0.processed_requests" in lines


def test_a_second_unit_brings_haproxy_and_takes_it_along(rig: Rig) -> None:
    """When a peer comes the API gives the port to haproxy, and takes it back when the peer has gone: never do two want it at once."""
    alone, scaled = complete(peers()), complete(peers("10.0.0.6"))
    rig.run(alone)
    rig.system.forget()
    rig.run(scaled)
    words = rig.system.changes
    assert words.index("systemctl restart masakari-api") < words.index("systemctl start haproxy")
    assert "apt-get" in " ".join(words)
    rig.system.forget()
    rig.run(alone)
    words = rig.system.changes
    assert words.index("systemctl stop haproxy") < words.index("systemctl restart masakari-api")
    assert rig.system.active == {"masakari-api", "masakari-engine"}


def test_hacluster_takes_haproxy_over_and_gives_it_back(rig: Rig) -> None:
    """With peers haproxy is ours; when hacluster joins it is Pacemaker's, when that goes it is ours again and runs."""
    rig.run(complete(peers("10.0.0.6")))
    assert "haproxy" in rig.system.enabled
    related = complete(peers("10.0.0.6"), hacluster(), config={"vip": "10.0.0.100"})
    rig.run(related)
    assert "haproxy" not in rig.system.enabled
    rig.system.active.discard("haproxy")  # Pacemaker stops it once
    rig.run(related)
    assert "haproxy" not in rig.system.active
    rig.run(complete(peers("10.0.0.6")))
    assert {"haproxy"} <= rig.system.active & rig.system.enabled


def test_the_models_proxies_are_apts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands on the machine get the proxies of the model, under the names that apt reads."""
    for name in ("HTTP", "HTTPS", "NO"):
        monkeypatch.setenv(f"JUJU_CHARM_{name}_PROXY", "" if name == "HTTPS" else f"{name.lower()}.example")
    machine = MasakariCharm.make_machine(cast("MasakariCharm", None))
    assert machine.environment == {"http_proxy": "http.example", "no_proxy": "no.example"}


def test_a_virtual_ip_that_nobody_carries_is_warned_of(rig: Rig) -> None:
    """vip without hacluster is legal, since something else may carry it, and is said in the log."""
    after = rig.run(complete(config={"vip": "10.0.0.100"}))
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert [entry for entry in rig.context.juju_log if "something else has to carry 10.0.0.100" in entry.message]


def test_only_the_leader_may_migrate(rig: Rig) -> None:
    """The plan lets the leader bring up the schema, and no other unit."""
    rig.run(complete())
    assert rig.plan.may_migrate
    rig.run(complete(leader=False))
    assert not rig.plan.may_migrate


def test_a_unit_without_relations_brings_packages_and_release_only(rig: Rig) -> None:
    """At install the release is made and no file of the service is written, and nothing is started."""
    after = rig.run(testing.State(), lambda context: context.on.install())
    assert rig.plan.files == ()
    assert rig.plan.packages
    assert rig.system.active == set()
    assert after.opened_ports == frozenset()
    assert ops.MaintenanceStatus("Installing packages") in rig.context.unit_status_history


def test_an_attached_release_goes_before_the_charms_own(rig: Rig, tmp_path: Path) -> None:
    """The resource is used where it holds something; an empty file is none."""
    attached = tmp_path / "wheels.tar"
    attached.write_bytes(b"")
    state = testing.State(resources=[testing.Resource(name="wheels", path=attached)])
    rig.run(state)
    assert rig.plan.wheels.endswith("/wheels")
    attached.write_bytes(b"release")
    rig.run(state)
    assert rig.plan.wheels == str(attached)


def test_our_side_of_every_relation_is_written(rig: Rig) -> None:
    """Each relation gets exactly the keys that its module describes."""
    after = rig.run(everything())
    assert bag(after, "shared-db") == {"database": "masakari", "username": "masakari", "hostname": "10.0.0.5"}
    assert bag(after, "amqp") == {"username": "masakari", "vhost": "masakari", "private-address": "10.0.0.5"}
    assert set(bag(after, "identity-service")) == {"service", "region", "public_url", "internal_url", "admin_url"}
    assert set(bag(after, "cluster")) == {"private-address", "public-address", "internal-address", "admin-address"}
    assert set(bag(after, "certificates")) == {"unit_name", "cert_requests"}
    assert set(bag(after, "cos-agent")) == {"config"}
    assert "json_resources" in bag(after, "ha")
