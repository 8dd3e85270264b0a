"""While every host lives: what masakari-manage says of a real Nova, Placement and IPMI controllers, and instances and processes that fail.

All tests share one service, and each has a host to itself. The checklist comes first, since it counts the instances that there are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cloud.ha import Service, environment
from tests.cloud.rig.cloud import Cloud, now

pytestmark = pytest.mark.timeout(600)

FULLEST, RESTARTS, STOPPED, OFF = "host-1", "host-2", "host-3", "host-4"
INSTANCES = 3
OURS = "Masakari detected process failed."


def checks(service: Service) -> dict[str, dict[str, Any]]:
    """Go through the checklist and return it by point; it may well say that something is not ready."""
    service.manage("fencing", "check")  # writes the configuration that is used below
    configuration = str(service.folder / "manage.conf")
    command = (sys.executable, "-m", "vmha.cli.manage", "--config-file", configuration, "readiness", "--json")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode in (0, 1), done.stderr
    return {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def tasks(notification: dict[str, Any]) -> list[tuple[str, str]]:
    """List the steps that a notification tells of: task and state."""
    return [(task["name"], task["state"]) for task in notification["recovery_workflow_details"]]


def test_the_checklist_reads_a_real_placement(cloud: Cloud, ha: Service) -> None:
    """What the fullest host holds is counted from Placement, and the other hosts would hold it."""
    instances = cloud.boot_instances(FULLEST, INSTANCES)
    cloud.wait_for_servers(instances)
    found = checks(ha)
    assert {name: found[name]["verdict"] for name in ("segments", "fencing", "cloud", "reserve", "storage")} == (
        dict.fromkeys(("segments", "fencing", "cloud", "reserve", "storage"), "ok")
    )
    assert f"the fullest is {FULLEST} with " in found["reserve"]["says"]
    assert f"{INSTANCES} VCPU" in found["reserve"]["says"]
    assert found["storage"]["says"].startswith(f"{INSTANCES} of {INSTANCES} instances would be built from their images")


def test_an_instance_is_restarted_where_it_is_if_its_owner_asked_for_it(cloud: Cloud, ha: Service) -> None:
    """Nova itself tells what was done: one stop and one start, a start alone where it was stopped, nothing without the metadata."""
    runs, is_down, is_nobodys = cloud.boot_instances(RESTARTS, 3)
    for instance in (runs, is_down):
        cloud.tag(instance, "HA_Enabled", "True")
    assert cloud.act(is_down, {"os-stop": None}).status == 202
    cloud.wait_for_servers([is_down], status="SHUTOFF")
    posted = {instance: ha.report_instance(RESTARTS, instance) for instance in (runs, is_down, is_nobodys)}
    ended = {instance: ha.wait_for_end(uuid, "finished") for instance, uuid in posted.items()}
    assert cloud.actions(runs) == ["create", "stop", "start"]
    assert cloud.actions(is_down) == ["create", "stop", "start"], "it had been stopped, and was to be started alone"
    assert cloud.actions(is_nobodys) == ["create"]
    servers = [cloud.server(instance) for instance in posted]
    assert {(server["status"], server["OS-EXT-SRV-ATTR:host"]) for server in servers} == {("ACTIVE", RESTARTS)}
    steps = ("StopInstanceTask", "StartInstanceTask", "ConfirmInstanceActiveTask")
    assert tasks(ended[runs]) == [(step, "SUCCESS") for step in steps]
    assert "runs again on host-2" in ended[runs]["message"]
    assert "HA_Enabled" in ended[is_nobodys]["message"]


def test_the_service_of_a_stopped_nova_compute_is_disabled_until_it_runs_again(cloud: Cloud, ha: Service) -> None:
    """Its instances and its power are left alone, and only what we disabled is enabled again."""
    (instance,) = cloud.boot_instances(STOPPED, 1)
    began = now()
    cloud.kill_compute(STOPPED)
    stopped = ha.wait_for_end(ha.report_process(STOPPED, "STOPPED"), "finished")
    assert tasks(stopped) == [("DisableComputeNodeTask", "SUCCESS"), ("ConfirmComputeNodeDisabledTask", "SUCCESS")]
    found = cloud.service(STOPPED)
    assert (found["status"], found["disabled_reason"], found["forced_down"]) == ("disabled", OURS, False)
    cloud.start_compute(STOPPED)
    ha.wait_for_end(ha.report_process(STOPPED, "STARTED"), "finished")
    found = cloud.service(STOPPED)
    assert (found["status"], found["disabled_reason"]) == ("enabled", None)
    assert cloud.server(instance)["OS-EXT-SRV-ATTR:host"] == STOPPED
    assert [call for call in cloud.bmc_calls(STOPPED, began) if call.orders_power_off] == []
    cloud.disable(STOPPED, "disks are changed")
    left = ha.wait_for_end(ha.report_process(STOPPED, "STARTED"), "finished")
    assert "disks are changed" in left["message"]
    assert cloud.service(STOPPED)["status"] == "disabled"


def test_every_controller_is_asked_and_none_switched(cloud: Cloud, ha: Service) -> None:
    """Each BMC's reading is the machine's own state, also of one that is off."""
    cloud.cut_power(OFF)
    shown = json.loads(ha.manage("fencing", "check", "--json"))["hosts"]
    assert {host["host"]: host["power"] for host in shown} == {
        host: "off" if host == OFF else "on" for host in cloud.hosts
    }
    assert {host["segment"] for host in shown} == {"cloud"}
    assert [cloud.power(host) for host in cloud.hosts] == [host != OFF for host in cloud.hosts]
