"""masakari-manage plan, against a simulated cloud over HTTP and IPMI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Installed
from unit_tests.cli.served_rig import ServedCloud, as_json, serving


@pytest.fixture
def cloud(installed: Installed) -> Iterator[ServedCloud]:
    """Three hosts with BMCs, c1 with two instances."""
    with serving(installed) as cloud:
        cloud.boot("c1", 2)
        yield cloud


def test_what_would_be_moved_is_named_with_its_room(cloud: ServedCloud, manage: Manage) -> None:
    """A host that is protected shows its BMC, each instance in order with a host that has room, and exits 0; nothing is changed."""
    cloud.register("c1", "c2", "c3")
    code, out, err = manage("plan", "c1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "if c1 of segment az1 (auto) died now:"
    assert "answers, and says on" in lines[1]
    assert "may be fenced without a human" in lines[2]
    assert lines[3] == (
        "  guards         power_offs_at_once 0 of 8, power_offs_per_hour 0 of 60, segment_power_offs_per_hour 0 of 30, quarantine_failures 0 of 3"
    )
    assert len([line for line in lines[4:] if "moved; room is on c" in line]) == 2
    assert set(cloud.asked()) == {("c1", "read")}
    assert cloud.flags("c1") == (False, False, None)
    assert manage("recovery", "list", "--all")[1] == "there has been no recovery\n"


def test_json_is_for_programs(cloud: ServedCloud, manage: Manage) -> None:
    """The same with every field."""
    cloud.register("c1", "c2")
    shown = as_json(manage("plan", "c1", "--json")[1])
    assert (shown["host"], shown["without_a_human"], shown["rung"], shown["against"]) == ("c1", True, "ipmi", [])
    assert [(each["order"], each["fate"], each["room_on"]) for each in shown["instances"]] == [
        (1, "moved", "c2"),
        (2, "moved", "c2"),
    ]


def test_the_order_is_that_of_the_priorities(cloud: ServedCloud, manage: Manage) -> None:
    """Each instance shows its priority and where it was said; what cannot be read is a note, and room goes to those before first."""
    cloud.register("c1", "c2")
    cloud.configure(recovery={"shared_storage": "true"})
    cloud.boot("c1", flavor_priority="high")
    cloud.boot("c1", image_backed=True, image_priority="900")
    cloud.boot("c1", flavor_priority="50")
    code, out, _ = manage("plan", "c1")
    assert code == 0
    rows = [line.split()[:4] for line in out.splitlines() if "moved; room is on" in line]
    assert (rows[0], rows[4]) == (["1", "vm4", "900", "(image)"], ["5", "vm5", "50", "(flavor)"])
    assert sorted(row[1:] for row in rows[1:4]) == [
        ["vm1", "100", "(default)"],
        ["vm2", "100", "(default)"],
        ["vm3", "100", "(flavor)"],
    ]
    assert "note           the priority of 1 instances (vm3: 'high' (flavor)) is no whole number" in out
    shown = as_json(manage("plan", "c1", "--json")[1])
    first = shown["instances"][0]
    assert (first["name"], first["priority"], first["priority_from"]) == ("vm4", 900, "image")
    assert len(shown["notes"]) == 1


def test_what_stands_in_the_way_is_named(cloud: ServedCloud, manage: Manage) -> None:
    """A silent BMC, a disarming, nobody to take over and a disk on the host: each is said, and the exit code is 1."""
    cloud.register("c1", method="reserved_host")
    cloud.boot("c1", image_backed=True)
    cloud.configure(fencing={"power_call_seconds": 2})
    cloud.inject("bmc_silent", host="c1")
    manage("disarm", "--host", "c1", "--for", "1h", "--reason", "measuring", "--by", "ann")
    code, out, _ = manage("plan", "c1")
    assert code == 1
    assert "NOT RECOVERED  ann disarmed host c1 until" in out
    assert "NOT FENCED     cannot read power of c1" in out
    causes = [line.strip() for line in out.splitlines() if "cause " in line]
    assert sorted(causes) == ["cause     local_disk", "cause     no_capacity", "cause     no_capacity"]
    assert out.count("evidence  no reserved host with room for it is left in the segment") == 2
    assert "held: " in out


def test_what_is_bound_to_its_host_is_named(cloud: ServedCloud, manage: Manage) -> None:
    """Amounts say nothing of devices and pinned CPUs: there is room, and it may be of no use. What only shares CPUs is not named."""
    cloud.register("c1", "c2")
    cloud.boot("c1", extra_specs={"pci_passthrough:alias": "a1:1", "hw:cpu_policy": "shared"})
    cloud.boot("c1", extra_specs={"hw:cpu_policy": "dedicated"})
    code, out, _ = manage("plan", "c1")
    assert code == 0
    assert out.count("moved; room is on c2, but possibly not movable") == 2
    assert out.count("moved; room is on c2\n") == 2
    assert "its flavor asks for pci_passthrough:alias=a1:1, which the amounts of other hosts do not show" in out
    assert "see that another host has the same device" in out
    found = [each["diagnosis"] for each in as_json(manage("plan", "c1", "--json")[1])["instances"]]
    assert sorted(each["cause"] for each in found if each is not None) == ["host_bound_device"] * 2


def test_what_is_bound_and_has_no_room_either(cloud: ServedCloud, manage: Manage) -> None:
    """Both are said in one cause."""
    cloud.register("c1")
    cloud.boot("c1", extra_specs={"hw:cpu_policy": "dedicated"})
    code, out, _ = manage("plan", "c1")
    assert code == 1
    assert "its flavor asks for hw:cpu_policy=dedicated, and none has left what it holds" in out


def test_a_guard_that_would_stop_it_is_named(cloud: ServedCloud, manage: Manage) -> None:
    """With a budget that is spent the plan says that a human would be waited for, and exits 1."""
    cloud.register("c1", "c2")
    cloud.configure(guards={"power_offs_per_hour": 0})
    code, out, _ = manage("plan", "c1")
    assert code == 1
    assert "WAITS          no power-off of c1: 0 hosts were powered off within an hour" in out
    shown = as_json(manage("plan", "c1", "--json")[1])
    assert shown["guards"]["power_offs_per_hour"] == {"counted": 0, "allowed": 0}
    assert (shown["without_a_human"], shown["guard"].split(":")[0]) == (False, "no power-off of c1")


def test_the_brake_counts_the_host_itself(cloud: ServedCloud, manage: Manage) -> None:
    """The plan counts the failure that it plans for: where two may fail and two others have, the third waits for a human, and it exits 1."""
    cloud.register("c1", "c2", "c3")
    for failures, host in ((1, "c2"), (2, "c3")):
        code, out, _ = manage("plan", "c1")
        assert f"brake          failures of the segment that would count, with this one: {failures}; 2 may" in out
        assert (code, "WAITS" in out) == (0, False)
        cloud.report(host)
    code, out, _ = manage("plan", "c1")
    assert code == 1
    assert "WAITS          3 of 3 hosts of the segment failed within 300 s, more than the 2" in out
    shown = as_json(manage("plan", "c1", "--json")[1])
    assert (shown["brake"], shown["without_a_human"]) == ({"failures": 3, "allowed": 2}, False)


def test_a_recovery_that_is_open_counts_once_and_is_named(cloud: ServedCloud, manage: Manage) -> None:
    """A report would join it, and be no other failure."""
    cloud.register("c1", "c2", "c3")
    assert as_json(manage("plan", "c1", "--json")[1])["open_recovery"] is None
    cloud.report("c1")
    _, out, _ = manage("plan", "c1")
    assert "brake          failures of the segment that would count, with this one: 1; 2 may be fenced" in out
    uuid = as_json(manage("plan", "c1", "--json")[1])["open_recovery"]
    assert f"  open           its recovery {uuid} is in phase witnessing: a report would join it" in out


def test_what_the_operator_chose_is_said(cloud: ServedCloud, manage: Manage, tmp_path: Path) -> None:
    """With power_off nothing would be evacuated, with confirm and report nothing be done by itself: each exits 1."""
    cloud.register("c1", "c2")
    chosen = tmp_path / "recovery.yaml"
    cloud.configure(recovery={"policy_file": str(chosen)})
    for workflow, says in (
        ("power_off", "nothing would be evacuated"),
        ("confirm", "a human would be"),
        ("report", "nothing is done"),
    ):
        chosen.write_text(f"segments:\n  az1:\n    host: {workflow}\n")
        code, out, _ = manage("plan", "c1")
        assert code == 1
        assert "NOT RECOVERED" in out
        assert says in out
    chosen.write_text("segments:\n  az2:\n    host: report\n")
    assert manage("plan", "c1")[0] == 0


def test_a_host_without_room_elsewhere(cloud: ServedCloud, manage: Manage) -> None:
    """Instances for which no other host has room by Placement are marked."""
    cloud.register("c1")
    code, out, _ = manage("plan", "c1")
    assert code == 1
    assert out.count("NO ROOM: moved only if Nova finds a host") == 2


def test_a_spare_is_named(cloud: ServedCloud, manage: Manage) -> None:
    """With a reserved host, that is where the instances go."""
    cloud.register("c1", method="reserved_host", reserved="c3")
    code, out, _ = manage("plan", "c1")
    assert code == 0
    assert "reserve        c3 would be enabled" in out
    assert out.count("moved; room is on c3") == 2


def test_a_cloud_that_is_away_is_said(cloud: ServedCloud, manage: Manage) -> None:
    """What could not be asked is UNKNOWN, the rest is shown."""
    cloud.register("c1", "c2")
    cloud.inject("nova_away", seconds=60.0)
    code, out, _ = manage("plan", "c1")
    assert code == 1
    assert "answers, and says on" in out
    assert "UNKNOWN        " in out


def test_a_host_that_nobody_knows(cloud: ServedCloud, manage: Manage) -> None:
    """Is refused, with where to look."""
    cloud.register("c1", "c2")
    code, out, err = manage("plan", "c9")
    assert (code, out) == (1, "")
    assert err == "masakari-manage: no segment has a host c9; see openstack segment host list\n"
