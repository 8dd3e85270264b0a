"""What masakari-manage says of a real Nova, a real Placement and real IPMI controllers before anything has failed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud.ha import Service, environment
from tests.cloud.rig.cloud import Cloud

pytestmark = pytest.mark.timeout(240)

HOST = "host-1"
INSTANCES = 3


def checks(service: Service) -> dict[str, dict[str, Any]]:
    """Go through the checklist and return it by point; it may well say that something is not ready."""
    service.manage("fencing", "check")  # writes the configuration that is used below
    configuration = str(service.folder / "manage.conf")
    command = (sys.executable, "-m", "vmha.cli.manage", "--config-file", configuration, "readiness", "--json")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode in (0, 1), done.stderr
    return {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def test_every_controller_is_asked_and_none_switched(cloud: Cloud, service: Callable[..., Service]) -> None:
    """Each BMC's reading is the machine's own state, also of one that is off."""
    ha = service()
    cloud.cut_power(HOST)
    shown = json.loads(ha.manage("fencing", "check", "--json"))["hosts"]
    assert {host["host"]: host["power"] for host in shown} == {
        host: "off" if host == HOST else "on" for host in cloud.hosts
    }
    assert {host["segment"] for host in shown} == {"cloud"}
    assert [cloud.power(host) for host in cloud.hosts] == [host != HOST for host in cloud.hosts]


def test_the_checklist_reads_a_real_placement(cloud: Cloud, service: Callable[..., Service]) -> None:
    """What the fullest host holds is counted from Placement, and the other hosts would hold it."""
    ha = service()
    instances = cloud.boot_instances(HOST, INSTANCES)
    cloud.wait_for_servers(instances)
    found = checks(ha)
    assert {name: found[name]["verdict"] for name in ("segments", "fencing", "cloud", "reserve", "storage")} == (
        dict.fromkeys(("segments", "fencing", "cloud", "reserve", "storage"), "ok")
    )
    assert f"the fullest is {HOST} with " in found["reserve"]["says"]
    assert f"{INSTANCES} VCPU" in found["reserve"]["says"]
    assert found["storage"]["says"].startswith(f"{INSTANCES} of {INSTANCES} instances would be built from their images")
