"""masakari-manage: the schema, and recoveries on a terminal."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest

from unit_tests.adapters.db.migration_contract import NEWEST
from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Cloud, Installed, user
from vmha.adapters.db import incidents
from vmha.core.events import Rejected
from vmha.core.model import Phase
from vmha.sim.faults import inject

UPSTREAM_HEAD = "13adff5efb9a"


def test_db_sync_can_be_repeated(manage: Manage) -> None:
    """The schema is brought up, and a second sync changes nothing; the version is upstream's."""
    assert manage("db", "sync") == (0, "", "")
    assert manage("db", "version") == (0, f"{UPSTREAM_HEAD}\n", "")
    assert manage("db", "sync") == (0, "", "")
    assert manage("db", "version") == (0, f"{UPSTREAM_HEAD}\n", "")


def test_db_sync_takes_a_revision(manage: Manage) -> None:
    """Upstream's optional revision is accepted."""
    assert manage("db", "sync", "13adff5efb9a")[0] == 0


@pytest.mark.parametrize("command", [("list",), ("show", "x"), ("confirm", "x", "--reason", "r")])
def test_without_tables_it_says_what_to_run(command: tuple[str, ...], manage: Manage) -> None:
    """A database without tables is one line that names the command that makes them, and exit 1."""
    code, out, err = manage("recovery", *command)
    assert (code, out) == (1, "")
    assert err == "masakari-manage: the database has no tables of this service; run: masakari-manage db sync\n"


def test_an_empty_list_says_so(manage: Manage) -> None:
    """Nothing to list is said in words, and as an empty list in JSON."""
    manage("db", "sync")
    assert manage("recovery", "list") == (0, "no recovery is open\n", "")
    assert manage("recovery", "list", "--all") == (0, "there has been no recovery\n", "")
    assert manage("recovery", "list", "--json") == (0, "[]\n", "")


def test_list_shows_what_is_open(cloud: Cloud, manage: Manage) -> None:
    """An open recovery is a line with uuid, host, where it stands and why; one that ended is shown with --all."""
    uuid = cloud.report()
    cloud.run(4.0)
    code, out, _ = manage("recovery", "list")
    assert code == 0
    assert out.split()[:3] == [uuid, "c1", "witnessing"]
    cloud.run()
    assert manage("recovery", "list")[1] == "no recovery is open\n"
    ended = manage("recovery", "list", "--all")[1]
    assert ended.split()[:3] == [uuid, "c1", "recovered"]


def test_list_is_json_too(cloud: Cloud, manage: Manage) -> None:
    """--json prints what the list shows, for programs."""
    uuid = cloud.report()
    (row,) = json.loads(manage("recovery", "list", "--json")[1])
    assert (row["uuid"], row["host"], row["phase"], row["outcome"]) == (uuid, "c1", "witnessing", None)
    assert row["message"]
    assert row["waits_for_human"] is False


def test_a_process_is_listed_and_shown(cloud: Cloud, manage: Manage) -> None:
    """An incident of a process stands in the same list, says what it is about, and is ended by the same engine."""
    uuid = cloud.report_process()
    (row,) = json.loads(manage("recovery", "list", "--json")[1])
    assert (row["uuid"], row["kind"], row["subject"], row["host"]) == (uuid, "process", "nova-compute", "c1")
    refused = manage("recovery", "confirm", uuid, "--reason", "go")
    assert "process nova-compute on c1 cannot be confirmed: it is in phase reading and waits for no human" in refused[2]
    for verb, past in (("pause", "paused"), ("resume", "resumed"), ("cancel", "cancelled")):
        code, _, err = manage("recovery", verb, uuid, "--reason", "wait")
        assert (code, f"cannot be {past}: it is no recovery of a host, and only such a one is {past}." in err) == (
            1,
            True,
        )
    assert cloud.letters() == []
    cloud.run(10.0)
    assert manage("recovery", "show", uuid)[1].startswith(f"recovery {uuid} of process nova-compute on c1: disabled\n")


def test_show_tells_the_whole_story(cloud: Cloud, manage: Manage) -> None:
    """A recovery is shown with its instances, its proof and its timeline."""
    uuid = cloud.report()
    cloud.run()
    code, out, err = manage("recovery", "show", uuid)
    assert (code, err) == (0, "")
    assert out.startswith(f"recovery {uuid} of c1: recovered\n")
    moved = [line.split() for line in out.splitlines() if line.startswith("  web-")]
    assert [(name, status) for name, status, _ in moved] == [(f"web-{number}", "moved") for number in range(3)]
    assert {destination for _, _, destination in moved} <= {"c2", "c3"}
    assert "proof by ipmi" in out
    assert "power-off of c1 ordered" in out
    assert out.splitlines()[-1].strip().endswith("proof: ipmi")


def test_show_calls_no_proof_what_is_none(cloud: Cloud, manage: Manage) -> None:
    """With policy = detector a recovery that went on by its monitor's word is never shown with a proof."""
    uuid = cloud.report()
    cloud.run(believing=True)
    out = manage("recovery", "show", uuid)[1]
    assert out.startswith(f"recovery {uuid} of c1: recovered\n")
    assert "no proof: the monitor's word was taken (policy = detector), established " in out
    assert "there is no proof that c1 is off" in out
    assert out.splitlines()[-1].strip().endswith("proof: none, only the monitor's word (policy = detector)")
    assert "proof by" not in out


def test_show_says_why_an_instance_was_not_moved(cloud: Cloud, manage: Manage) -> None:
    """Below an instance that failed stand its cause, the evidence and the next step; in JSON the same as data, and null for the others."""
    for host in ("c2", "c3"):
        inject(cloud.world, "scheduler_filters", host=host)
    uuid = cloud.report()
    cloud.run(seconds=400.0)
    lines = [line.strip() for line in manage("recovery", "show", uuid)[1].splitlines()]
    assert lines.count("cause     scheduler_filter") == 3
    assert lines.count("evidence  Placement has room for that on c2, c3") == 3
    assert len([line for line in lines if line.startswith("next      compare its zone")]) == 3
    assert lines[1].startswith("3 of 3 instances of c1 could not be moved: scheduler_filter 3; first: web-")
    shown = json.loads(manage("recovery", "show", uuid, "--json")[1])
    assert {each["diagnosis"]["cause"] for each in shown["instances"]} == {"scheduler_filter"}
    assert all(each["diagnosis"]["evidence"] and each["diagnosis"]["next_step"] for each in shown["instances"])


def test_show_is_json_too(cloud: Cloud, manage: Manage) -> None:
    """--json prints the same, for programs."""
    uuid = cloud.report()
    cloud.run()
    shown = json.loads(manage("recovery", "show", uuid, "--json")[1])
    assert (shown["uuid"], shown["phase"], shown["outcome"]) == (uuid, "ended", "recovered")
    assert sorted(instance["name"] for instance in shown["instances"]) == ["web-0", "web-1", "web-2"]
    assert {instance["status"] for instance in shown["instances"]} == {"moved"}
    assert {instance["diagnosis"] for instance in shown["instances"]} == {None}
    assert [proof["rung"] for proof in shown["proofs"]] == ["ipmi"]
    codes = [line["code"] for line in shown["timeline"]]
    assert codes[0] == "OPENED"
    assert codes[-1] == "RECOVERED"


def test_confirm_ends_the_wait(cloud: Cloud, manage: Manage) -> None:
    """A host whose BMC is silent waits; a human's confirm, with name and reason, lets its instances run elsewhere."""
    inject(cloud.world, "bmc_silent", host="c1")
    inject(cloud.world, "power_lost", host="c1")
    uuid = cloud.report()
    cloud.run(75.0)
    (row,) = json.loads(manage("recovery", "list", "--json")[1])
    assert (row["phase"], row["waits_for_human"]) == ("unproven", True)
    code, out, err = manage("recovery", "confirm", uuid, "--reason", "  I pulled the plug  ")
    assert (code, err) == (0, "")
    assert (
        out
        == f"confirm recorded for {uuid}; its engine weighs it, and says so in: masakari-manage recovery show {uuid}\n"
    )
    cloud.run()
    shown = json.loads(manage("recovery", "show", uuid, "--json")[1])
    assert shown["outcome"] == "recovered"
    assert [proof["rung"] for proof in shown["proofs"]] == ["human"]
    says = [line["says"] for line in shown["timeline"] if line["code"] == "CONFIRMED"]
    assert says == [f"{user()} confirmed: I pulled the plug"]


def test_reject_gives_it_up(cloud: Cloud, manage: Manage) -> None:
    """A human's reject ends the recovery; nothing was evacuated."""
    inject(cloud.world, "bmc_silent", host="c1")
    uuid = cloud.report()
    cloud.run(75.0)
    assert manage("recovery", "reject", uuid, "--reason", "it is only the cable")[0] == 0
    cloud.run()
    assert json.loads(manage("recovery", "show", uuid, "--json")[1])["outcome"] == "rejected"
    assert cloud.world.nova.migrations == []


def test_sudo_does_not_hide_the_human(cloud: Cloud, manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under sudo the name that is recorded is the human's, not root's."""
    uuid = cloud.waiting()
    monkeypatch.setenv("SUDO_USER", "alice")
    manage("recovery", "reject", uuid, "--reason", "cable")
    assert cloud.letters() == [Rejected(by="alice", why="cable")]


def test_a_word_may_be_given_for_somebody(cloud: Cloud, manage: Manage) -> None:
    """--by names whose word it is, where a program hands it on; a blank name is none."""
    uuid = cloud.waiting()
    manage("recovery", "reject", uuid, "--reason", "cable", "--by", " ann (juju action on masakari/0) ")
    manage("recovery", "reject", uuid, "--reason", "cable", "--by", " ")
    assert cloud.letters() == [Rejected(by=name, why="cable") for name in ("ann (juju action on masakari/0)", user())]


def test_a_confirm_says_that_the_host_is_off(cloud: Cloud, manage: Manage) -> None:
    """After another question a plain yes is refused, on the timeline and with what to write; that makes the word the proof."""
    for host in ("c1", "c2", "c3"):
        inject(cloud.world, "bmc_silent", host=host)
        inject(cloud.world, "power_lost", host=host)
    uuid = cloud.report()
    cloud.run(75.0)
    assert json.loads(manage("recovery", "show", uuid, "--json")[1])["phase"] == "unwitnessed"
    assert manage("recovery", "confirm", uuid, "--reason", "the rack has no mains")[0] == 0
    cloud.run(75.0)
    assert json.loads(manage("recovery", "show", uuid, "--json")[1])["phase"] == "unproven"
    assert manage("recovery", "confirm", uuid, "--reason", "the rack has no mains")[0] == 0
    cloud.run(5.0)
    shown = json.loads(manage("recovery", "show", uuid, "--json")[1])
    assert (shown["phase"], shown["timeline"][-1]["code"]) == ("unproven", "CONFIRM_NOT_OF_POWER")
    assert "--host-is-off" in shown["timeline"][-1]["says"]
    assert manage("recovery", "confirm", uuid, "--host-is-off", "--reason", "I see its lamps")[0] == 0
    cloud.run(5.0)
    shown = json.loads(manage("recovery", "show", uuid, "--json")[1])
    assert [proof["rung"] for proof in shown["proofs"]] == ["human"]


def test_a_word_that_comes_with_the_end_is_refused(
    cloud: Cloud, manage: Manage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the recovery ended between the look and the word, that is said, and nothing is recorded."""
    uuid = cloud.report()
    monkeypatch.setattr(incidents, "say", lambda *_: False)
    code, out, err = manage("recovery", "reject", uuid, "--reason", "because")
    assert (code, out) == (1, "")
    assert err == f"masakari-manage: recovery {uuid} of c1 has ended meanwhile; nothing was recorded\n"


def test_a_confirm_that_nobody_waits_for_is_refused(cloud: Cloud, manage: Manage) -> None:
    """A recovery that waits for no human takes no confirm: exit 1, it says where it stands, and nothing is recorded."""
    uuid = cloud.report()
    code, out, err = manage("recovery", "confirm", uuid, "--reason", "because")
    assert (code, out) == (1, "")
    refused = (
        f"masakari-manage: recovery {uuid} of c1 cannot be confirmed: it is in phase witnessing and waits for no human."
    )
    assert err.startswith(refused)
    cloud.run()
    assert "because" not in manage("recovery", "show", uuid)[1]
    for verb in ("confirm", "reject"):
        ended = manage("recovery", verb, uuid, "--reason", "because")
        assert ended[0] == 1
        assert "has ended" in ended[2]


def test_a_pause_holds_until_it_is_resumed(cloud: Cloud, manage: Manage) -> None:
    """A paused recovery is shown with whose word it is; a resume, a cancel before and after it are taken where they mean something."""
    uuid = cloud.report()
    assert manage("recovery", "resume", uuid, "--reason", "go")[0] == 1
    assert manage("recovery", "pause", uuid, "--reason", "the rack is rewired", "--by", "ann")[0] == 0
    cloud.run()
    code, out, _ = manage("recovery", "list")
    assert (code, out.split()[2]) == (0, "halted")
    assert "ann paused the recovery of c1: the rack is rewired" in out
    code, _, err = manage("recovery", "confirm", uuid, "--reason", "it is off")
    assert (code, "it is paused or disarmed, and follows no confirm meanwhile. Resume it" in err) == (1, True)
    assert manage("recovery", "resume", uuid, "--reason", "done", "--by", "bob")[0] == 0
    cloud.run()
    shown = manage("recovery", "show", uuid)[1]
    assert f"recovery {uuid} of c1: recovered" in shown
    assert "bob resumed the recovery: done" in shown


def test_a_cancel_ends_it(cloud: Cloud, manage: Manage) -> None:
    """A cancelled recovery ends with the human's name and reason."""
    uuid = cloud.report()
    assert manage("recovery", "cancel", uuid, "--reason", "being replaced", "--by", "ann")[0] == 0
    cloud.run()
    assert "ann cancelled: being replaced; nothing more is done for c1" in manage("recovery", "list", "--all")[1]


@pytest.mark.parametrize("verb", ["show", "confirm", "reject", "pause", "resume", "cancel"])
def test_an_unknown_uuid_is_refused(verb: str, cloud: Cloud, manage: Manage) -> None:
    """A uuid that nobody knows is said back, with where to look: exit 1."""
    uuid = str(uuid4())
    reason = ("--reason", "because") if verb != "show" else ()
    code, out, err = manage("recovery", verb, uuid, *reason)
    assert (code, out) == (1, "")
    assert err == f"masakari-manage: there is no recovery {uuid}; see: masakari-manage recovery list --all\n"


def test_several_at_once_are_all_or_none(cloud: Cloud, manage: Manage) -> None:
    """Where one of several words is refused, none is recorded."""
    uuid = cloud.waiting()
    assert manage("recovery", "reject", uuid, str(uuid4()), "--reason", "all of them")[0] == 1
    assert cloud.letters() == []


@pytest.mark.parametrize(
    "said", [("--reason", "a\nb"), ("--reason", "\x1b[2J"), ("--reason", "well", "--by", "ann\nbob")]
)
def test_a_word_is_one_printable_line(said: tuple[str, ...], cloud: Cloud, manage: Manage) -> None:
    """What would break a line of the timeline, or write to a terminal, is refused as the API refuses it: exit 2, nothing is recorded."""
    uuid = cloud.waiting()
    for words in (("recovery", "reject", uuid), ("disarm", "--all", "--for", "1h"), ("host", "return", "c1")):
        code, out, err = manage(*words, *said)
        assert (code, out) == (2, "")
        assert "printable text on one line" in err
    assert cloud.letters() == []
    assert manage("recovery", "reject", uuid, "--reason", "ends with a line break\n")[0] == 0


def test_a_reason_is_refused_rather_than_cut(cloud: Cloud, manage: Manage) -> None:
    """By the API's bound: what is longer would be shown without its end."""
    uuid = cloud.waiting()
    code, out, err = manage("recovery", "reject", uuid, "--reason", "x" * 256)
    assert (code, out) == (2, "")
    assert "it has 256 characters, and 255 can be kept: shorten it; nothing was recorded" in err
    assert cloud.letters() == []
    assert manage("recovery", "reject", uuid, "--reason", "x" * 255)[0] == 0


def test_a_stopped_recovery_takes_a_reject_alone(cloud: Cloud, manage: Manage) -> None:
    """A confirm of it would be dropped: exit 1, with what to do, and nothing is recorded."""
    uuid = cloud.waiting(Phase.STOPPED)
    code, _, err = manage("recovery", "confirm", uuid, "--reason", "go")
    assert code == 1
    assert "it was stopped, since going on would break a promise, and orders nothing. Reject it" in err
    assert cloud.letters() == []
    assert manage("recovery", "reject", uuid, "--reason", "by hand")[0] == 0


@pytest.mark.parametrize("reason", ["", "   "])
def test_an_empty_reason_is_refused(reason: str, cloud: Cloud, manage: Manage) -> None:
    """A word without a reason is refused before anything is looked up: exit 1."""
    code, out, err = manage("recovery", "confirm", str(uuid4()), "--reason", reason)
    assert (code, out) == (1, "")
    assert err == "masakari-manage: a reason is required: say what you saw, with --reason\n"


@pytest.mark.parametrize(
    "arguments",
    [(), ("recovery",), ("recovery", "confirm", "x"), ("recovery", "fence", "x"), ("db", "upgrade")],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_a_misspelt_command_shows_the_usage(arguments: tuple[str, ...], manage: Manage) -> None:
    """What is no command exits 2 with the usage."""
    code, out, err = manage(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: masakari-manage")


def test_a_database_that_is_away_is_one_line(installed: Installed, manage: Manage) -> None:
    """A database that cannot be reached is one message without traceback and password: exit 1."""
    installed.configure(database={"connection": "mysql+pymysql://masakari:pw-in-url@127.0.0.1:1/masakari"})
    for command in (("db", "sync"), ("db", "version"), ("recovery", "list")):
        code, out, err = manage(*command)
        assert (code, out) == (1, "")
        assert err.startswith("masakari-manage: the database did not answer")
        assert "Traceback" not in err
        assert "pw-in-url" not in err


def test_a_newer_database_is_refused(installed: Installed, manage: Manage) -> None:
    """A database that a newer version made is not touched: the message says to install that one, exit 2."""
    manage("db", "sync")
    with closing(sqlite3.connect(installed.folder / "masakari.sqlite")) as database:
        database.execute("UPDATE masakari_alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    code, _, err = manage("db", "sync")
    assert code == 2
    assert "ffffffffffff" in err
    assert "install a newer version" in err


def test_a_user_without_a_name_is_a_number(cloud: Cloud, manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user has no name the number is recorded, and the command works."""
    uuid = cloud.waiting()
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert manage("recovery", "reject", uuid, "--reason", "cable")[0] == 0
    assert cloud.letters() == [Rejected(by=f"user id {os.getuid()}", why="cable")]


def test_db_check_says_where_the_schema_stands(manage: Manage) -> None:
    """Before `db sync` the check exits 3 and says what to run; afterwards it exits 0. It changes nothing itself."""
    behind = (
        3,
        "",
        f"masakari-manage: the database has no tables of this service and this version needs step {NEWEST}; ",
    )
    code, out, err = manage("db", "check")
    assert (code, out, err) == (*behind[:2], f"{behind[2]}run: masakari-manage db sync\n")
    assert manage("db", "check")[0] == 3
    manage("db", "sync")
    assert manage("db", "check") == (0, f"the database stands at step {NEWEST}, this version needs {NEWEST}\n", "")


def our_step(installed: Installed, step: str) -> None:
    """Let our tables stand at another step."""
    with closing(sqlite3.connect(installed.folder / "masakari.sqlite")) as database:
        database.execute("UPDATE vmha_alembic_version SET version_num = ?", (step,))
        database.commit()


def test_an_older_schema_is_behind(installed: Installed, manage: Manage) -> None:
    """Tables of an older version are not enough: the check exits 3, and what needs the tables says what to run."""
    manage("db", "sync")
    our_step(installed, "0000")
    code, _, err = manage("db", "check")
    assert (code, f"stands at step 0000 and this version needs step {NEWEST}; run: masakari-manage db sync" in err) == (
        3,
        True,
    )
    code, _, err = manage("recovery", "list")
    assert code == 1
    assert f"stands at step 0000 and this version needs {NEWEST}; run: masakari-manage db sync" in err


def test_a_newer_schema_is_no_hindrance(installed: Installed, manage: Manage) -> None:
    """Steps only add, so a version that was put back runs on what the newer one made."""
    manage("db", "sync")
    our_step(installed, "9999")
    code, out, _ = manage("db", "check")
    assert (code, "step 9999" in out, "a newer version added to it" in out) == (0, True, True)
    assert manage("recovery", "list") == (0, "no recovery is open\n", "")


def test_a_step_that_is_none_of_ours_is_refused(installed: Installed, manage: Manage) -> None:
    """A step without a number is nobody's: exit 2, with what to do."""
    manage("db", "sync")
    our_step(installed, "abcdef")
    code, _, err = manage("db", "check")
    assert (code, "abcdef" in err, "restore the backup" in err) == (2, True, True)


def test_a_command_leaves_no_log_file(installed: Installed, manage: Manage) -> None:
    """A command logs to its terminal: a log file that root's command made could not be written by the services' user."""
    installed.configure(DEFAULT={"log_dir": installed.folder / "log"})
    assert manage("db", "sync")[0] == 0
    (installed.folder / "log").mkdir()
    assert manage("recovery", "list") == (0, "no recovery is open\n", "")
    assert list((installed.folder / "log").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--max_rows", "0"), "Must supply value greater than 0 for max_rows."),
        (("--max_rows", "-2"), "Invalid value for max_rows: -2 is not between -1 and 2147483647."),
        (("--age_in_days", "-1"), "Must supply a non-negative value for age."),
        (("--age_in_days", "99999"), "Maximal age is count of days since epoch."),
    ],
)
def test_db_purge_refuses_as_upstream_does(options: tuple[str, ...], why: str, manage: Manage) -> None:
    """What no purge can do is refused with exit 1, in upstream's words where it has some."""
    manage("db", "sync")
    assert manage("db", "purge", *options) == (1, "", f"masakari-manage: {why}\n")


def test_db_purge_says_what_it_removed(cloud: Cloud, manage: Manage) -> None:
    """What went is counted by table; the recovery of years ago is no longer listed, and a second purge finds nothing.

    While its host waits to be let back it stays.
    """
    cloud.report()
    cloud.run()
    assert manage("db", "purge") == (0, "removed 1 rows: 1 of engines\n", "")
    cloud.disband()
    code, out, _ = manage("db", "purge", "--max_rows", "2")
    assert (code, out.startswith("removed 2 rows: ")) == (0, True)
    code, out, _ = manage("db", "purge")
    assert (code, "1 of recoveries" in out, "1 of notifications" in out) == (0, True, True)
    assert manage("recovery", "list", "--all")[1] == "there has been no recovery\n"
    assert manage("db", "purge") == (0, "removed 0 rows\n", "")
