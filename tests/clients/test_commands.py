"""The `openstack` command with python-masakariclient's plugin, unmodified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.conftest import PINNED
from tests.clients.keystone import ENDPOINTS
from tests.clients.test_sdk import INSTANCES, MOVES, host_of, move, segment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.commands import Commands
    from tests.clients.rig import Rig

    Run = Callable[..., Any]

STOPPED = '{"event": "STOPPED", "host_status": "NORMAL"}'
CRASHED = f'{{"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": "{INSTANCES[0]}"}}'
PROCESS = '{"event": "STOPPED", "process_name": "nova-compute"}'


@pytest.fixture
def run(rig: Rig, commands: Commands) -> Run:
    """Return what runs a command that must succeed, and returns what it printed as JSON."""

    def run(*arguments: str, **environment: str) -> Any:
        finished = rig.command(commands, *arguments, "-f", "json", **environment)
        assert finished.code == 0, finished.errors
        return json.loads(finished.output)

    return run


@pytest.fixture
def say(rig: Rig, commands: Commands) -> Callable[..., str]:
    """Return what runs a command that prints no table, and returns what it said whether it succeeded or not."""

    def say(*arguments: str, code: int = 0) -> str:
        finished = rig.command(commands, *arguments)
        assert finished.code == code, finished
        return finished.output + finished.errors

    return say


def names(items: list[dict[str, Any]]) -> list[str]:
    """List the names of what was listed."""
    return [each["name"] for each in items]


@pytest.mark.parametrize("region", ENDPOINTS)
def test_the_command_finds_the_api(rig: Rig, commands: Commands, region: str) -> None:
    """Whatever form the endpoint in the catalog has, the command reaches the API."""
    segment_of(rig.ha())
    finished = rig.command(commands, "segment", "list", "-f", "value", "-c", "name", region=region)
    assert (finished.code, finished.output) == (0, "s1\n"), finished.errors


def test_the_program_itself(rig: Rig, commands: Commands) -> None:
    """What a shell starts does what the forks of the other tests do, and shows a refusal with what the API said."""
    login = rig.keystone.login("admin", "RegionOne")
    made = commands.run_program(("segment", "create", "s1", "auto", "compute", "-f", "json"), login)
    assert json.loads(made.output)["name"] == "s1"
    refused = commands.run_program(("segment", "create", "s2", "auto", " compute"), login)
    assert refused.code != 0
    assert "Can not start or end with whitespace" in refused.errors


def test_segments(run: Run, say: Callable[..., str]) -> None:
    """Segments are created with every option and every method, changed by name or uuid, shown and deleted several at once."""
    first = run("segment", "create", "s1", "auto", "compute", "--is_enabled", "False", "--description", "d")
    assert (first["name"], first["is_enabled"], first["description"]) == ("s1", False, "d")
    for number, method in enumerate(("reserved_host", "auto_priority", "rh_priority"), start=2):
        assert run("segment", "create", f"s{number}", method, "compute")["recovery_method"] == method
    for method in ("reserved_host", "auto_priority", "rh_priority", "auto"):
        assert run("segment", "update", "s1", "--recovery_method", method)["recovery_method"] == method
    options = ("--name", "renamed", "--service_type", "x", "--is_enabled", "True", "--description", "e")
    changed = run("segment", "update", first["uuid"], *options)
    assert [changed[key] for key in ("name", "service_type", "is_enabled", "description")] == [
        "renamed",
        "x",
        True,
        "e",
    ]
    assert run("segment", "show", "renamed") == run("segment", "show", first["uuid"]) == changed
    assert say("segment", "delete", "renamed", "s2") == "Segment deleted: renamed\nSegment deleted: s2\n"
    assert names(run("segment", "list")) == ["s4", "s3"]


def test_lists_of_segments(rig: Rig, run: Run, say: Callable[..., str]) -> None:
    """Segments are filtered and sorted; a limit is that of one page, and the list goes on behind the marker."""
    ha = rig.ha()
    made = [segment_of(ha, f"s{number}") for number in range(4)]
    ha.update_segment(made[2].uuid, recovery_method="rh_priority")
    ha.update_segment(made[3].uuid, service_type="x")
    assert names(run("segment", "list", "--filters", "recovery_method=auto;service_type=compute")) == ["s1", "s0"]
    filters = ("--filters", "recovery_method=rh_priority", "--filters", "service_type=compute")
    assert names(run("segment", "list", *filters, "--sort", "name:asc,updated_at:desc")) == ["s2"]
    assert names(run("segment", "list", "--sort", "name")) == ["s3", "s2", "s1", "s0"]
    assert names(run("segment", "list", "--sort", "created_at:asc", "--limit", "3", "--marker", made[1].uuid)) == [
        "s2",
        "s3",
    ]
    assert names(run("segment", "list", "--limit", "1", "--marker", str(made[1].id))) == ["s0"]
    # Its help names a key that segments have not.
    assert "Sort key supplied is invalid: type" in say("segment", "list", "--sort", "type:asc", code=1)
    assert "marker" in say("segment", "list", "--marker", "nobody", code=1).lower()


def test_versions(run: Run, rig: Rig, commands: Commands) -> None:
    """The version that the client is told to speak decides what it shows, on the command line or in the environment."""
    segment_of(rig.ha())
    assert "is_enabled" in run("--os-ha-api-version", "1.2", "segment", "show", "s1")
    assert "is_enabled" not in run("--os-ha-api-version", "1.1", "segment", "show", "s1")
    assert "is_enabled" not in run("segment", "show", "s1", OS_HA_API_VERSION="1.0")
    refused = rig.command(commands, "segment", "list", OS_HA_API_VERSION="1.9")
    assert refused.code == 1
    assert "the cloud only supports a minimum of 1.0 and a maximum of 1.3" in refused.errors


def test_hosts(run: Run, rig: Rig, say: Callable[..., str]) -> None:
    """Hosts are created with every option, changed by name or uuid, shown and deleted."""
    segment = segment_of(rig.ha()).uuid
    flags = ("--reserved", "True", "--on_maintenance", "False")
    first = run("segment", "host", "create", "c1", "COMPUTE", "SSH", "s1", *flags)
    assert (first["reserved"], first["on_maintenance"], first["failover_segment_id"]) == (True, False, segment)
    flags = ("--reserved", "False", "--on_maintenance", "True")
    second = run("segment", "host", "create", "c2", "COMPUTE", "SSH", segment, *flags)
    assert (second["reserved"], second["on_maintenance"]) == (False, True)
    flags = ("--reserved", "False", "--on_maintenance", "True")
    options = ("--name", "c3", "--type", "X", "--control_attributes", "ipmi")
    changed = run("segment", "host", "update", "s1", "c1", *flags, *options)
    assert [changed[key] for key in ("name", "type", "control_attributes", "reserved", "on_maintenance")] == [
        *("c3", "X", "ipmi", False, True)
    ]
    changed = run(
        "segment", "host", "update", segment, first["uuid"], "--reserved", "True", "--on_maintenance", "False"
    )
    assert (changed["reserved"], changed["on_maintenance"]) == (True, False)
    assert (
        run("segment", "host", "show", "s1", "c3") == run("segment", "host", "show", segment, first["uuid"]) == changed
    )
    assert say("segment", "host", "delete", "s1", "c3") == "Host deleted: c3\n"
    assert names(run("segment", "host", "list", "s1")) == ["c2"]


def test_lists_of_hosts(rig: Rig, run: Run) -> None:
    """Hosts are filtered and sorted, and listed behind a marker."""
    ha = rig.ha()
    segment = segment_of(ha)
    made = [host_of(ha, segment, name) for name in ("c1", "c2", "c3", "c4")]
    for each, change in zip(made, ({"reserved": True}, {"on_maintenance": True}, {"type": "X"}), strict=False):
        ha.update_host(each.uuid, segment.uuid, **change)

    def listed(*options: str) -> list[str]:
        return names(run("segment", "host", "list", "s1", *options))

    assert listed("--filters", "type=COMPUTE;on_maintenance=False;reserved=False") == ["c4"]
    filters = ("--filters", f"failover_segment_id={segment.uuid}", "--filters", "reserved=True")
    assert listed(*filters, "--sort", "type:asc,name:asc") == ["c1"]
    assert listed("--sort", "type,name") == ["c3", "c4", "c2", "c1"]
    assert listed("--sort", "updated_at:asc") == ["c4", "c1", "c2", "c3"]
    assert listed("--sort", "created_at:asc", "--limit", "1", "--marker", made[0].uuid) == ["c2", "c3", "c4"]


def test_notifications(rig: Rig, run: Run) -> None:
    """A failure of each type is posted and followed, with the steps of its recovery."""
    ha = rig.ha()
    segment = segment_of(ha)
    for name in ("c1", "c2"):
        host_of(ha, segment, name)
    posted = run("notification", "create", "COMPUTE_HOST", "c1", "2026-03-14T03:00:00", STOPPED)
    assert (posted["type"], posted["status"], posted["payload"]["event"]) == ("COMPUTE_HOST", "running", "STOPPED")
    assert posted["recovery_workflow_details"][0]["name"] == "DisableComputeServiceTask"
    assert run("notification", "show", posted["notification_uuid"]) == posted
    posted = run("notification", "create", "VM", "c1", "2026-03-14T03:00:01.5", CRASHED)
    assert (posted["type"], posted["payload"]["instance_uuid"]) == ("VM", INSTANCES[0])
    posted = run("notification", "create", "PROCESS", "c2", "2026-03-14T03:00:02+01:00", PROCESS)
    assert (posted["type"], posted["payload"]["process_name"]) == ("PROCESS", "nova-compute")
    assert posted["generated_time"] == "2026-03-14T02:00:02.000000"


def test_lists_of_notifications(rig: Rig, run: Run) -> None:
    """Notifications are filtered and sorted, and listed behind a marker."""
    ha = rig.ha()
    segment = segment_of(ha)
    sent = {
        name: ha.create_notification(type=kind, hostname=name, generated_time=time, payload=json.loads(payload))
        for name, kind, time, payload in (
            ("c1", "COMPUTE_HOST", "2026-03-14T03:00:00", STOPPED),
            ("c2", "PROCESS", "2026-03-14T04:00:00", PROCESS),
            ("c3", "VM", "2026-03-14T05:00:00", CRASHED),
        )
        if host_of(ha, segment, name)
    }

    def listed(*options: str) -> list[str]:
        by_uuid = {each.notification_uuid: name for name, each in sent.items()}
        return [by_uuid[each["notification_uuid"]] for each in run("notification", "list", *options)]

    rig.sql("update notifications set status = 'failed' where type != 'COMPUTE_HOST'")
    assert listed("--filters", "status=failed") == ["c3", "c2"]
    assert listed("--filters", "type=VM;status=failed") == ["c3"]
    filters = ("--filters", f"source_host_uuid={sent['c2'].source_host_uuid}", "--filters", "status=failed")
    assert listed(*filters) == ["c2"]
    assert listed("--filters", "generated-since=2026-03-14T03:30:00", "--sort", "type:asc,updated_at:asc") == [
        "c2",
        "c3",
    ]
    marker = sent["c1"].notification_uuid
    assert listed("--sort", "created_at:asc", "--limit", "1", "--marker", marker) == ["c2", "c3"]


@pytest.mark.parametrize("commands", [PINNED], indirect=True)
def test_moves(rig: Rig, run: Run) -> None:
    """The moves of a notification are shown, filtered and sorted, and listed behind a marker; older clients know none."""
    ha = rig.ha()
    host_of(ha, segment_of(ha))
    uuid = run("notification", "create", "COMPUTE_HOST", "c1", "2026-03-14T03:00:00", STOPPED)["notification_uuid"]
    for number, status in enumerate(("succeeded", "pending")):
        move(rig, uuid, number, status)

    def listed(*options: str) -> list[str]:
        return [each["server_name"] for each in run("notification", "vmove", "list", uuid, *options)]

    assert listed() == ["web1", "web0"]
    assert listed("--filters", "type=evacuation;status=pending") == ["web1"]
    assert listed("--filters", "type=evacuation", "--filters", "status=succeeded") == ["web0"]
    assert listed("--sort", "type,status:asc,start_time,end_time") == ["web1", "web0"]
    assert listed("--sort", "start_time:asc", "--limit", "1", "--marker", MOVES[0]) == ["web1"]
    shown = run("notification", "vmove", "show", uuid, MOVES[0])
    assert (shown["server_id"], shown["status"], shown["source_host"]) == (INSTANCES[0], "succeeded", "c1")


def test_refusals_are_shown(rig: Rig, commands: Commands, say: Callable[..., str]) -> None:
    """A command that is refused ends with an error that repeats what the API, or Keystone, said."""
    segment_of(rig.ha())
    assert "already exists" in say("segment", "create", "s1", "auto", "compute", code=1)
    assert "Segment is not found" in say("segment", "show", "nope", code=1)
    assert "No Segment found for" in say("segment", "update", "nope", "--name", "x", code=1)
    assert "Compute service with name nope" in say("segment", "host", "create", "nope", "X", "", "s1", code=1)
    forbidden = rig.command(commands, "segment", "list", user="demo")
    assert forbidden.code == 1
    assert "Policy doesn't allow os_masakari_api:segments:index" in forbidden.errors
    stranger = rig.command(commands, "segment", "list", user="nobody")
    assert stranger.code == 1
    assert "HTTP 401" in stranger.errors
