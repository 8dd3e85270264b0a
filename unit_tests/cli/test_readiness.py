"""masakari-manage readiness, against a simulated cloud over HTTP and IPMI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Installed
from unit_tests.cli.served_rig import ServedCloud, as_json, serving


@pytest.fixture
def cloud(installed: Installed) -> Iterator[ServedCloud]:
    """Three hosts that are up; no segment yet."""
    with serving(installed) as cloud:
        yield cloud


def verdicts(manage: Manage) -> tuple[int, dict[str, str], dict[str, str]]:
    """Run it; return the exit code, the verdict of each check, and what it says."""
    code, out, _ = manage("readiness", "--json")
    checks = as_json(out)["checks"]
    return (
        code,
        {check["check"]: check["verdict"] for check in checks},
        {check["check"]: check["says"] for check in checks},
    )


def test_a_cloud_that_is_ready(cloud: ServedCloud, manage: Manage) -> None:
    """Where nothing is NOT OK the exit code is 0; what nobody can know is UNKNOWN, with why."""
    cloud.register("c1", "c2", "c3")
    cloud.boot("c1", 3)
    code, found, says = verdicts(manage)
    assert code == 0
    assert found == {
        "segments": "ok",
        "fencing": "ok",
        "cloud": "ok",
        "reserve": "ok",
        "storage": "ok",
        "monitors": "unknown",
        "alerts": "unknown",
        "database": "ok",
    }
    assert says["segments"] == "3 hosts in 1 segment"
    assert says["reserve"].endswith("the fullest is c1 with 3 VCPU")


def test_it_reads_well_on_a_terminal(cloud: ServedCloud, manage: Manage) -> None:
    """One line for each point: verdict, point, what was seen, what to do."""
    cloud.register("c1", "c2", "c3")
    code, out, _ = manage("readiness")
    assert code == 0
    assert out.startswith("OK       segments  3 hosts in 1 segment\n")
    assert "\nUNKNOWN  monitors  " in out


def test_an_empty_service_is_not_ready(cloud: ServedCloud, manage: Manage) -> None:
    """Without a segment nothing is recovered: NOT OK, exit 1, and how to make one."""
    code, out, _ = manage("readiness")
    assert code == 1
    assert "NOT OK   segments" in out
    assert "openstack segment create" in out


def test_a_host_that_cannot_be_fenced_is_not_ok(cloud: ServedCloud, manage: Manage) -> None:
    """A host of a segment without a BMC waits for a human at its failure."""
    cloud.register("c1", "c2", "c3")
    entries = cloud.inventory()
    del entries["c3"]
    cloud.write_inventory(entries)
    code, found, says = verdicts(manage)
    assert (code, found["fencing"]) == (1, "not-ok")
    assert "c3" in says["fencing"]


def test_a_monitor_that_is_believed_is_not_ok(cloud: ServedCloud, manage: Manage) -> None:
    """With policy = detector a host without a BMC would be recovered, and the checklist still says what that is worth."""
    cloud.register("c1", "c2", "c3")
    entries = cloud.inventory()
    del entries["c3"]
    cloud.write_inventory(entries, believed=("az1",))
    code, found, says = verdicts(manage)
    assert (code, found["fencing"]) == (1, "not-ok")
    assert says["fencing"].endswith("taken for off on its monitor's word, without a proof (policy = detector)")


def test_the_reserve_must_hold_the_fullest_host(cloud: ServedCloud, manage: Manage) -> None:
    """Placement's own numbers are compared: two hosts that are more than half full cannot stand in for each other."""
    cloud.register("c1", "c2")
    cloud.boot("c1", 40)
    assert verdicts(manage)[1]["reserve"] == "ok"
    cloud.boot("c2", 30)
    code, found, says = verdicts(manage)
    assert (code, found["reserve"]) == (1, "not-ok")
    assert says["reserve"] == "segment az1: c1 holds 40 VCPU, and those who would take over have 34 free"


def test_a_dead_reserve_is_none(cloud: ServedCloud, manage: Manage) -> None:
    """A reserved host whose nova-compute Nova calls down takes over for nobody."""
    cloud.register("c1", "c2", reserved="c3", method="reserved_host")
    assert verdicts(manage)[1]["reserve"] == "ok"
    cloud.inject("host_crashes", host="c3")
    cloud.inject("operator_forces_down", host="c3")
    code, found, says = verdicts(manage)
    assert (code, found["reserve"]) == (1, "not-ok")
    assert "nobody could take over" in says["reserve"]


@pytest.mark.parametrize(
    ("recovery", "verdict"), [({}, "not-ok"), ({"shared_storage": True}, "unknown"), ({"local_disk": "rebuild"}, "ok")]
)
def test_storage_is_compared_with_what_is_declared(
    recovery: dict[str, object], verdict: str, cloud: ServedCloud, manage: Manage
) -> None:
    """An instance that boots from an image has a disk of which Nova does not say where it is."""
    cloud.register("c1", "c2", "c3")
    cloud.boot("c1", image_backed=True)
    cloud.configure(recovery=recovery)
    assert verdicts(manage)[1]["storage"] == verdict


def test_a_name_that_is_not_novas_is_found(cloud: ServedCloud, manage: Manage) -> None:
    """A host whose name Nova does not know is NOT OK, and so is that nothing can fence it."""
    cloud.register("c1", "c2", "c3.example.com")
    code, found, says = verdicts(manage)
    assert (code, found["cloud"], found["fencing"]) == (1, "not-ok", "not-ok")
    assert says["cloud"] == "Nova knows no compute service on c3.example.com"


def test_nova_that_does_not_answer_leaves_no_guess(cloud: ServedCloud, manage: Manage) -> None:
    """Without Nova the cloud is NOT OK with its reason, and what depends on it is UNKNOWN, not OK."""
    cloud.register("c1", "c2", "c3")
    cloud.inject("nova_away", seconds=60)
    code, found, says = verdicts(manage)
    assert (code, found["cloud"], found["reserve"], found["storage"]) == (1, "not-ok", "unknown", "unknown")
    assert "Nova" in says["cloud"]
    assert found["fencing"] == "ok"


def test_without_tables_it_says_what_to_run(installed: Installed, manage: Manage) -> None:
    """A database without tables is one line that names the command that makes them, and exit 1."""
    code, out, err = manage("readiness")
    assert (code, out) == (1, "")
    assert err == "masakari-manage: the database has no tables of this service; run: masakari-manage db sync\n"
