"""Which release a unit is offered: an attached one, else the charm's own; and no other because Juju gave no answer once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ops
import pytest

from unit_tests.charm.actions.test_upgrades import MANAGED, NEW, OLD, Refreshed
from unit_tests.charm.rig import Rig, complete

NONE_ATTACHED = [
    "ERROR could not download resource: HTTP request failed: Get https://c:17070/x: resource#masakari/wheels not found\n",
    'ERROR could not download resource: HTTP request failed: Get https://c:17070/x: resource "wheels" not found\n',
    "ERROR could not download resource: HTTP request failed: Get https://c:17070/x: resource not found",
]
NO_ANSWER = [
    "ERROR could not download resource: HTTP request failed: Get https://c:17070/x: dial tcp: connection refused\n",
    "ERROR could not download resource: HTTP request failed: Get https://c:17070/x: stored resource not found\n",
    "ERROR could not download resource: HTTP request failed: Get https://c:17070/x: model not found\n",
    "ERROR could not download resource: could not write resource to file: no space left on device\n",
    "",
]
FAILED = "the resource wheels cannot be fetched from the controller"


@pytest.fixture
def juju_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give what lets resource-get fail with these words."""

    def fail(words: str) -> None:
        def fetch(_resources: ops.Resources, _name: str) -> Path:
            raise ops.ModelError(words)

        monkeypatch.setattr(ops.Resources, "fetch", fetch)

    return fail


@pytest.fixture
def switched(tmp_path: Path) -> Refreshed:
    """Give a unit that runs the attached release."""
    made = Refreshed(Rig(tmp_path / "unit"), tmp_path)
    made.rig.run(made.given(config={}))
    assert made.running == NEW
    made.rig.system.forget()
    return made


@pytest.mark.parametrize("words", NO_ANSWER)
def test_a_failed_fetch_keeps_the_release(switched: Refreshed, juju_says: Callable[[str], None], words: str) -> None:
    """A hiccup of the controller switches nothing and restarts nothing; status and log say so, and the next hook is as before."""
    given = switched.given(config={})
    juju_says(words)
    after = switched.rig.run(given)
    assert (switched.running, switched.rig.system.changes) == (NEW, [])
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert FAILED in after.unit_status.message
    log = [entry.message for entry in switched.rig.context.juju_log if entry.level == "WARNING"]
    assert [line for line in log if line.startswith("resource-get wheels: ") and words.strip() in line]


@pytest.mark.parametrize("words", NONE_ATTACHED)
def test_nothing_attached_is_the_charms_own(tmp_path: Path, juju_says: Callable[[str], None], words: str) -> None:
    """Juju's words for a resource that is not there are no trouble: the release inside the charm is meant."""
    juju_says(words)
    rig = Rig(tmp_path)
    after = rig.run(complete())
    assert rig.plan.wheels is not None
    assert rig.plan.wheels.endswith("/wheels")
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert FAILED not in after.unit_status.message


def test_a_new_configuration_is_taken_all_the_same(switched: Refreshed, juju_says: Callable[[str], None]) -> None:
    """While no release can be fetched, the one that runs takes what changes beside it."""
    juju_says(NO_ANSWER[0])
    switched.rig.run(switched.given(config={"debug": True}))
    assert switched.running == NEW
    assert "debug = true" in switched.rig.system.machine.path("/etc/masakari/masakari.conf").read_text()


def test_a_path_without_a_file_is_no_answer(switched: Refreshed) -> None:
    """Where the file that Juju names is not there, the release stays."""
    given = switched.given(config={})
    switched.attached.unlink()
    after = switched.rig.run(given)
    assert (switched.running, switched.rig.system.changes) == (NEW, [])
    assert FAILED in after.unit_status.message


def test_a_fresh_unit_waits_for_the_answer(tmp_path: Path, juju_says: Callable[[str], None]) -> None:
    """With no release there yet nothing is made of the charm's own: an attached one may be meant."""
    rig = Rig(tmp_path)
    juju_says(NO_ANSWER[0])
    after = rig.run(complete())
    assert after.unit_status == ops.BlockedStatus(f"{FAILED}; the next hook tries again")
    assert rig.system.active == set()
    assert not rig.system.machine.path("/opt/masakari/current").exists()


def test_nothing_waits_while_nobody_knows(switched: Refreshed, juju_says: Callable[[str], None]) -> None:
    """With action-managed-upgrade no release is announced that the unit does not know, and the action fails and says why."""
    juju_says(NO_ANSWER[0])
    after = switched.rig.run(switched.given(config=MANAGED))
    assert "waits" not in after.unit_status.message
    shown = switched.act("openstack-upgrade", switched.given(config=MANAGED))
    assert shown.failure is not None
    assert shown.failure.startswith(FAILED)
    assert switched.running == NEW


def test_an_empty_file_goes_back_to_the_charms_own(switched: Refreshed) -> None:
    """The operator's way to take a release back is an empty file, and it still is one."""
    switched.rig.run(switched.given(config={}, is_attached=False))
    assert switched.running == OLD
