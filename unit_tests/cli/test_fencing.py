"""masakari-manage fencing check, against simulated BMCs over IPMI."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Installed
from unit_tests.cli.served_rig import ServedCloud, as_json, serving


@pytest.fixture
def cloud(installed: Installed) -> Iterator[ServedCloud]:
    """Three hosts in one segment, all with a BMC."""
    with serving(installed) as cloud:
        cloud.register("c1", "c2", "c3")
        yield cloud


def test_every_bmc_is_asked(cloud: ServedCloud, manage: Manage) -> None:
    """Each BMC of the inventory is asked and shown with its reading; exit 0 where all answer."""
    code, out, _ = manage("fencing", "check")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[:2] for line in lines[:3]] == [["OK", "c1"], ["OK", "c2"], ["OK", "c3"]]
    assert all(line.endswith("reads ON") for line in lines[:3])
    assert lines[3:] == ["3 of 3 BMCs answer"]


def test_nothing_is_switched(cloud: ServedCloud, manage: Manage) -> None:
    """The check only reads: by the cloud's own record each BMC was asked for its power, and nothing else."""
    manage("fencing", "check")
    assert set(cloud.asked()) == {("c1", "read"), ("c2", "read"), ("c3", "read")}


def test_a_wrong_password_is_named_and_not_shown(cloud: ServedCloud, manage: Manage) -> None:
    """A BMC that refuses the user is NOT OK with what to do, exit 1; the password stands nowhere."""
    entries = cloud.inventory()
    entries["c2"]["password"] = "a-wrong-word"
    cloud.write_inventory(entries)
    code, out, err = manage("fencing", "check")
    assert code == 1
    (line,) = (line for line in out.splitlines() if line.startswith("NOT OK"))
    assert "c2" in line
    assert "correct user and password" in line
    assert "2 of 3 BMCs answer" in out
    code, out_json, err_json = manage("fencing", "check", "--json")
    assert not [text for text in (out, err, out_json, err_json) if "a-wrong-word" in text or "secret" in text]


@pytest.mark.slow
def test_a_silent_bmc_holds_up_nobody(cloud: ServedCloud, manage: Manage) -> None:
    """Where two BMCs say nothing the others are shown, and the whole takes one deadline, not two."""
    # Less than the default, and still enough for the one that answers where many tests run at once.
    cloud.configure(fencing={"power_call_seconds": 5})
    for host in ("c1", "c3"):
        cloud.inject("bmc_silent", host=host)
    code, out, _ = manage("fencing", "check")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["NOT", "OK", "NOT"]
    # Where a moment of the one deadline went by before its call, a BMC had what was left; the second of two in turn would have nothing.
    waited = re.findall(r"did not answer in (\d) s; check power and network of the BMC", out)
    assert len(waited) == 2
    assert all(1 <= int(seconds) <= 5 for seconds in waited)


def test_json_is_for_programs(cloud: ServedCloud, manage: Manage) -> None:
    """--json has every host with state, power, address and segment."""
    code, out, _ = manage("fencing", "check", "--json")
    shown = as_json(out)
    assert code == 0
    assert shown["segments_unread"] is None
    first = shown["hosts"][0]
    assert (first["host"], first["segment"], first["state"], first["power"]) == ("c1", "az1", "ok", "on")
    assert first["address"].startswith("127.0.0.1:")
    assert first["trouble"] is None


def test_a_host_without_a_bmc_is_unprotected(cloud: ServedCloud, manage: Manage) -> None:
    """A host of a segment that is not in the inventory is named; every BMC that there is answers, so exit 0."""
    entries = cloud.inventory()
    del entries["c3"]
    cloud.write_inventory(entries)
    code, out, _ = manage("fencing", "check")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines() if "UNPROTECTED" in line] == [["UNPROTECTED", "c3"]]
    assert "has no BMC for it; add one" in out
    assert out.splitlines()[-1] == "2 of 2 BMCs answer, 1 host unprotected"


def test_a_host_whose_monitor_is_believed(cloud: ServedCloud, manage: Manage) -> None:
    """With policy = detector a host without a BMC is no longer unprotected, and not called safe either."""
    entries = cloud.inventory()
    del entries["c3"]
    cloud.write_inventory(entries, believed=("az1",))
    code, out, _ = manage("fencing", "check")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("NO PROOF"))
    assert line.split()[2] == "c3"
    assert line.endswith("until then it is taken for off on its monitor's word, without a proof (policy = detector)")
    assert out.splitlines()[-1] == "2 of 2 BMCs answer, 1 host believed without a proof"
    shown = as_json(manage("fencing", "check", "--json")[1])
    assert [host["state"] for host in shown["hosts"]] == ["ok", "ok", "no-proof"]


def test_a_bmc_of_no_segment_is_told(installed: Installed, manage: Manage) -> None:
    """A host of the inventory that is in no segment is shown so: its name may be misspelt."""
    with serving(installed) as cloud:
        cloud.register("c1", "c2")
        out = manage("fencing", "check")[1]
    assert [line.split()[1] for line in out.splitlines() if line.endswith("(in no segment)")] == ["c3"]


def test_only_the_hosts_that_are_named(cloud: ServedCloud, manage: Manage) -> None:
    """Named hosts are asked alone; one that has no BMC is exit 1, since it was asked for."""
    code, out, _ = manage("fencing", "check", "c2")
    assert (code, [line.split()[1] for line in out.splitlines()[:-1]]) == (0, ["c2"])
    code, out, _ = manage("fencing", "check", "c2", "c9")
    assert code == 1
    assert "cannot read power of c9" in out


def test_a_database_that_is_away_hinders_nobody(cloud: ServedCloud, installed: Installed, manage: Manage) -> None:
    """BMCs are asked without a database too, and it is said that the segments are not known."""
    cloud.configure(database={"connection": f"sqlite:///{installed.folder / 'empty.sqlite'}"})
    code, out, _ = manage("fencing", "check")
    assert code == 0
    assert "3 of 3 BMCs answer" in out
    assert "the segments could not be read" in out.splitlines()[-1]
