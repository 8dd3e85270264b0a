"""openstack-upgrade and package-upgrade."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import ops
import pytest
from ops import testing

from masakari_charm.workload import release
from masakari_charm.workload.machine import Answer
from unit_tests.charm.actions.acting import Acting
from unit_tests.charm.rig import Rig, complete

OLD, NEW = "0.1.0-aaaa", "0.2.0-bbbb"
SKIPPED = "action-managed-upgrade config is False, skipped upgrade."
MANAGED = {"action-managed-upgrade": True}


class Refreshed(Acting):
    """A unit that runs the charm's own release, for which another one is attached."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        super().__init__(rig)
        self.attached = folder / "wheels.tar"
        rig.run(complete())
        described = json.dumps({"name": NEW, "pythons": ["3.12"]}).encode()
        for place in (self.attached, rig.system.machine.path(str(self.attached))):
            place.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(place, "w") as tar:
                entry = tarfile.TarInfo("release.json")
                entry.size = len(described)
                tar.addfile(entry, io.BytesIO(described))
        rig.system.forget()

    def given(self, *, config: dict[str, Any] | None = None, is_attached: bool = True, **more: Any) -> testing.State:
        """Return the unit's state with the other release, or with the charm's own again."""
        path = self.attached
        if not is_attached:
            path = self.attached.with_name("empty")
            path.touch()
        resource = testing.Resource(name="wheels", path=path)
        return complete(config=MANAGED if config is None else config, resources=[resource], **more)

    @property
    def running(self) -> str | None:
        """Return the release that `current` leads to."""
        return release.current(self.rig.system.machine)


@pytest.fixture
def refreshed(tmp_path: Path) -> Refreshed:
    """Give a unit with a release that waits."""
    return Refreshed(Rig(tmp_path / "unit"), tmp_path)


def test_without_the_option_it_is_skipped(refreshed: Refreshed) -> None:
    """Where units switch by themselves the action does nothing, in the words of these charms."""
    shown = refreshed.act("openstack-upgrade", refreshed.given(config={}))
    assert (shown.failure, dict(shown.results)) == (None, {"outcome": SKIPPED})


def test_without_another_release_there_is_nothing(refreshed: Refreshed) -> None:
    """The release that runs is the one that the charm carries."""
    shown = refreshed.act("openstack-upgrade", refreshed.given(is_attached=False))
    assert (shown.failure, dict(shown.results)) == (None, {"outcome": "no upgrade available"})


def test_it_switches_to_the_release_that_waits(refreshed: Refreshed) -> None:
    """A hook leaves the old release running and says so; the action switches, restarts, and the next hook keeps it."""
    waiting = refreshed.rig.run(refreshed.given())
    assert refreshed.running == OLD
    assert f"release {NEW} waits for the action openstack-upgrade" in waiting.unit_status.message
    refreshed.rig.system.forget()
    shown = refreshed.act("openstack-upgrade", refreshed.given())
    assert (shown.failure, shown.outcome) == (None, "success, upgrade completed")
    assert (shown.results["release"], shown.results["previous-release"]) == (NEW, OLD)
    assert refreshed.running == NEW
    assert "systemctl restart masakari-engine" in refreshed.rig.system.changes
    assert refreshed.state is not None
    assert isinstance(refreshed.state.unit_status, ops.ActiveStatus)
    assert "waits" not in refreshed.state.unit_status.message
    refreshed.rig.system.forget()
    refreshed.rig.run(refreshed.given())
    assert (refreshed.running, refreshed.rig.system.changes) == (NEW, [])


def test_the_way_back_is_the_same(refreshed: Refreshed) -> None:
    """With the former release offered again, the action goes back to it."""
    refreshed.act("openstack-upgrade", refreshed.given())
    shown = refreshed.act("openstack-upgrade", refreshed.given(is_attached=False))
    assert (shown.outcome, refreshed.running) == ("success, upgrade completed", OLD)


def test_a_unit_that_is_not_the_leader_waits_for_the_schema(refreshed: Refreshed) -> None:
    """Where the new release needs more of the database, the leader goes first; nothing is switched."""
    refreshed.rig.system.needs[NEW] = 2
    shown = refreshed.act("openstack-upgrade", refreshed.given(leader=False))
    assert shown.failure == (
        f"release {OLD} still runs, and {NEW} waits: the schema has to be brought up first; run the action on the leader, "
        "then again here"
    )
    assert refreshed.running == OLD
    assert refreshed.act("openstack-upgrade", refreshed.given()).outcome == "success, upgrade completed"


def test_a_unit_without_relations_keeps_its_release(tmp_path: Path) -> None:
    """A unit whose relations are gone switches nothing that it could not start."""
    refreshed = Refreshed(Rig(tmp_path / "unit"), tmp_path)
    bare = testing.State(config=MANAGED, resources=[testing.Resource(name="wheels", path=refreshed.attached)])
    shown = refreshed.act("openstack-upgrade", bare)
    assert shown.failure is not None
    assert "relations or options are missing" in shown.failure
    assert refreshed.running == OLD


def test_wheels_that_cannot_be_used_fail_it(refreshed: Refreshed) -> None:
    """A resource that is no release is not called 'no upgrade available'."""
    refreshed.rig.system.machine.path(str(refreshed.attached)).write_bytes(b"no tar")
    shown = refreshed.act("openstack-upgrade", refreshed.given())
    assert shown.failure is not None
    assert "cannot use the wheels" in shown.failure
    assert refreshed.running == OLD


def test_a_paused_unit_is_upgraded_and_stays_paused(refreshed: Refreshed) -> None:
    """The release is switched, and nothing is started."""
    refreshed.act("pause", refreshed.given())
    shown = refreshed.act("openstack-upgrade", refreshed.given())
    assert (shown.outcome, refreshed.running) == ("success, upgrade completed", NEW)
    assert refreshed.rig.system.active == set()


def test_packages_are_upgraded_within_their_archive(refreshed: Refreshed) -> None:
    """Only what the charm installed is upgraded, by apt, and apt's own sum is shown."""
    said = "Reading package lists...\n1 upgraded, 0 newly installed, 0 to remove and 7 not upgraded.\n"
    refreshed.rig.system.answers["apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg"] = Answer(out=said)
    shown = refreshed.act("package-upgrade", refreshed.given(is_attached=False))
    assert (shown.failure, shown.outcome) == (None, "success, package upgrade completed")
    assert shown.results["apt"] == "1 upgraded, 0 newly installed, 0 to remove and 7 not upgraded."
    update, install = (words for words in refreshed.rig.system.changes if words.startswith("apt-get"))
    # Else apt would take an archive that it cannot reach for one with nothing new.
    assert update.endswith("-o APT::Update::Error-Mode=any update")
    assert install.endswith("install --no-install-recommends --only-upgrade ca-certificates python3-venv")


def test_packages_are_left_while_a_release_waits(refreshed: Refreshed) -> None:
    """It refuses, names the release and the action to run first, and calls no apt."""
    shown = refreshed.act("package-upgrade", refreshed.given())
    expected = f"release {NEW} waits; run openstack-upgrade first, skipped package upgrade"
    assert (shown.failure, shown.outcome) == (expected, expected)
    assert not [words for words in refreshed.rig.system.changes if words.startswith("apt-get")]


def test_an_archive_that_is_away_fails_it(refreshed: Refreshed) -> None:
    """What apt said is passed on, with what to do."""
    refreshed.rig.system.answers["apt-get"] = Answer(code=100, err="E: Failed to fetch\n")
    shown = refreshed.act("package-upgrade", refreshed.given(is_attached=False))
    assert shown.failure is not None
    assert "cannot upgrade packages" in shown.failure
    assert "E: Failed to fetch" in shown.failure
