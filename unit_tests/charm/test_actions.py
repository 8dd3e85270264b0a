"""The actions pause, resume and restart-services, on a unit that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ops
import pytest
from ops import testing

from charm import ACTIONS
from masakari_charm.workload.machine import Answer
from unit_tests.charm import rig as rigs
from unit_tests.charm.rig import Rig, complete, hacluster

PAUSED = "Paused. Use 'resume' action to resume normal service."


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit that runs."""
    made = Rig(tmp_path)
    made.run(complete())
    made.system.forget()
    return made


def act(rig: Rig, name: str, state: testing.State | None = None, **params: Any) -> testing.State:
    """Run an action."""
    return rig.run(state or complete(), lambda context: context.on.action(name, params=params))


def test_each_action_has_a_module(rig: Rig) -> None:
    """The table of actions is actions.yaml's, and no file of theirs is executable: Juju would run it too."""
    assert set(ACTIONS) == set(rigs.ACTIONS)
    assert all(module == f"actions.{name.replace('-', '_')}" for name, module in ACTIONS.items())
    assert not [path for path in (rigs.ROOT / "actions").glob("*.py") if path.stat().st_mode & 0o111]


def test_no_action_takes_what_it_does_not_know() -> None:
    """Every action refuses unknown parameters, and every parameter has a type and a description."""
    for action in rigs.ACTIONS.values():
        assert action["additionalProperties"] is False
        assert action["description"]
        for parameter in action.get("params", {}).values():
            assert parameter["type"] in ("string", "boolean", "integer")
            assert parameter["description"]


def test_pause_stops_and_survives_every_hook(rig: Rig) -> None:
    """A paused unit's services are stopped, and stay so whatever hook comes."""
    after = act(rig, "pause")
    assert after.unit_status == ops.MaintenanceStatus(PAUSED)
    assert rig.system.active == set()
    assert rig.system.masked == {"masakari-api", "masakari-engine"}
    for state in (complete(config={"debug": True}), complete(hacluster())):
        again = rig.run(state)
        assert again.unit_status == ops.MaintenanceStatus(PAUSED)
        assert rig.system.active == set()


def test_resume_starts_what_was_paused(rig: Rig) -> None:
    """After resume the unit is as before, with what was configured meanwhile."""
    act(rig, "pause")
    rig.run(complete(config={"debug": True}))
    after = act(rig, "resume", complete(config={"debug": True}))
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert rig.system.active == {"masakari-api", "masakari-engine"}
    assert "debug = true" in rig.text("/etc/masakari/masakari.conf")


def test_a_pause_that_leaves_something_running_fails(rig: Rig) -> None:
    """The action fails with what to do, and the unit is blocked, not in maintenance."""
    rig.system.answers["systemctl stop masakari-engine"] = Answer(code=1, err="Job failed.\n")
    with pytest.raises(testing.ActionFailed, match="masakari-engine cannot be stopped"):
        act(rig, "pause")


def test_a_unit_without_relations_can_be_paused(tmp_path: Path) -> None:
    """Pause works in whatever state the unit is."""
    rig = Rig(tmp_path)
    after = act(rig, "pause", testing.State())
    assert after.unit_status == ops.MaintenanceStatus(PAUSED)


def test_pause_leaves_haproxy_to_pacemaker(tmp_path: Path) -> None:
    """Under hacluster haproxy is neither stopped nor masked by us."""
    rig = Rig(tmp_path)
    state = complete(hacluster(), config={"vip": "10.0.0.100"})
    rig.run(state)
    rig.system.active.add("haproxy")
    act(rig, "pause", state)
    assert rig.system.active == {"haproxy"}
    assert rig.system.masked == {"masakari-api", "masakari-engine"}


def test_resume_that_does_not_start_fails(rig: Rig) -> None:
    """A service that does not start fails the action with where to look."""
    act(rig, "pause")
    rig.system.refuses_to_start.add("masakari-api")
    with pytest.raises(testing.ActionFailed, match="journalctl -u masakari-api"):
        act(rig, "resume")


def test_restart_stops_all_and_starts_all(rig: Rig) -> None:
    """All services are stopped before the first is started."""
    after = act(rig, "restart-services")
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert rig.system.changes == [
        "systemctl stop masakari-engine",
        "systemctl stop masakari-api",
        "systemctl start masakari-api",
        "systemctl start masakari-engine",
    ]
    assert rig.context.action_results == {"outcome": "restarted masakari-api, masakari-engine"}


def test_restart_takes_names(rig: Rig) -> None:
    """Only what is named is restarted."""
    act(rig, "restart-services", services="masakari-engine")
    assert rig.system.changes == ["systemctl stop masakari-engine", "systemctl start masakari-engine"]


def test_restart_refuses_what_is_not_ours(rig: Rig) -> None:
    """An unknown service is refused with the list, and nothing is touched."""
    with pytest.raises(
        testing.ActionFailed, match="no service of this unit: sshd; there are masakari-api, masakari-engine"
    ):
        act(rig, "restart-services", services="sshd, masakari-api")
    assert rig.system.changes == []


def test_restart_refuses_on_a_paused_unit(rig: Rig) -> None:
    """A paused unit is resumed first."""
    act(rig, "pause")
    rig.system.forget()
    with pytest.raises(testing.ActionFailed, match="paused"):
        act(rig, "restart-services")
    assert rig.system.changes == []


def test_restart_refuses_on_an_incomplete_unit(tmp_path: Path) -> None:
    """What was never started is not started by this action."""
    rig = Rig(tmp_path)
    with pytest.raises(testing.ActionFailed, match="juju status"):
        act(rig, "restart-services", testing.State())
    assert rig.system.active == set()
