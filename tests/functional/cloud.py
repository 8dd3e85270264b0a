"""The cloud under test through its own APIs: what a tenant and an operator of it do before and after a host fails."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import openstack

from tests.functional.models import Model, wait_until

KEYSTONE = "keystone/0"
SEGMENT = "functional"
NAME = "functional"
DEAD_SECONDS = 300.0
RECOVERED_SECONDS = 900.0
BOOT_SECONDS = 900.0
GIBIBYTES = 4


class CloudUnderTest:
    """The administrator's view. Certificates are vault's own and new, so nobody checks them here."""

    def __init__(self, model: Model) -> None:
        self._model = model
        password = model.act(KEYSTONE, "get-admin-password").results["admin-password"]
        self.api = openstack.connect(
            auth_url=f"https://{model.address(KEYSTONE)}:5000/v3",
            username="admin",
            password=password,
            project_name="admin",
            user_domain_name="admin_domain",
            project_domain_name="admin_domain",
            region_name="RegionOne",
            verify=False,
        )

    def prepare(self, image: Path) -> None:
        """Make what an instance needs, and one segment of all compute hosts; what is there stays."""
        if self.api.get_image(NAME) is None:
            self.api.create_image(NAME, filename=str(image), disk_format="qcow2", container_format="bare", wait=True)
        if self.api.get_flavor(NAME) is None:
            self.api.create_flavor(NAME, ram=256, vcpus=1, disk=0)
        if self.api.get_network(NAME) is None:
            network = self.api.create_network(NAME)
            self.api.create_subnet(network.id, cidr="192.168.77.0/24", name=NAME)
        segments = [each for each in self.api.instance_ha.segments() if each.name == SEGMENT]
        if not segments:
            made = self.api.instance_ha.create_segment(name=SEGMENT, recovery_method="auto", service_type="COMPUTE")
            for host in self.hosts():
                self.api.instance_ha.create_host(made.uuid, name=host, type="COMPUTE", control_attributes="SSH")

    def hosts(self) -> list[str]:
        """Name the compute hosts as Nova does."""
        return sorted(service.host for service in self.api.compute.services(binary="nova-compute"))

    def boot(self) -> Any:
        """Run an instance from a volume and wait until it does."""
        return self.api.create_server(
            NAME,
            image=NAME,
            flavor=NAME,
            network=NAME,
            boot_from_volume=True,
            volume_size=GIBIBYTES,
            terminate_volume=True,
            wait=True,
            timeout=BOOT_SECONDS,
        )

    def host_of(self, server: Any) -> str:
        """Name the host of an instance."""
        return str(self.api.compute.get_server(server.id).compute_host)

    def is_well_elsewhere(self, server: Any, host: str) -> bool:
        """Tell whether an instance is active on another host."""
        found = self.api.compute.get_server(server.id)
        return bool(found.status == "ACTIVE" and found.compute_host != host)

    def unit_on(self, host: str) -> str:
        """Name the unit of nova-compute whose host Nova calls so."""
        for unit in self._model.units("nova-compute"):
            if host in self._model.shell(unit, "hostname; hostname --fqdn").split():
                return unit
        raise AssertionError(f"no unit of nova-compute is {host}")

    def cut_power(self, host: str) -> None:
        """Let the host's machine lose its power, as far as a machine can do that to itself, and wait until Nova calls it down."""
        script = base64.b64encode(b"sleep 2; echo 1 > /proc/sys/kernel/sysrq; echo o > /proc/sysrq-trigger").decode()
        command = f"echo {script} | base64 -d > /run/cut-power; nohup sh /run/cut-power > /dev/null 2>&1 &"
        self._model.shell(self.unit_on(host), command)
        wait_until(lambda: self._is_down(host), f"Nova's verdict on {host}", seconds=DEAD_SECONDS)

    def report(self, host: str) -> None:
        """Report a host as a monitor does."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        payload = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "UNKNOWN"}
        self.api.instance_ha.create_notification(
            type="COMPUTE_HOST", hostname=host, generated_time=now, payload=payload
        )

    def _is_down(self, host: str) -> bool:
        services = self.api.compute.services(binary="nova-compute", host=host)
        return any(service.state == "down" for service in services)
