"""The ops framework as a second judge: its own wrappers of the hook tools understand every answer."""

from __future__ import annotations

import pytest
from ops import hookcmds

from tests.juju.conftest import Desk
from tests.juju.standin.context import Hook


@pytest.fixture(autouse=True)
def inside(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be the hook."""
    for name, value in desk.environment().items():
        monkeypatch.setenv(name, value)


def test_relations() -> None:
    """ops lists relations and units, and reads and writes bags."""
    assert hookcmds.relation_ids("web") == ["web:1"]
    assert hookcmds.relation_list(1, endpoint="web") == ["far/0"]
    assert hookcmds.relation_list(1, endpoint="web", app=True) == "far"
    hookcmds.relation_set({"key": "a = b\nc"}, 1, endpoint="web")
    hookcmds.relation_set({"key": "of all"}, 1, endpoint="web", app=True)
    assert hookcmds.relation_get(1, endpoint="web", unit="sample/0")["key"] == "a = b\nc"
    assert hookcmds.relation_get(1, endpoint="web", unit="sample", app=True) == {"key": "of all"}
    assert hookcmds.relation_get(1, key="private-address", unit="far/0") == "10.64.0.12"
    assert hookcmds.relation_model_get(1).uuid


def test_secrets(desk: Desk) -> None:
    """ops adds, reads, describes, changes, grants, lists and removes secrets."""
    identifier = hookcmds.secret_add({"token": "first"}, label="token", owner="application")
    assert hookcmds.secret_get(id=identifier) == {"token": "first"}
    hookcmds.secret_grant(identifier, 1, unit="far/0")
    hookcmds.secret_set(identifier, content={"token": "second"})
    info = hookcmds.secret_info_get(label="token")
    assert (info.revision, info.label, info.rotation) == (2, "token", "never")
    assert hookcmds.secret_ids() == [info.id]
    hookcmds.secret_revoke(identifier, relation_id=1)
    hookcmds.secret_remove(identifier, revision=1)
    desk.context.flush()
    assert desk.model.secrets[info.id].revisions == {2: {"token": "second"}}


def test_the_rest() -> None:
    """ops sets and reads status, ports, networks, configuration, goal state and the unit's state."""
    hookcmds.status_set("blocked", "- what is wrong")
    assert hookcmds.status_get().message == "- what is wrong"
    # Juju puts the units inside of application-status, where ops does not look for them.
    assert hookcmds.status_get(app=True).status == "blocked"
    hookcmds.open_port("tcp", 8080)
    hookcmds.open_port("udp", 9000, to_port=9010)
    assert {(port.protocol, port.port) for port in hookcmds.opened_ports()} == {("tcp", 8080), ("udp", 9000)}
    hookcmds.close_port("tcp", 8080)
    assert hookcmds.network_get("public").ingress_addresses == ["10.64.0.10"]
    assert hookcmds.config_get("greeting") == "hello"
    assert hookcmds.is_leader() is True
    assert sorted(hookcmds.goal_state().units) == ["sample/0", "sample/1"]
    hookcmds.state_set({"key": "value"})
    assert hookcmds.state_get("key") == "value"
    hookcmds.state_delete("key")
    hookcmds.juju_log("a message", level="DEBUG")
    hookcmds.app_version_set("1.0")
    assert hookcmds.storage_list() == []


def test_actions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """ops reads an action's parameters and writes its results."""
    context = desk.action(name="bob")
    monkeypatch.setenv("JUJU_CONTEXT_ID", context.id)
    assert hookcmds.action_get() == {"name": "bob"}
    hookcmds.action_set({"a": {"b": 1}})
    hookcmds.action_log("a line")
    hookcmds.action_fail("no way")
    assert (context.results.values, context.results.failure) == ({"a": {"b": "1"}}, "no way")


def test_errors_are_recognised(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """ops tells a relation that is gone, a secret that is not there and a leader's right from other failures."""
    monkeypatch.setenv("JUJU_UNIT_NAME", "sample/1")
    context = desk.enter("sample/1", Hook(kind="update-status"))
    monkeypatch.setenv("JUJU_CONTEXT_ID", context.id)
    with pytest.raises(hookcmds.Error) as gone:
        hookcmds.relation_list(9, endpoint="web")
    assert "relation not found" in gone.value.stderr
    with pytest.raises(hookcmds.Error) as refused:
        hookcmds.relation_set({"a": "1"}, 1, endpoint="web", app=True)
    assert "cannot write relation settings" in refused.value.stderr
    with pytest.raises(hookcmds.Error) as follower:
        hookcmds.secret_add({"token": "1"})
    assert "not the leader" in follower.value.stderr
    with pytest.raises(hookcmds.Error) as absent:
        hookcmds.secret_get(label="absent")
    assert "not found" in absent.value.stderr
