"""A relation broken and joined again: while it is gone what runs goes on or is changed for it, and in the end all is as it was."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ops
import pytest
from ops import testing

from masakari_charm.plan import Plan
from unit_tests.charm.pairs import pair
from unit_tests.charm.rig import (
    AMQP_ANSWER,
    Rig,
    amqp,
    bag,
    complete,
    hacluster,
    identity,
    peers,
    shared_db,
    vault,
    vault_answer,
)

HOST = "unit.maas"
CERTIFICATE, KEY = pair()
ISSUED = vault_answer({HOST: (CERTIFICATE, KEY)}, ca=CERTIFICATE)
CONFIG = {"vip": "10.0.0.100 10.0.0.101"}
RUNS = {"masakari-api", "masakari-engine", "haproxy"}

ANSWERED: dict[str, Callable[[], testing.RelationBase]] = {
    "shared-db": shared_db,
    "amqp": lambda: amqp(AMQP_ANSWER, AMQP_ANSWER | {"private-address": "10.0.0.62"}),
    "identity-service": identity,
    "certificates": lambda: vault(ISSUED),
    "ha": hacluster,
}
"""Each endpoint as it is when the other side has answered: a relation of its own, with an id of its own, each time."""

BLANK: dict[str, Callable[[], testing.RelationBase]] = {
    "shared-db": lambda: shared_db({}),
    "amqp": lambda: amqp({}, {}),
    "identity-service": lambda: identity({}),
    "certificates": lambda: vault({}),
    "ha": lambda: hacluster({}),
}
"""Each endpoint before the other side has said anything."""

STOPPED_FOR: dict[str, str] = {"shared-db": "'shared-db' missing", "identity-service": "'identity-service' missing"}
"""What the unit shows without a relation that it needs."""


@pytest.fixture(autouse=True)
def dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the unit a name, by its kernel and by DNS, whatever machine the test runs on."""
    monkeypatch.setattr(socket, "gethostname", lambda: "unit")
    monkeypatch.setattr(socket, "getfqdn", lambda: HOST)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit."""
    return Rig(tmp_path)


def whole(rig: Rig) -> testing.State:
    """Return a unit that is related to everybody, and has settled; Pacemaker runs its haproxy."""
    relations = [make() for make in ANSWERED.values()]
    state = replace(complete(config=CONFIG), relations=[*relations, peers("10.0.0.6")])
    rig.system.active.add("haproxy")
    return rig.run(rig.run(state))


def part(rig: Rig, state: testing.State, endpoint: str) -> testing.State:
    """Break a relation, and run a hook without it."""
    (relation,) = state.get_relations(endpoint)
    after = rig.run(state, lambda context: context.on.relation_broken(relation))
    return rig.run(replace(after, relations=others(after, endpoint)), lambda context: context.on.update_status())


def others(state: testing.State, endpoint: str) -> list[testing.RelationBase]:
    """Return all relations but one."""
    return [relation for relation in state.relations if relation.endpoint != endpoint]


def join(rig: Rig, state: testing.State, endpoint: str) -> testing.State:
    """Relate again: the other side is there, then answers."""
    blank, answered = BLANK[endpoint](), ANSWERED[endpoint]()
    answered = replace(answered, id=blank.id)
    state = replace(state, relations=[*others(state, endpoint), blank])
    state = rig.run(state, lambda context: context.on.relation_created(blank))
    (asked,) = state.get_relations(endpoint)
    answered = replace(answered, local_unit_data=asked.local_unit_data)
    state = replace(state, relations=[*others(state, endpoint), answered])
    return rig.run(state, lambda context: context.on.relation_changed(answered))


def planned(rig: Rig) -> Plan:
    """Return the last plan, without the folder of the charm, which ops.testing makes anew for each hook."""
    return replace(rig.plan, wheels="wheels")


def picture(rig: Rig, state: testing.State) -> dict[str, Any]:
    """Return all that must be as it was: the plan, the status, our side of every relation, files and services."""
    root = rig.system.root
    folders: Iterable[Path] = (root / "etc", root / "usr")
    return {
        "status": state.unit_status,
        "bags": {endpoint: bag(state, endpoint) for endpoint in (*ANSWERED, "cluster")},
        "files": {str(path): path.read_text() for folder in folders for path in folder.rglob("*") if path.is_file()},
        "services": (rig.system.active, rig.system.enabled, rig.system.masked),
    }


@pytest.mark.parametrize("endpoint", ANSWERED)
def test_all_is_as_it_was(rig: Rig, endpoint: str) -> None:
    """Broken and joined again, twice: the unit comes back to the same plan, to the same bags, files and services, and is ready."""
    state = whole(rig)
    assert isinstance(state.unit_status, ops.ActiveStatus)
    plan, before = planned(rig), picture(rig, state)
    for _ in range(2):
        state = join(rig, part(rig, state, endpoint), endpoint)
        assert planned(rig) == plan
        assert picture(rig, state) == before
    rig.system.forget()
    rig.run(state)
    assert rig.system.changes == []


@pytest.mark.parametrize("endpoint", ANSWERED)
def test_meanwhile_the_service_runs(rig: Rig, endpoint: str) -> None:
    """Without the relation, and while its other side says nothing, nothing is stopped, and what is needed is named."""
    state = part(rig, whole(rig), endpoint)
    assert rig.system.active == RUNS
    if endpoint in STOPPED_FOR:
        assert state.unit_status == ops.BlockedStatus(STOPPED_FOR[endpoint])
    else:
        assert isinstance(state.unit_status, ops.ActiveStatus)
    blank = BLANK[endpoint]()
    state = rig.run(replace(state, relations=[*others(state, endpoint), blank]))
    assert rig.system.active == RUNS
    assert state.unit_status == ops.WaitingStatus(f"'{endpoint}' incomplete")


def test_a_database_and_keystone_that_go_change_nothing(rig: Rig) -> None:
    """The service cannot be configured without them: no file changes, and nothing is restarted, neither when they go nor come back."""
    state = whole(rig)
    rig.system.forget()
    for endpoint in STOPPED_FOR:
        state = join(rig, part(rig, state, endpoint), endpoint)
    assert rig.system.changes == []


def test_a_broker_that_goes_is_done_without(rig: Rig) -> None:
    """The service works without a broker: it is restarted once when that goes, and once when it comes back."""
    state = whole(rig)
    for step in (part, join):
        rig.system.forget()
        state = step(rig, state, "amqp")
        words = [words for words in rig.system.changes if words.startswith("systemctl")]
        assert words == ["systemctl restart masakari-api", "systemctl restart masakari-engine"]


@pytest.mark.parametrize("endpoint", ANSWERED)
def test_a_follower_comes_back_too(tmp_path: Path, endpoint: str) -> None:
    """The same on a unit that does not lead."""
    rig = Rig(tmp_path)
    rig.system.schema = 1
    state = whole(rig)
    state = rig.run(replace(state, leader=False))
    plan = planned(rig)
    state = join(rig, part(rig, state, endpoint), endpoint)
    assert planned(rig) == plan
    assert isinstance(state.unit_status, ops.ActiveStatus)
