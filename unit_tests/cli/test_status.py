"""masakari-status: what stands in the way of a takeover or an upgrade, in the form of oslo.upgradecheck."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, text

from unit_tests.adapters.db.migration_contract import NEWEST
from unit_tests.cli.rig import Installed, Programs
from vmha.adapters import upstream_engine
from vmha.adapters.db import schema
from vmha.adapters.db.adoption import bring_to_head
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.leftovers import settle
from vmha.cli import status


def checked(programs: Programs) -> tuple[int, dict[str, tuple[int, str | None]]]:
    """Run the checks; return the exit code, and result and details of each."""
    code, out, _ = programs.run("status", "upgrade", "check", "--json")
    return code, {each["check"]: (each["result"], each["details"]) for each in json.loads(out)["checks"]}


def test_a_cloud_that_is_ready(installed: Installed, programs: Programs) -> None:
    """After `db sync`, with every host fenced and nothing of upstream's left, all checks succeed and the exit code is 0."""
    installed.sync()
    code, checks = checked(programs)
    assert code == 0
    assert [result for result, _ in checks.values()] == [0] * 8
    assert checks["Database Revision"][1] == f"Our tables stand at step {NEWEST}, upstream's at revision 13adff5efb9a."


def test_the_table_is_that_of_upgradecheck(installed: Installed, programs: Programs) -> None:
    """The table has a frame, a title, and three lines for each check, long details wrapped."""
    installed.sync()
    code, out, _ = programs.run("status", "upgrade", "check")
    lines = out.splitlines()
    assert code == 0
    assert len(set(map(len, lines))) == 1
    assert lines[1].strip("| ") == "Upgrade Check Results"
    assert [line.strip("| ") for line in lines if "Result: " in line] == ["Result: Success"] * 8


def test_a_database_before_db_sync(programs: Programs) -> None:
    """Tables that are behind are a failure that names the command, and the exit code is 2."""
    code, checks = checked(programs)
    result, details = checks["Database Revision"]
    assert (code, result) == (2, 2)
    assert "run: masakari-manage db sync" in str(details)


def test_hosts_without_a_fence_method_are_named(installed: Installed, programs: Programs) -> None:
    """A host that no BMC is known of is a warning with its name and its segment: its failure would wait for a human."""
    installed.sync()
    add_host(installed, "bare", "s1")
    code, checks = checked(programs)
    result, details = checks["Hosts Have a Fence Method"]
    assert (code, result) == (1, 1)
    assert "bare (s1)" in str(details)


def test_a_policy_for_segments_that_are_not_there(installed: Installed, programs: Programs) -> None:
    """A misspelt segment of recovery.yaml is a warning with its name: the one that was meant is recovered by the default."""
    installed.sync()
    add_host(installed, "c1", "s1")
    policy = installed.inventory.with_name("recovery.yaml")
    policy.write_text("default: {host: recover}\nsegments: {s1: {host: report}, s11: {host: report}}\n")
    installed.configure(recovery={"policy_file": str(policy)})
    result, details = checked(programs)[1]["Recovery Policy Names Segments That Exist"]
    assert result == 1
    assert "for segments that are not there: s11. What" in str(details)
    policy.write_text("default: {host: rebot}\n")
    result, details = checked(programs)[1]["Recovery Policy Names Segments That Exist"]
    assert (result, 'host "rebot" is no workflow' in str(details)) == (2, True)


def test_hosts_whose_monitor_is_believed_are_named(installed: Installed, programs: Programs) -> None:
    """With policy = detector the warning says what is believed, and where a segment of that name is missing."""
    installed.sync()
    add_host(installed, "bare", "s1")
    add_host(installed, "waiting", "s2")
    installed.inventory.write_text("segments: {s1: {policy: detector}, s2: {policy: proof}, s3: {policy: detector}}\n")
    code, checks = checked(programs)
    result, details = checks["Hosts Have a Fence Method"]
    assert (code, result) == (1, 1)
    assert "Hosts without a fence method: waiting (s2). When" in str(details)
    assert "on their monitor's word, without a proof (policy = detector): bare (s1)." in str(details)
    assert str(details).endswith("has a policy for segments that are not there: s3.")


@pytest.mark.parametrize(
    ("text", "result", "says"),
    [
        ('"os_masakari_api:segments:index": "rule:admin_api"\n', 0, ""),
        ('"os_masakari_api:segments:bogus": "!"\n', 1, "os_masakari_api:segments:bogus"),
        ('"os_masakari_api:segments:index": "rule:nobody"\n', 2, "not there"),
        ('"os_masakari_api:segments:index": "((("\n', 2, "refuse everybody: os_masakari_api:segments:index."),
        ('"os_masakari_api:segments:index": "!"\n', 0, ""),
        ("[not: yaml\n", 2, "cannot use the policy file"),
    ],
)
def test_the_policy_is_read_as_the_api_reads_it(
    installed: Installed, programs: Programs, text: str, result: int, says: str
) -> None:
    """A policy that the API would refuse is a failure, a rule that nothing asks for a warning."""
    installed.sync()
    (installed.folder / "policy.yaml").write_text(text)
    installed.configure(oslo_policy={"policy_file": installed.folder / "policy.yaml"})
    code, checks = checked(programs)
    found, details = checks["Policy File JSON to YAML Migration"]
    assert (code, found) == (result, result)
    assert says in str(details)


def test_a_policy_file_that_is_not_there_is_a_warning(installed: Installed, programs: Programs) -> None:
    """Where an operator named it: the default rules hold then. Nobody has to have the file of the default name."""
    installed.sync()
    assert checked(programs)[1]["Policy File JSON to YAML Migration"][0] == 0
    installed.configure(oslo_policy={"policy_file": installed.folder / "rules.yaml"})
    found, details = checked(programs)[1]["Policy File JSON to YAML Migration"]
    assert found == 1
    assert "rules.yaml, which is not there" in " ".join(str(details).split())


def test_an_error_of_the_database_is_one_line(installed: Installed, programs: Programs) -> None:
    """No statement of SQL stands in the table."""
    details = checked(programs)[1]["Hosts Have a Fence Method"][1]
    assert "no such table" in str(details)
    assert "SELECT" not in str(details)


def test_a_policy_in_json_is_a_failure(installed: Installed, programs: Programs) -> None:
    """As with upstream's own check, a JSON policy has to be converted first."""
    installed.sync()
    installed.configure(oslo_policy={"policy_file": "policy.json"})
    _, checks = checked(programs)
    assert checks["Policy File JSON to YAML Migration"][0] == 2


@pytest.mark.parametrize(("lives", "result"), [(True, 2), (False, 0), (None, 1)])
def test_an_engine_of_upstreams(
    installed: Installed, programs: Programs, monkeypatch: pytest.MonkeyPatch, lives: bool | None, result: int
) -> None:
    """One that answers is a failure; a broker that cannot be asked a warning. `tests/broker` asks a real one."""
    installed.sync()
    installed.configure(DEFAULT={"transport_url": "rabbit://u:p@127.0.0.1:1/"})

    def answers(_config: Any) -> bool:
        if lives is None:
            raise upstream_engine.BrokerSilent("refused")
        return lives

    monkeypatch.setattr(upstream_engine, "answers", answers)
    _, checks = checked(programs)
    assert checks["Upstream Engine Stopped"][0] == result


def test_upstreams_distribution_in_the_same_environment(
    installed: Installed, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream's package beside ours is a failure: their programs have the same names."""
    installed.sync()
    monkeypatch.setattr(status, "version", {"masakari": "19.0.0"}.__getitem__)
    _, checks = checked(programs)
    result, details = checks["Upstream Distribution Absent"]
    assert result == 2
    assert "masakari 19.0.0" in str(details)


def test_what_upstream_left_is_named(installed: Installed, programs: Programs) -> None:
    """Unfinished notifications are a warning that says what becomes of them, before `db sync` has run too; settled, they are none."""
    name = "No Notification Left Unfinished"
    assert checked(programs)[1][name] == (0, None)
    engine = open_database(installed.url)
    with transaction(engine) as connection:
        bring_to_head(connection)
    add_host(installed, "c1", "s1")
    add_host(installed, "c2", "s2")
    for number, (kind, host) in enumerate(
        [("COMPUTE_HOST", "c1"), ("COMPUTE_HOST", "gone"), ("VM", "c2"), ("PROCESS", "c2")]
    ):
        add_notification(installed, f"n{number}", kind, host)
    result, details = checked(programs)[1][name]
    assert result == 1
    assert details is not None
    assert details.startswith("4 notifications of upstream's are unfinished")
    assert (
        "if a second witness agrees: c1. Failed instances, started if they are still stopped: 1. Ended: 1 as failed, 1 as ignored."
        in details
    )
    installed.sync()
    assert checked(programs)[1][name] == (result, details)
    for number in range(4):
        assert settle(engine, f"n{number}") is not None
    assert checked(programs)[1][name] == (0, None)
    engine.dispose()


@pytest.mark.parametrize(
    ("connection", "result", "says"),
    [
        (None, 0, ""),
        ("sqlite:///{folder}/masakari.sqlite?timeout=5", 0, ""),
        ("sqlite:///{folder}/flows.sqlite", 0, ""),
        ("sqlite:///{folder}/empty.sqlite", 1, "has no task flows"),
        ("sqlite:///{folder}/none.sqlite", 1, "there is no file"),
        ("memory://", 1, "NoSuchModuleError"),
        ("mysql+pymysql://u:not-a-secret@127.0.0.1:1/flows", 1, "did not answer"),
    ],
)
def test_where_upstreams_progress_is(
    installed: Installed, programs: Programs, connection: str | None, result: int, says: str
) -> None:
    """Progress of old recoveries is where all else is, or where [taskflow] connection says; what cannot be read is a warning."""
    installed.sync()
    for name in ("flows", "empty"):
        with transaction(open_database(f"sqlite:///{installed.folder}/{name}.sqlite")) as opened:
            opened.execute(text(f"CREATE TABLE {'atomdetails' if name == 'flows' else 'x'} (uuid VARCHAR(64))"))
    if connection is not None:
        installed.configure(taskflow={"connection": connection.format(folder=installed.folder)})
    found, details = checked(programs)[1]["Progress of Old Recoveries Readable"]
    assert found == result
    assert says in (details or "")
    assert "not-a-secret" not in (details or "")
    assert not (installed.folder / "none.sqlite").exists()


def add_notification(installed: Installed, uuid: str, kind: str, host: str) -> None:
    """Leave a notification unfinished, a moment ago."""
    failed = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": str(uuid4())}
    payload = failed if kind == "VM" else {"event": "STOPPED", "host_status": "NORMAL"}
    now = datetime.now(UTC).replace(tzinfo=None)
    row = {"notification_uuid": uuid, "source_host_uuid": host, "type": kind, "payload": json.dumps(payload)}
    engine = open_database(installed.url)
    with transaction(engine) as connection:
        connection.execute(
            insert(schema.notifications).values(**row, generated_time=now, created_at=now, status="running", deleted=0)
        )
    engine.dispose()


def add_host(installed: Installed, name: str, segment: str) -> None:
    """Put a host into a segment of its own."""
    engine = open_database(installed.url)
    with transaction(engine) as connection:
        common = {"deleted": 0}
        row = {"uuid": segment, "name": segment, "service_type": "x", "recovery_method": "auto"}
        connection.execute(insert(schema.failover_segments).values(**row, **common))
        host = {"uuid": name, "name": name, "type": "x", "control_attributes": "y", "failover_segment_id": segment}
        connection.execute(insert(schema.hosts).values(**host, **common))
    engine.dispose()
