"""masakari-status: what stands in the way of a takeover or an upgrade, in the form of oslo.upgradecheck."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert

from unit_tests.cli.rig import Installed, Programs
from vmha.adapters import upstream_engine
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database, transaction
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
    assert [result for result, _ in checks.values()] == [0] * 5
    assert checks["Database Revision"][1] == "Our tables stand at step 0002, upstream's at revision 13adff5efb9a."


def test_the_table_is_that_of_upgradecheck(installed: Installed, programs: Programs) -> None:
    """The table has a frame, a title, and three lines for each check, long details wrapped."""
    installed.sync()
    code, out, _ = programs.run("status", "upgrade", "check")
    lines = out.splitlines()
    assert code == 0
    assert len(set(map(len, lines))) == 1
    assert lines[1].strip("| ") == "Upgrade Check Results"
    assert [line.strip("| ") for line in lines if "Result: " in line] == ["Result: Success"] * 5


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
