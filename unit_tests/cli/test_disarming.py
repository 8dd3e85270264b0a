"""masakari-manage disarm, arm and disarmed."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Cloud, Installed
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database, transaction

WHY = ("--reason", "the network is rebuilt", "--by", "ann")


def test_a_disarmed_host_is_not_recovered_until_it_is_armed(cloud: Cloud, manage: Manage) -> None:
    """The report is kept and nothing is ordered; the list says why; once armed it is recovered."""
    code, out, err = manage("disarm", "--host", "c1", "--for", "7d", *WHY)
    assert (code, err) == (0, "")
    assert out.startswith("host c1: disarmed until ")
    uuid = cloud.report()
    cloud.run()
    listed = manage("recovery", "list")[1]
    assert listed.split()[:3] == [uuid, "c1", "halted"]
    assert "ann disarmed host c1 until" in listed
    code, out, _ = manage("disarmed")
    assert code == 1
    assert out.startswith("host c1: until ")
    assert out.endswith("UTC, by ann: the network is rebuilt\n")
    assert manage("arm", "--host", "c1", "--by", "bob") == (0, "host c1: armed\n", "")
    assert manage("disarmed") == (0, "nothing is disarmed\n", "")
    cloud.run()
    assert "recovered" in manage("recovery", "list", "--all")[1]


def test_the_rest_stays_disarmed(cloud: Cloud, manage: Manage) -> None:
    """To arm a host says what still stands above it."""
    manage("disarm", "--all", "--for", "90m", *WHY)
    manage("disarm", "--segment", "segment", "--for", "2h", *WHY)
    code, out, _ = manage("arm", "--all")
    assert code == 0
    assert out.splitlines()[0] == "all hosts: armed"
    assert out.splitlines()[1].startswith("still disarmed until ")
    assert out.splitlines()[1].endswith(": segment segment, by ann: the network is rebuilt")
    (shown,) = json.loads(manage("disarmed", "--json")[1])
    assert (shown["scope"], shown["by"], shown["why"]) == ("segment segment", "ann", "the network is rebuilt")


def test_what_is_not_disarmed_cannot_be_armed(cloud: Cloud, manage: Manage) -> None:
    """It says what is."""
    assert manage("arm", "--all") == (
        1,
        "",
        "masakari-manage: there is no disarming of all hosts; what is disarmed now: nothing\n",
    )


@pytest.mark.parametrize("time", ["0m", "4", "-1h", "4 h", "forever", ""])
def test_a_time_is_needed_and_bounded(cloud: Cloud, manage: Manage, time: str) -> None:
    """No disarming without an end; nothing is stored for a time that is none."""
    code, out, err = manage("disarm", "--all", f"--for={time}", *WHY)
    assert (code, out) == (1, "")
    assert "write a number and s, m, h or d, such as 90m or 4h; at most 7d" in err
    assert manage("disarmed")[0] == 0


def test_a_longer_time_than_a_week_is_refused(cloud: Cloud, manage: Manage) -> None:
    """It is a time, so that the answer is another one."""
    code, _, err = manage("disarm", "--all", "--for", "8d", *WHY)
    assert (code, "--for 8d is too long: at most 7d" in err) == (1, True)
    assert manage("disarmed")[0] == 0


def test_who_arms_may_say_why(cloud: Cloud, installed: Installed, manage: Manage) -> None:
    """It is kept with the disarming that it ended."""
    assert manage("disarm", "--host", "c1", "--for", "4h", *WHY)[0] == 0
    assert manage("arm", "--host", "c1", "--reason", "the network is back", "--by", "bob")[0] == 0
    with transaction(open_database(installed.url)) as connection:
        ended = connection.execute(select(schema.disarms.c.ended_because)).scalar_one()
    assert ended == "bob armed it: the network is back"


def test_a_name_that_nobody_knows_is_refused(cloud: Cloud, manage: Manage) -> None:
    """A misspelt host or segment disarms nothing, and the known ones are named."""
    code, _, err = manage("disarm", "--host", "c99", "--for", "1h", *WHY)
    assert code == 1
    assert err.startswith("masakari-manage: there is no host c99; known are: c1, ")
    code, _, err = manage("disarm", "--segment", "az99", "--for", "1h", *WHY)
    assert (code, err) == (1, "masakari-manage: there is no segment az99; known are: segment\n")


def test_a_reason_is_needed(cloud: Cloud, manage: Manage) -> None:
    """And it is no blank."""
    assert manage("disarm", "--all", "--for", "1h")[0] == 2
    assert manage("disarm", "--all", "--for", "1h", "--reason", " ")[2].endswith("with --reason\n")
