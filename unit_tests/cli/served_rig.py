"""A simulated cloud on real sockets, registered in the database and inventory of an installed masakari-manage."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml

from unit_tests.sim.rehearsal import quick_world
from vmha.adapters.db import hosts, segments
from vmha.adapters.db.connection import open_database, transaction
from vmha.sim.cloud import inventory_entry
from vmha.sim.faults import inject
from vmha.sim.served import ServedWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unit_tests.cli.rig import Installed

SEGMENT = "az1"


class ServedCloud:
    """c1 to c3, all up, with their BMCs in the inventory and in one segment."""

    def __init__(self, installed: Installed, served: ServedWorld) -> None:
        self._installed = installed
        self._served = served
        installed.sync()
        self.configure()
        described = served.describe()["hosts"]
        self.write_inventory({name: inventory_entry(host) for name, host in described.items()})

    def configure(self, **groups: dict[str, object]) -> None:
        """Write masakari.conf with this cloud's Keystone, and short waits."""
        cloud = {
            "auth_url": f"{self._served.url}/identity/v3",
            "password": "secret",
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        groups.setdefault("DEFAULT", {})["os_region_name"] = "RegionOne"
        groups.setdefault("fencing", {})["power_call_seconds"] = 2
        groups["keystone_authtoken"] = cloud | groups.get("keystone_authtoken", {})
        self._installed.configure(**groups)

    def write_inventory(self, entries: dict[str, dict[str, Any]], *, believed: tuple[str, ...] = ()) -> None:
        """Write the inventory, with policy = detector for some segments."""
        hosts = {host: {"ipmi": entry} for host, entry in entries.items()}
        segments = {segment: {"policy": "detector"} for segment in believed}
        self._installed.inventory.write_text(yaml.safe_dump({"hosts": hosts, "segments": segments}))

    def inventory(self) -> dict[str, dict[str, Any]]:
        """Read what stands in the inventory."""
        text = yaml.safe_load(self._installed.inventory.read_text())
        return {name: entry["ipmi"] for name, entry in text["hosts"].items()}

    def register(self, *names: str, segment: str = SEGMENT, method: str = "auto", reserved: str = "") -> None:
        """Put hosts into a segment of their own; `reserved` is one more that waits for a failure."""
        now = datetime.now(UTC).replace(tzinfo=None)
        engine = open_database(self._installed.url)
        with transaction(engine) as connection:
            values = {"name": segment, "service_type": "COMPUTE", "recovery_method": method}
            uuid = segments.insert(connection, values, now=now)
            for name in (*names, *filter(None, (reserved,))):
                row = {"name": name, "type": "COMPUTE", "control_attributes": "SSH", "reserved": name == reserved}
                hosts.insert(connection, row, segment_uuid=uuid, now=now)
        engine.dispose()

    def inject(self, fault: str, **arguments: Any) -> None:
        """Break something."""
        with self._served.live.caught_up() as world:
            inject(world, fault, **arguments)

    def boot(self, host: str, count: int = 1, *, image_backed: bool = False) -> None:
        """Run instances on a host."""
        with self._served.live.caught_up() as world:
            for _ in range(count):
                world.add_server(host, image_backed=image_backed)

    def asked(self) -> list[tuple[str, str]]:
        """Return host and order of everything that BMCs were asked, by the cloud's own record."""
        with self._served.live.caught_up() as world:
            return [(fact["host"], fact["order"]) for fact in world.record.facts if fact["what"] == "bmc"]


@contextmanager
def serving(installed: Installed) -> Iterator[ServedCloud]:
    """Serve a cloud until the end of the block."""
    world = quick_world(hosts=3)
    with ServedWorld(world) as served:
        until = time.monotonic() + 10
        while not all(world.nova.is_up(service) for service in world.nova.services.values()):
            assert time.monotonic() < until, "no host came up"
        yield ServedCloud(installed, served)


def as_json(out: str) -> Any:
    """Read what a command printed with --json."""
    return json.loads(out)
