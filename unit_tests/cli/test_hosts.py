"""masakari-manage host return and host retire, against a simulated cloud over HTTP and IPMI and a database of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Installed, user
from unit_tests.cli.served_rig import Failed, as_json, failing
from unit_tests.ports.returns_contract import hold, known

BACK = "c1 is back: no longer forced down, enabled, no longer on maintenance"
NOTE = "note: no census reports what runs on c1: that nothing of before is left is known from Nova's records alone"
REASON = ("--reason", "new memory")


@pytest.fixture
def failed(installed: Installed) -> Iterator[Failed]:
    """Three hosts in a segment, one of which failed; heartbeats are looked at every second."""
    with failing(installed) as made:
        yield made


def test_a_repaired_host_is_let_back(failed: Failed, manage: Manage) -> None:
    """Refused while it is off, with every reason; then done, told with the name and the reason, and done only once."""
    code, out, err = manage("host", "return", "c1", *REASON)
    assert (code, out) == (1, "")
    assert [line.split()[:2] for line in err.splitlines()] == [["masakari-manage:", "BMC"], ["masakari-manage:", "the"]]
    assert failed.database.flags("c1") == (False, True)
    failed.cloud.repair("c1")
    code, out, err = manage("host", "return", "c1", "--dry-run")
    assert (code, out) == (0, f"would be: {BACK}\n{NOTE}\n")
    assert failed.cloud.flags("c1")[:2] == (True, True)
    code, out, _ = manage("host", "return", "c1", *REASON)
    assert (code, out) == (0, f"{user()} lets c1 back: new memory\n{BACK}\n{NOTE}\n")
    assert failed.cloud.flags("c1") == (False, False, None)
    assert failed.database.flags("c1") == (False, False)
    assert failed.lines()[-2:] == [f"{user()} lets c1 back: new memory", BACK]
    code, out, _ = manage("host", "return", "c1", *REASON, "--json")
    answer = as_json(out)
    assert (code, answer["is_done"], answer["against"]) == (0, True, [])
    assert answer["done"] == ["nothing was left to be done for c1"]


def test_a_refusal_as_json(failed: Failed, manage: Manage) -> None:
    """Programs get every reason, and the same exit code."""
    code, out, _ = manage("host", "return", "c1", *REASON, "--json")
    answer = as_json(out)
    assert (code, answer["is_done"], len(answer["against"])) == (1, False, 2)
    assert "2 instances" in answer["against"][1]


@pytest.mark.slow
def test_one_at_a_time(failed: Failed, manage: Manage) -> None:
    """Who is at it already is named."""
    failed.cloud.repair("c1")
    failed.database.clock.now = time.time()
    failed.database.returns.hold(hold("bob"), known(failed.database), ends_maintenance=True)
    code, _, err = manage("host", "return", "c1", *REASON)
    assert code == 1
    assert err.startswith("masakari-manage: bob is letting c1 back, since ")


@pytest.mark.slow
def test_a_reserve_in_the_place_of_its_spare(failed: Failed, manage: Manage) -> None:
    """The host is disabled and reserved."""
    failed.cloud.repair("c1")
    code, out, _ = manage("host", "return", "c1", *REASON, "--as-reserved", "--by", "ann", "--inspected")
    assert code == 0
    assert out.startswith(
        "ann lets c1 back: new memory; looked there, and no guest of before is left\nc1 is a reserved host"
    )
    assert failed.cloud.flags("c1") == (False, True, "Masakari keeps this host in reserve.")
    assert failed.database.flags("c1") == (True, False)


@pytest.mark.parametrize("words", [("return", "c1"), ("return", "c1", "--reason", " "), ("retire", "c1", "--clean")])
def test_a_reason_is_required(words: tuple[str, ...], installed: Installed, manage: Manage) -> None:
    """Who changes something says why; that is found before anything is asked."""
    manage("db", "sync")
    code, out, err = manage("host", *words)
    assert (code, out) == (2, "")
    assert err == "masakari-manage: a reason is required: say what was done to the host, with --reason\n"


def test_a_name_is_found_as_elsewhere(failed: Failed, manage: Manage) -> None:
    """In another case, and with a domain; a name that fits none is answered with those like it."""
    assert "c1 " in manage("host", "return", "C1.example.org", *REASON)[2]
    code, _, err = manage("host", "return", "c9", *REASON)
    assert code == 1
    assert err.startswith("masakari-manage: no segment has a host c9; see openstack segment host list")


@pytest.mark.slow
def test_an_inventory_that_cannot_be_used_stops_nobody(failed: Failed, installed: Installed, manage: Manage) -> None:
    """The host is let back, and it is said that its next failure will wait for a human."""
    failed.cloud.repair("c1")
    installed.inventory.write_text("no: [yaml")
    code, out, _ = manage("host", "return", "c1", *REASON)
    assert code == 0
    assert "note: the next failure of c1 will wait for a human: " in out
    assert "which cannot be used" in out


def test_what_is_left_of_a_host_is_listed_and_cleared_away(failed: Failed, manage: Manage) -> None:
    """First only listed; then rooms, service, provider and the place in the segment go, and what only a human can do is said."""
    code, out, _ = manage("host", "retire", "c1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[-1] == lines[1].split()[-1] == lines[3].split()[-1] == "yes"
    assert len(lines[2].split(",")) == 2
    assert lines[4] == "by hand: the fencing inventory names c1: take it out, and restart the engines"
    assert len(lines) == 5
    code, out, _ = manage("host", "retire", "c1", "--clean", "--reason", "burnt", "--json")
    answer = as_json(out)
    assert (code, answer["is_done"], len(answer["allocations"])) == (0, True, 2)
    assert answer["done"] == [failed.lines()[-1]]
    assert f"{user()} retired c1: burnt" in failed.lines()[-1]
    failed.cloud.until(lambda world: "c1" not in world.nova.services and "c1" not in world.placement.providers)
    assert manage("host", "retire", "c1")[0] == 1


@pytest.mark.slow
def test_what_lives_is_not_retired(failed: Failed, manage: Manage) -> None:
    """Listing says what is against it, cleaning is refused with the same words."""
    failed.cloud.repair("c1")
    listed = manage("host", "retire", "c1")[1]
    assert "against: BMC " in listed
    code, _, err = manage("host", "retire", "c1", "--clean", "--reason", "burnt")
    assert code == 1
    assert "masakari-manage: Nova hears c1: what lives is not retired" in err
    assert failed.cloud.flags("c1")[0]
