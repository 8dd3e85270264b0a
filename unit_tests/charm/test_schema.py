"""Who looked before the schema was there is called: the leader tells its peers whenever it sees the schema, and writes once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ops
import pytest
from ops import testing

from masakari_charm.status import WAITS_FOR_SCHEMA
from masakari_charm.workload.machine import Answer
from unit_tests.charm.rig import DATABASE_ANSWER, NETWORKS, Rig, amqp, complete, identity, peers, shared_db
from unit_tests.charm.workload.fake_system import Died

SYNC = "masakari-manage --config-file /run/masakari-charm/etc/masakari/masakari.conf db sync"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give the leader."""
    return Rig(tmp_path / "leader")


def unit(told: Mapping[str, str] | None = None, *, answer: Mapping[str, str] = DATABASE_ANSWER, **changes: Any) -> Any:
    """Return the state of a unit with a peer; `told` is the application's bag, `answer` that of the database."""
    cluster = replace(peers(), local_app_data=dict(told or {}), peers_data={2: {"private-address": "10.0.0.7"}})
    fields: dict[str, Any] = {"leader": True, "networks": NETWORKS} | changes
    return testing.State(relations=[shared_db(answer), amqp(), identity(), cluster], **fields)


def told_by(state: testing.State) -> dict[str, str]:
    """Return what the leader tells its peers."""
    (relation,) = state.get_relations("cluster")
    return dict(relation.local_app_data)


def test_a_follower_that_waits_is_called(rig: Rig, tmp_path: Path) -> None:
    """A follower waits; the leader's hook changes the bag that every unit reads, and the hook that follows brings the follower up."""
    follower = Rig(tmp_path / "follower", unit=1)
    answer = DATABASE_ANSWER | {"allowed_units": "masakari/1"}
    waits = follower.run(unit(answer=answer, leader=False))
    assert waits.unit_status == ops.WaitingStatus(WAITS_FOR_SCHEMA)
    assert told_by(waits) == {}
    told = told_by(rig.run(unit()))
    assert told["schema"].startswith("0.1.0-aaaa ")
    follower.system.schema = rig.system.schema
    called = unit(told, answer=answer, leader=False)
    (relation,) = called.get_relations("cluster")
    after = follower.run(called, lambda context: context.on.relation_changed(relation))
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert told_by(after) == told


def test_it_is_written_once(rig: Rig) -> None:
    """Every later hook of the leader, or of the one who leads after it, leaves the bag as it is."""
    first = rig.run(unit())
    assert told_by(rig.run(first)) == told_by(first)
    assert told_by(rig.run(replace(first, leader=False))) == told_by(first)


def test_a_leader_that_died_tells_later(rig: Rig, tmp_path: Path) -> None:
    """Whether the hook dies at the migration, or after it, so that Juju throws away what it wrote: the next one tells."""
    rig.run(unit())
    count = len(rig.system.changes)
    place = next(number for number, words in enumerate(rig.system.changes) if words == SYNC)
    for number in (place, place + 1, count - 1):
        again = Rig(tmp_path / f"again-{number}")
        again.system.dies_at = number
        with pytest.raises(testing.errors.UncaughtCharmError) as killed:
            again.run(unit())
        assert isinstance(killed.value.__cause__, Died)
        again.system.lives()
        assert told_by(again.run(unit()))["schema"].startswith("0.1.0-aaaa ")


def test_another_leader_tells_what_it_finds(tmp_path: Path) -> None:
    """Where the leader that migrated never came back, the next one finds the schema done, and tells."""
    rig = Rig(tmp_path, unit=1)
    rig.system.schema = 1
    answer = DATABASE_ANSWER | {"allowed_units": "masakari/1"}
    assert told_by(rig.run(unit(answer=answer)))["schema"].startswith("0.1.0-aaaa ")
    assert SYNC not in rig.system.changes


@pytest.mark.parametrize(
    "answer",
    [DATABASE_ANSWER | {"password": "of-another-database"}, DATABASE_ANSWER | {"db_host": "10.0.0.9"}],
    ids=["password", "host"],
)
def test_another_database_is_told_of_too(rig: Rig, answer: Mapping[str, str]) -> None:
    """In an empty database in the old one's place the schema is brought up again, and those who looked too early are called again."""
    first = told_by(rig.run(unit()))
    rig.system.schema = 0
    second = told_by(rig.run(unit(first, answer=answer)))
    assert rig.system.schema == 1
    assert first["schema"] != second["schema"]
    assert not [word for word in ("password", "10.0.0.9") if word in second["schema"]]


def test_nothing_is_told_before_it_is_there(rig: Rig) -> None:
    """A database that refuses, or none at all, leaves the bag as it was: there is nothing to come for."""
    told = told_by(rig.run(unit()))
    rig.system.answers["masakari-manage"] = Answer(code=1, err="masakari-manage: access denied\n")
    refused = unit(told, answer=DATABASE_ANSWER | {"password": "wrong"})
    assert told_by(rig.run(refused)) == told
    without = replace(refused, relations=[each for each in refused.relations if each.endpoint != "shared-db"])
    assert told_by(rig.run(without)) == told


def test_without_peers_there_is_nobody_to_tell(rig: Rig) -> None:
    """Juju makes the peers' relation with the application; a hook that comes before it works all the same."""
    assert isinstance(rig.run(complete()).unit_status, ops.ActiveStatus)
