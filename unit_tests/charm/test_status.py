"""What Juju shows, in the words that operators know, and in the order of what matters most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ops
import pytest
from ops import testing

from masakari_charm import status
from masakari_charm.plan import CONFIG_FILE, Problem, Report
from masakari_charm.relations.amqp import Amqp, Broker
from masakari_charm.workload import services
from masakari_charm.workload.machine import Answer
from unit_tests.charm.rig import (
    DATABASE_ANSWER,
    IDENTITY_ANSWER,
    INVENTORY,
    NETWORKS,
    Rig,
    amqp,
    bag,
    complete,
    hacluster,
    identity,
    peers,
    shared_db,
    vault,
)

RUNS = Report(release="1.0-a")
SECRET = testing.Secret({"inventory": INVENTORY}, owner=None)


def shown(tmp_path: Path, state: testing.State, report: Report = RUNS) -> tuple[str, str]:
    """Return what is shown for a state, with a machine that reports this."""
    found = Rig(tmp_path, machine_report=report).run(state).unit_status
    return found.name, found.message


def related(*relations: testing.RelationBase) -> testing.State:
    """Return the state of a unit with these relations only."""
    return testing.State(relations=relations, networks=NETWORKS)


def without(answer: dict[str, str], key: str) -> dict[str, str]:
    """Return an answer without a key."""
    return {name: value for name, value in answer.items() if name != key}


def protected(**config: Any) -> testing.State:
    """Return a complete unit with an inventory."""
    return complete(secrets=[SECRET], config={"fencing-inventory": SECRET.id, **config})


def test_a_fresh_unit_names_what_is_missing(tmp_path: Path) -> None:
    """Without relations the unit is blocked, and names them in today's words; amqp is not needed."""
    assert shown(tmp_path, related()) == ("blocked", "'shared-db' missing, 'identity-service' missing")


@pytest.mark.parametrize("key", ["db_host", "password", "allowed_units"])
def test_a_database_without_an_answer_is_waited_for(tmp_path: Path, key: str) -> None:
    """Each key that the database owes makes the relation incomplete, and the unit wait."""
    state = related(shared_db(without(DATABASE_ANSWER, key)), identity(), amqp())
    assert shown(tmp_path, state) == ("waiting", "'shared-db' incomplete")


def test_another_units_database_is_waited_for(tmp_path: Path) -> None:
    """An answer that lets only other units in is none."""
    state = related(shared_db({**DATABASE_ANSWER, "allowed_units": "masakari/10 other/0"}), identity())
    assert shown(tmp_path, state) == ("waiting", "'shared-db' incomplete")


@pytest.mark.parametrize("value", ["", "__null__", None])
def test_keystone_is_waited_for(tmp_path: Path, value: str | None) -> None:
    """Keystone's word for nothing, an empty value and no value are all no answer."""
    answer = without(IDENTITY_ANSWER, "service_password") | ({} if value is None else {"service_password": value})
    assert shown(tmp_path, related(shared_db(), identity(answer))) == ("waiting", "'identity-service' incomplete")


def test_missing_goes_before_incomplete(tmp_path: Path) -> None:
    """Both are named in one line, and the worse one decides."""
    state = related(shared_db({}))
    assert shown(tmp_path, state) == ("blocked", "'shared-db' incomplete, 'identity-service' missing")


def test_a_broker_that_was_joined_is_waited_for(tmp_path: Path) -> None:
    """amqp may be left out; once it is there, its answer is waited for."""
    state = related(shared_db(), identity(), amqp({}))
    assert shown(tmp_path, state) == ("waiting", "'amqp' incomplete")


def test_vault_is_waited_for(tmp_path: Path) -> None:
    """A unit that shall have TLS does not start without it."""
    state = related(shared_db(), identity(), amqp(), vault())
    assert shown(tmp_path, state) == ("waiting", "'certificates' incomplete")


def test_a_cluster_that_is_not_formed_is_waited_for(tmp_path: Path) -> None:
    """Behind hacluster the unit is ready when Pacemaker is."""
    state = complete(hacluster({}), config={"vip": "10.0.0.100"})
    assert shown(tmp_path, state) == ("waiting", "'ha' incomplete")


def test_a_unit_with_everything_is_ready(tmp_path: Path) -> None:
    """The word for active is today's, and nothing is added where nothing is left out."""
    assert shown(tmp_path, protected()) == ("active", "Unit is ready")


def test_ready_says_what_is_left_out(tmp_path: Path) -> None:
    """Without inventory and broker the unit is active and says what that means."""
    kind, message = shown(tmp_path, related(shared_db(), identity()))
    assert kind == "active"
    assert message == (
        "Unit is ready (no fencing-inventory: no host can be fenced; no amqp: engines look at the database once a second)"
    )


def test_ready_says_which_release_waits(tmp_path: Path) -> None:
    """With action-managed-upgrade another release is announced."""
    report = Report(release="1.0-a", waiting_release="2.0-b")
    message = shown(tmp_path, protected(**{"action-managed-upgrade": True}), report)[1]
    assert message == "Unit is ready (release 2.0-b waits for the action openstack-upgrade)"


def test_a_wrong_option_is_blocked_with_its_fix(tmp_path: Path) -> None:
    """The option and the fix stand in the status; the others are counted."""
    state = protected(vip="10.0.0.300", **{"haproxy-queue-timeout": 0})
    kind, message = shown(tmp_path, state)
    assert kind == "blocked"
    assert message == (
        "haproxy-queue-timeout = 0 cannot be used; set a whole number from 1 to 2147483647 (and 1 more, see the log)"
    )


def test_a_missing_relation_goes_before_a_wrong_option(tmp_path: Path) -> None:
    """The order of the checks is today's: relations first."""
    state = testing.State(config={"vip": "no address"}, networks=NETWORKS)
    assert shown(tmp_path, state)[1].startswith("'shared-db' missing")


def test_a_wrong_option_goes_before_a_wait(tmp_path: Path) -> None:
    """Nobody waits for what a human has to mend."""
    state = testing.State(relations=[shared_db({}), identity()], config={"vip": "nonsense"}, networks=NETWORKS)
    assert shown(tmp_path, state)[1].startswith("vip 'nonsense' is no IP address")


def test_names_for_dns_ha_are_mandatory(tmp_path: Path) -> None:
    """dns-ha without a hostname is today's word for unset configuration."""
    assert shown(tmp_path, protected(**{"dns-ha": True})) == (
        "blocked",
        "The following mandatory config is unset: os-public-hostname, os-internal-hostname, os-admin-hostname",
    )


def test_a_virtual_ip_outside_the_networks_is_blocked_and_mended(tmp_path: Path) -> None:
    """A virtual IP that no network holds says so with the networks; corrected, the unit is ready by itself."""
    rig = Rig(tmp_path, machine_report=RUNS)
    wrong = rig.run(protected(vip="172.31.0.9"))
    assert wrong.unit_status == ops.BlockedStatus(
        "vip 172.31.0.9 is in none of the unit's networks (10.0.0.0/24); "
        "correct vip, or name the interface and its prefix length in vip_iface and vip_cidr"
    )
    assert rig.run(protected(vip="10.0.0.9")).unit_status == ops.ActiveStatus("Unit is ready")


def test_trouble_of_the_machine_goes_first(tmp_path: Path) -> None:
    """A full disk at install is shown although no relation is there yet."""
    report = Report(problems=(Problem(what="no space left for /opt", fix="make room on the disk"),))
    assert shown(tmp_path, related(), report) == ("blocked", "no space left for /opt; make room on the disk")


def test_the_schema_is_waited_for(tmp_path: Path) -> None:
    """A unit that is not the leader waits for the leader."""
    assert shown(tmp_path, protected(), Report(waits_for_schema=True)) == (
        "waiting",
        "Waiting for the leader to bring up the schema of the database",
    )


def test_a_service_that_should_run_is_named(tmp_path: Path) -> None:
    """Today's words for a service that is down."""
    report = Report(release="1.0-a", stopped=("masakari-engine", "haproxy"))
    assert shown(tmp_path, protected(), report) == (
        "blocked",
        "Services not running that should be: masakari-engine, haproxy",
    )


STILL_RUNS = "Services should be paused but these services running"
REFUSED = Problem(what="the database refuses", fix="see whether it runs")


def test_a_paused_unit_is_shown_as_paused(tmp_path: Path) -> None:
    """What is wrong with a paused unit stands beside the word for paused: nothing of it runs, as its operator wants."""
    rig = Rig(tmp_path)
    rig.run(protected())
    rig.run(protected(), lambda context: context.on.action("pause"))
    rig.system.answers["masakari-manage --config-file"] = Answer(code=1, err="masakari-manage: no connection\n")
    rig.system.needs["0.1.0-aaaa"] = 2
    after = rig.run(protected(debug=True))
    assert after.unit_status.name == "maintenance"
    assert after.unit_status.message.startswith("Paused. Use 'resume' action to resume normal service. (")
    assert "no connection" in after.unit_status.message


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            Report(problems=(REFUSED,)),
            ("maintenance", f"{status.PAUSED} (the database refuses; see whether it runs)"),
        ),
        (
            Report(problems=(REFUSED,), running=("masakari-engine",)),
            (
                "blocked",
                f"{STILL_RUNS}: masakari-engine (the database refuses; see whether it runs)",
            ),
        ),
        (Report(), ("maintenance", status.PAUSED)),
    ],
    ids=["a problem", "a service that runs", "nothing"],
)
def test_pause_goes_before_a_problem_unless_something_runs(
    tmp_path: Path, report: Report, expected: tuple[str, str]
) -> None:
    """A paused unit is blocked only where a service of it still runs."""
    rig = Rig(tmp_path, machine_report=report)
    services.remember_pause(rig.system.machine, paused=True)
    shown_status = rig.run(protected()).unit_status
    assert (shown_status.name, shown_status.message) == expected


def test_a_wrong_option_of_a_paused_unit_is_said(tmp_path: Path) -> None:
    """Whoever wants to resume sees beforehand what will be in the way."""
    rig = Rig(tmp_path, machine_report=RUNS)
    services.remember_pause(rig.system.machine, paused=True)
    message = rig.run(protected(vip="nonsense")).unit_status.message
    assert message.startswith(f"{status.PAUSED} (vip 'nonsense' is no IP address")


@pytest.mark.parametrize("endpoint", ["shared-db", "amqp", "identity-service", "certificates", "ha"])
def test_two_applications_on_one_endpoint_are_blocked(tmp_path: Path, endpoint: str) -> None:
    """The status names the endpoint, both applications and the command; what runs goes on, and no answer is mixed with another."""
    rig = Rig(tmp_path)
    make = {
        "shared-db": shared_db,
        "amqp": amqp,
        "identity-service": identity,
        "certificates": vault,
        "ha": hacluster,
    }[endpoint]
    first, second = replace(make(), remote_app_name="first"), replace(make(), remote_app_name="second")
    alone = complete()
    others = [relation for relation in alone.relations if relation.endpoint != endpoint]
    state = replace(alone, relations=[*others, first])
    rig.run(state)
    runs = set(rig.system.active)
    after = rig.run(replace(state, relations=[*others, first, second]))
    assert after.unit_status == ops.BlockedStatus(
        f"{endpoint} is related to first and second; remove one of them, as in: "
        f"juju remove-relation masakari:{endpoint} second"
    )
    assert not rig.plan.files
    assert rig.system.active == runs


def test_the_brokers_of_two_applications_are_not_one_url(tmp_path: Path) -> None:
    """With rabbit2 beside rabbit1 the state has rabbit1 alone, and after rabbit1 is removed rabbit2 alone."""
    rig = Rig(tmp_path, machine_report=RUNS)
    answer = {"private-address": "10.0.0.62", "password": "of-the-second"}
    first, second = replace(amqp(), remote_app_name="rabbit1"), replace(amqp(answer), remote_app_name="rabbit2")
    state = related(shared_db(), identity(), first, second)
    resources = [testing.Resource(name="wheels", path=rig.empty_file())]
    with rig.context(rig.context.on.update_status(), replace(state, resources=resources)) as manager:
        found = manager.charm.read().amqp
    assert found == Amqp(brokers=(Broker(host="10.0.0.61", port=5672),), password="broker-password")
    rig.run(state, lambda context: context.on.relation_broken(first))
    assert "transport_url = rabbit://masakari:of-the-second@10.0.0.62:5672/masakari" in rig.text(CONFIG_FILE)


def unbound(*names: str) -> testing.State:
    """Return a complete unit for whose bindings of these names Juju has no address."""
    empty = {testing.Network(name, bind_addresses=[], ingress_addresses=[], egress_subnets=[]) for name in names}
    rest = {each for each in NETWORKS if each.binding_name not in names}
    return complete(hacluster(), peers(), vault(), networks=frozenset(empty | rest), config={"vip": "10.0.0.100"})


@pytest.mark.parametrize("names", [("public",), ("cluster",), tuple(sorted(each.binding_name for each in NETWORKS))])
def test_an_address_that_is_not_known_is_waited_for(tmp_path: Path, names: tuple[str, ...]) -> None:
    """While Juju names no address the unit waits, and no placeholder is in any bag."""
    after = Rig(tmp_path, machine_report=RUNS).run(unbound(*names))
    assert after.unit_status.name == "waiting"
    shown_names = after.unit_status.message.removeprefix("Waiting for Juju to name an address of ").split(", ")
    assert sorted(shown_names) == sorted(names)
    assert [relation.endpoint for relation in after.relations if bag(after, relation.endpoint)] == []


def test_an_address_that_goes_leaves_what_was_published(tmp_path: Path) -> None:
    """A binding without an address for a while changes no bag and nothing that runs; the unit mends by itself."""
    rig = Rig(tmp_path)
    state = rig.run(complete(config={"os-public-hostname": "m.example"}))
    before = {relation.id: dict(relation.local_unit_data) for relation in state.relations}
    rig.system.forget()
    after = rig.run(replace(state, networks=unbound("public", "cluster").networks))
    assert {relation.id: dict(relation.local_unit_data) for relation in after.relations} == before
    assert after.unit_status.name == "waiting"
    assert not rig.plan.is_complete
    assert rig.system.changes == []
    assert isinstance(rig.run(replace(after, networks=NETWORKS)).unit_status, ops.ActiveStatus)


def test_every_problem_stands_in_the_log(tmp_path: Path) -> None:
    """What the status only counts is a line of the log."""
    rig = Rig(tmp_path, machine_report=RUNS)
    rig.run(protected(vip="nonsense", **{"haproxy-queue-timeout": 0}))
    lines = " ".join(entry.message for entry in rig.context.juju_log)
    assert "haproxy-queue-timeout = 0" in lines
    assert "vip 'nonsense'" in lines


def test_options_without_effect_are_named_in_one_line(tmp_path: Path) -> None:
    """All of them in one warning, and only where they are set to something."""
    rig = Rig(tmp_path, machine_report=RUNS)
    rig.run(protected(verbose=True, **{"use-syslog": True, "evacuation-delay": 30, "notification-expiration": 60}))
    lines = [entry.message for entry in rig.context.juju_log if "without effect" in entry.message]
    assert len(lines) == 1
    assert "verbose, use-syslog, evacuation-delay, notification-expiration;" in lines[0]
    quiet = Rig(tmp_path / "quiet", machine_report=RUNS)
    quiet.run(protected())
    assert not [entry for entry in quiet.context.juju_log if "without effect" in entry.message]


def test_no_broker_is_warned_of(tmp_path: Path) -> None:
    """Without amqp the log says what that means."""
    rig = Rig(tmp_path, machine_report=RUNS)
    rig.run(related(shared_db(), identity()))
    assert [entry for entry in rig.context.juju_log if entry.level == "WARNING" and "no amqp" in entry.message]
