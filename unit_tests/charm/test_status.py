"""What Juju shows, in the words that operators know, and in the order of what matters most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ops
import pytest
from ops import testing

from masakari_charm.plan import Problem, Report
from unit_tests.charm.rig import (
    DATABASE_ANSWER,
    IDENTITY_ANSWER,
    INVENTORY,
    NETWORKS,
    Rig,
    amqp,
    complete,
    hacluster,
    identity,
    shared_db,
    vault,
)

RUNS = Report(release="1.0-a")
SECRET = testing.Secret({"inventory": INVENTORY}, owner=None)


def shown(tmp_path: Path, state: testing.State, report: Report = RUNS) -> tuple[str, str]:
    """Return what is shown for a state, with a machine that reports this."""
    status = Rig(tmp_path, machine_report=report).run(state).unit_status
    return status.name, status.message


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
