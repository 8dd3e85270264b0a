"""The real adapter of Nova keeps the port's contract against the simulated cloud over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.ports.aggregates_contract import AggregatesContract, AggregatesHarness
from unit_tests.ports.nova_contract import NovaContract
from unit_tests.sim.rehearsal import QUICK, quick_world
from vmha.adapters.clock import SystemClock
from vmha.adapters.nova import open_nova
from vmha.ports import Clock, Nova
from vmha.settings import load
from vmha.sim import owner
from vmha.sim.served import ServedWorld

CONFIG = """
[DEFAULT]
host = contract
nova_catalog_admin_info = compute:nova:internalURL
os_region_name = RegionOne
[keystone_authtoken]
auth_type = password
auth_url = {url}/identity/v3
username = masakari
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


class ServedHarness:
    """A served world as the contract wants to have one."""

    def __init__(self, served: ServedWorld, folder: Path) -> None:
        self._live = served.live
        self._hosts = iter(sorted(served.world.hosts))
        config = folder / "masakari.conf"
        config.write_text(CONFIG.format(url=served.url))
        self.clock: Clock = SystemClock()
        self.nova: Nova = open_nova(load(["--config-file", str(config)], "masakari-engine"), clock=self.clock)
        self.report_seconds = QUICK.report_seconds

    def host(self) -> str:
        """Return a host that no test has used."""
        return next(self._hosts)

    def boot(self, host: str, *, image_backed: bool = False, stopped: bool = False) -> str:
        """Add an instance."""
        with self._live.caught_up() as world:
            vm_state = "stopped" if stopped else "active"
            return world.add_server(host, image_backed=image_backed, vm_state=vm_state).uuid

    def delete(self, instance: str) -> None:
        """Delete an instance."""
        with self._live.caught_up() as world:
            owner.delete(world, instance)

    def disable(self, host: str, reason: str) -> None:
        """Disable a service as an operator."""
        with self._live.caught_up() as world:
            world.nova.change_service(host, "operator", disabled=True, reason=reason)

    def aggregate(self, name: str, *hosts: str, zone: str | None = None) -> int:
        """Make an aggregate as an operator."""
        with self._live.caught_up() as world:
            return world.nova.aggregates.add(name, *hosts, zone=zone)

    def kill(self, host: str) -> None:
        """Take the host's power."""
        with self._live.caught_up() as world:
            world.hosts[host].power_off("test")


class TestOpenStackNova(NovaContract, AggregatesContract):
    """The adapter speaks to the simulated Nova as to a real one."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[AggregatesHarness]:
        """A new cloud for each test."""
        with ServedWorld(quick_world(hosts=4), with_bmcs=False, max_limit=2) as served:
            yield ServedHarness(served, tmp_path)
