"""docs/operate/migrating.md, followed: the three ends of a failure after the swap, each on a database that upstream filled, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.adoption import environments
from tests.adoption.takeover import HOSTS, INSTANCES, RELEASE, VICTIM, End, Takeover, Told, guide
from tests.sql.servers import Server
from vmha.core.model import MoveStatus
from vmha.sim.checker import Kind, check

# The first test of a machine installs upstream before it begins.
pytestmark = pytest.mark.timeout(600)

FILLED = End(name="filled", inventory=None)
NOTHING = End(name="nothing", inventory="", in_full=True, is_over=lambda recovery: recovery["phase"] == "unproven")
DETECTOR = End(name="detector", inventory="segments:\n  racks:\n    policy: detector\n")
KINDS = {"filled": "postgresql", "nothing": "sqlite", "detector": "mariadb"}


@pytest.fixture(scope="module")
def takeovers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Told]]]:
    """Play all three at the same time: each waits for its own cloud for most of it."""
    environments.make(RELEASE)
    with ThreadPoolExecutor(len(KINDS)) as pool:
        begun = {}
        for end in (FILLED, NOTHING, DETECTOR):
            folder = tmp_path_factory.mktemp(f"takeover-{end.name}")
            begun[end.name] = pool.submit(Takeover(folder, database(request, KINDS[end.name], folder), end).play)
        yield begun


def database(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    """Make an empty database."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/masakari.sqlite"
    server: Server = request.getfixturevalue(kind)
    return server.create_database("takeover")


@pytest.fixture
def filled(takeovers: dict[str, Future[Told]]) -> Told:
    """The inventory has every BMC."""
    return takeovers["filled"].result()


@pytest.fixture
def nothing(takeovers: dict[str, Future[Told]]) -> Told:
    """The operator has written nothing."""
    return takeovers["nothing"].result()


@pytest.fixture
def detector(takeovers: dict[str, Future[Told]]) -> Told:
    """The operator has told the segment to believe its monitors."""
    return takeovers["detector"].result()


@pytest.fixture(params=list(KINDS))
def told(request: pytest.FixtureRequest, takeovers: dict[str, Future[Told]]) -> Told:
    """Each of the three."""
    return takeovers[request.param].result()


def test_every_command_of_the_guide_is_run(nothing: Told) -> None:
    """The guide's commands are real: each of ours and of the OpenStack client's is run where it stands, and is one that there is."""
    commands = {(section, command) for section, lines in guide().items() for command in lines}
    ours = {(section, command) for section, command in commands if command.startswith("masakari-")}
    assert len(ours) >= 10
    assert set(nothing.said) == {(section, command) for section, command in commands if section != "The swap"} | ours
    assert not [said for said in nothing.said.values() if "Traceback" in said or "usage:" in said]
    asked = {command for section, command in commands if section == "The swap" and command.startswith("openstack")}
    assert {command.partition("=")[0] for command in asked} <= {
        command.partition("=")[0] for _, command in nothing.said
    }


def test_what_is_said_before_the_swap(nothing: Told) -> None:
    """Nothing stands in the way but the tables, and upstream's file is read, with the reason for each option that is not."""
    tables, _, others = nothing.said["Before", "masakari-status upgrade check"].partition("Check: Policy")
    assert "Result: Failure" in tables
    assert "Result: Failure" not in others
    assert nothing.codes["Before", "masakari-manage config check"] == 0
    config = nothing.said["Before", "masakari-manage config check"]
    assert "[DEFAULT] notification_delay_max is ignored: " in config
    assert "[host_failure] evacuate_all_instances is ignored" not in config


def test_hosts_without_a_fence_method_are_all_named(filled: Told, nothing: Told, detector: Told) -> None:
    """Before the swap, on upstream's own tables, and after it: each host that upstream knows and no BMC is known of, and no other."""
    known = {host["name"] for path, body in nothing.before.items() if path.endswith("/hosts") for host in body["hosts"]}
    assert known == set(HOSTS)
    for section in ("Before", "The swap", "After"):
        assert filled.hosts_named(section) == set()
        assert nothing.hosts_named(section) == known
        assert detector.hosts_named(section) == known
    words = " ".join(detector.said["Before", "masakari-status upgrade check"].replace("|", " ").split())
    assert "on their monitor's word, without a proof (policy = detector): c1 (racks)" in words
    assert (
        f"0 of 0 BMCs answer, {len(HOSTS)} hosts unprotected" in nothing.said["Before", "masakari-manage fencing check"]
    )
    assert f"{len(HOSTS)} of {len(HOSTS)} BMCs answer" in filled.said["Before", "masakari-manage fencing check"]
    assert f"{len(HOSTS)} hosts believed without a proof" in detector.said["Before", "masakari-manage fencing check"]


def test_what_upstream_had_is_shown(nothing: Told) -> None:
    """After the swap the segment, its hosts and the failure of before are there."""
    assert "racks" in nothing.said["After", "openstack segment list"]
    (before,) = nothing.before["/notifications"]["notifications"]
    assert before["status"] == "finished"
    assert before["notification_uuid"] in nothing.said["After", "openstack notification list --limit 1"]
    assert nothing.codes["After", "openstack notification list --filters status=running"] == 0


def test_nothing_stands_in_the_way_after_the_swap(told: Told) -> None:
    """The tables are brought up, and `upgrade check` has no failure left: a warning at most, where the operator chose one."""
    assert told.codes["The swap", "masakari-manage db sync"] == 0
    bare = bool(told.hosts_named("After"))
    assert told.codes["After", "masakari-status upgrade check"] == (1 if bare else 0)


def test_inventory_filled(filled: Told) -> None:
    """The reported host is powered off, proven off by two readings, and recovered; nothing is evacuated without that."""
    assert filled.recovery["outcome"] == "recovered"
    assert filled.notification["status"] == "finished"
    assert [proof["rung"] for proof in filled.recovery["proofs"]] == ["ipmi"]
    assert filled.sentences[-1].endswith("proof: ipmi")
    assert [move["status"] for move in filled.recovery["moves"]] == [MoveStatus.MOVED.value] * INSTANCES
    assert check(filled.facts) == []


def test_nothing_filled(nothing: Told) -> None:
    """The recovery waits for a human; notification, log and commands say so, and nothing was ordered."""
    assert (nothing.recovery["phase"], nothing.recovery["outcome"]) == ("unproven", None)
    waits = "cannot prove c1 off: it has no fence device"
    assert nothing.notification["status"] == "running"
    assert nothing.notification["message"].startswith(waits)
    alerts = [line for line in nothing.log.splitlines() if " alert " in line]
    assert [line for line in alerts if waits in line and " WARNING " in line]
    assert waits in nothing.said["The way back", "masakari-manage recovery list"]
    assert nothing.recovery["moves"] == nothing.recovery["proofs"] == []
    ordered = [fact for fact in nothing.facts if fact["what"] in ("evacuation", "bmc")]
    assert ordered == []


def test_nothing_filled_can_be_ended(nothing: Told) -> None:
    """Before the way back a human ends the wait, with a reason."""
    command = 'masakari-manage recovery reject UUID --reason "back to upstream, ann"'
    assert nothing.codes["The way back", command] == 0
    assert "rejected: back to upstream, ann" in nothing.sentences[-1]


def test_policy_detector(detector: Told) -> None:
    """The host is recovered on its monitor's word once Nova is silent, and timeline, log and summary call that no proof."""
    assert detector.recovery["outcome"] == "recovered"
    assert detector.notification["status"] == "finished"
    assert [move["status"] for move in detector.recovery["moves"]] == [MoveStatus.MOVED.value] * INSTANCES
    assert [proof["rung"] for proof in detector.recovery["proofs"]] == ["detector"]
    (believed,) = [line for line in detector.timeline if line["code"] == "DETECTOR_BELIEVED"]
    (notification,) = detector.recovery["notifications"]
    assert believed["sentence"].startswith("there is no proof that c1 is off: it has no fence device")
    assert f"notification {notification}, host_status NORMAL" in believed["sentence"]
    assert "segment racks has policy = detector" in believed["sentence"]
    assert detector.sentences[-1].endswith("proof: none, only the monitor's word (policy = detector)")
    logged = detector.log.splitlines()
    assert [line for line in logged if " detector-believed " in line and "there is no proof that c1 is off" in line]
    (warned,) = [line for line in logged if " policy-detector " in line]
    assert " WARNING " in warned
    assert "racks" in warned
    assert not [fact for fact in detector.facts if fact["what"] == "bmc"]


def test_policy_detector_is_judged_as_what_it_is(detector: Told) -> None:
    """The checker of the cloud's own record holds exactly this against the run: the source's power was on, as nobody had looked."""
    found = check(detector.facts)
    assert {violation.kind for violation in found} == {Kind.SOURCE_WAS_ON}
    assert len(found) == INSTANCES
    assert {violation.host for violation in found} == {VICTIM}


def test_the_way_back(told: Told) -> None:
    """Upstream's API shows all that it showed before and what happened since, its `db sync` runs, and nothing is left unfinished."""
    assert told.version_after == "13adff5efb9a"
    past = {path: body for path, body in told.before.items() if path.startswith("/notifications/")}
    assert past
    assert {path: told.after[path] for path in past} == past
    listed = told.after["/notifications"]["notifications"]
    assert len(listed) == 2
    assert {row["status"] for row in listed} <= {"finished", "ignored"}
    (uuid,) = told.recovery["notifications"]
    assert told.after[f"/notifications/{uuid}"]["notification"]["notification_uuid"] == uuid
    moves = told.after[f"/notifications/{uuid}/vmoves"]["vmoves"]
    assert [move["status"] for move in moves] == ["succeeded"] * len(told.recovery["moves"])
    (failed,) = [
        host
        for path, body in told.after.items()
        if path.endswith("/hosts")
        for host in body["hosts"]
        if host["name"] == VICTIM
    ]
    assert failed["on_maintenance"] is bool(told.recovery["proofs"])
