"""Instances and processes of a real Nova fail; real database and broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud.ha import Service
from tests.cloud.rig.cloud import Cloud, now

pytestmark = pytest.mark.timeout(240)

HOST = "host-1"
OURS = "Masakari detected process failed."


def tasks(notification: dict[str, Any]) -> list[tuple[str, str]]:
    """List the steps that a notification tells of: task and state."""
    return [(task["name"], task["state"]) for task in notification["recovery_workflow_details"]]


def test_an_instance_is_restarted_where_it_is_if_its_owner_asked_for_it(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """Nova itself tells what was done: one stop and one start, a start alone where it was stopped, nothing without the metadata."""
    ha = service()
    runs, is_down, is_nobodys = cloud.boot_instances(HOST, 3)
    for instance in (runs, is_down):
        cloud.tag(instance, "HA_Enabled", "True")
    assert cloud.act(is_down, {"os-stop": None}).status == 202
    cloud.wait_for_servers([is_down], status="SHUTOFF")
    posted = {instance: ha.report_instance(HOST, instance) for instance in (runs, is_down, is_nobodys)}
    ended = {instance: ha.wait_for_end(uuid, "finished") for instance, uuid in posted.items()}
    assert cloud.actions(runs) == ["create", "stop", "start"]
    assert cloud.actions(is_down) == ["create", "stop", "start"], "it had been stopped, and was to be started alone"
    assert cloud.actions(is_nobodys) == ["create"]
    servers = [cloud.server(instance) for instance in posted]
    assert {(server["status"], server["OS-EXT-SRV-ATTR:host"]) for server in servers} == {("ACTIVE", HOST)}
    steps = ("StopInstanceTask", "StartInstanceTask", "ConfirmInstanceActiveTask")
    assert tasks(ended[runs]) == [(step, "SUCCESS") for step in steps]
    assert "runs again on host-1" in ended[runs]["message"]
    assert "HA_Enabled" in ended[is_nobodys]["message"]


def test_a_guest_that_failed_before_its_host_did_runs_after_the_host_is_recovered(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """It waits for the host's recovery, which evacuates it, and nothing is ordered for it beside that."""
    ha = service()
    (instance,) = cloud.boot_instances(HOST, 1)
    cloud.tag(instance, "HA_Enabled", "True")
    cloud.cut_power(HOST)
    of_host = ha.report(HOST)
    of_instance = ha.report_instance(HOST, instance)
    ha.wait_for_phase(HOST, "recovered")
    assert "of host-1 has ended" in ha.wait_for_end(of_instance, "finished")["message"]
    ha.wait_for_end(of_host, "finished")
    assert cloud.actions(instance) == ["create", "evacuate"]
    server = cloud.server(instance)
    assert server["status"] == "ACTIVE"
    assert server["OS-EXT-SRV-ATTR:host"] != HOST


def test_the_service_of_a_stopped_nova_compute_is_disabled_until_it_runs_again(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """Its instances and its power are left alone, and only what we disabled is enabled again."""
    ha = service()
    (instance,) = cloud.boot_instances(HOST, 1)
    began = now()
    cloud.kill_compute(HOST)
    stopped = ha.wait_for_end(ha.report_process(HOST, "STOPPED"), "finished")
    assert tasks(stopped) == [("DisableComputeNodeTask", "SUCCESS"), ("ConfirmComputeNodeDisabledTask", "SUCCESS")]
    found = cloud.service(HOST)
    assert (found["status"], found["disabled_reason"], found["forced_down"]) == ("disabled", OURS, False)
    cloud.start_compute(HOST)
    ha.wait_for_end(ha.report_process(HOST, "STARTED"), "finished")
    found = cloud.service(HOST)
    assert (found["status"], found["disabled_reason"]) == ("enabled", None)
    assert cloud.server(instance)["OS-EXT-SRV-ATTR:host"] == HOST
    assert [call for call in cloud.bmc_calls(HOST, began) if call.orders_power_off] == []
    cloud.disable(HOST, "disks are changed")
    left = ha.wait_for_end(ha.report_process(HOST, "STARTED"), "finished")
    assert "disks are changed" in left["message"]
    assert cloud.service(HOST)["status"] == "disabled"
