"""A simulated cloud on real sockets, registered in the database and inventory of an installed masakari-manage."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import yaml

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.ports.returns_contract import recovered
from unit_tests.sim.rehearsal import quick_world
from vmha.adapters.db import hosts, incidents, segments
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.reports import HostReport, Place
from vmha.sim.cloud import inventory_entry
from vmha.sim.faults import inject
from vmha.sim.served import ServedWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from unit_tests.cli.rig import Installed
    from vmha.sim.world import World

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
        """Write masakari.conf with this cloud's Keystone."""
        cloud = {
            "auth_url": f"{self._served.url}/identity/v3",
            "password": "secret",
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        groups.setdefault("DEFAULT", {})["os_region_name"] = "RegionOne"
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

    def report(self, host: str) -> None:
        """Accept a notification that a host stopped; no engine works on it."""
        engine = open_database(self._installed.url)
        with transaction(engine) as connection:
            row = hosts.find_by_name(connection, host)
            assert row is not None
            place = Place(
                notification_uuid=str(uuid4()),
                host_uuid=row.uuid,
                host_name=host,
                segment_uuid=row.failover_segment_id,
            )
            incidents.open_or_join(connection, HostReport(place=place, method="auto", says_off=False))
        engine.dispose()

    def inject(self, fault: str, **arguments: Any) -> None:
        """Break something."""
        with self._served.live.caught_up() as world:
            inject(world, fault, **arguments)

    def boot(
        self,
        host: str,
        count: int = 1,
        *,
        image_backed: bool = False,
        flavor_priority: str = "",
        image_priority: str = "",
        extra_specs: dict[str, str] | None = None,
    ) -> None:
        """Run instances on a host."""
        wishes = {"extra_specs": flavor_priority, "image_properties": image_priority}
        given = {name: {"ha_priority": text} for name, text in wishes.items() if text}
        given["extra_specs"] = given.get("extra_specs", {}) | (extra_specs or {})
        with self._served.live.caught_up() as world:
            for _ in range(count):
                server = world.add_server(host, image_backed=image_backed)
                for name, pairs in given.items():
                    getattr(server, name).update(pairs)

    def fail(self, host: str, reason: str = "Masakari detected host failed.") -> None:
        """Let a host have lost its power, and its instances have been evacuated; it is forced down and disabled with our reason."""
        with self._served.live.caught_up() as world:
            world.hosts[host].power_off("fault")
            world.nova.change_service(host, "engine-1", forced_down=True, disabled=True, reason=reason)
            for uuid in list(world.nova.by_host[host]):
                world.nova.evacuate(uuid, target=None, caller="engine-1")
        self.until(lambda world: all(record.status == "done" for record in world.nova.migrations))

    def repair(self, host: str) -> None:
        """Switch a host on, and wait until its nova-compute reports."""
        self.inject("power_back", host=host)
        self.until(lambda world: world.hosts[host].is_well)

    def until(self, is_so: Callable[[World], bool]) -> None:
        """Wait until something is so in the cloud."""
        limit = time.monotonic() + 60
        while True:
            with self._served.live.caught_up() as world:
                if is_so(world):
                    return
            assert time.monotonic() < limit, "it did not come to pass"
            time.sleep(0.02)

    def flags(self, host: str) -> tuple[bool, bool, str | None]:
        """Return whether a host is forced down, disabled, and why, in Nova."""
        with self._served.live.caught_up() as world:
            service = world.nova.services[host]
            return service.forced_down, service.disabled, service.disabled_reason

    def asked(self) -> list[tuple[str, str]]:
        """Return host and order of everything that BMCs were asked, by the cloud's own record."""
        with self._served.live.caught_up() as world:
            return [(fact["host"], fact["order"]) for fact in world.record.facts if fact["what"] == "bmc"]


class Failed:
    """c1 failed with two instances and was recovered long ago; they run elsewhere."""

    def __init__(self, cloud: ServedCloud, database: SqlRig) -> None:
        self.cloud = cloud
        self.database = database
        self.recovery = recovered(database).state.uuid
        cloud.boot("c1", 2)
        cloud.fail("c1")

    def lines(self) -> list[str]:
        """Return the timeline of its recovery."""
        return self.database.timeline(self.recovery)


@contextmanager
def failing(installed: Installed) -> Iterator[Failed]:
    """Serve such a cloud until the end of the block; its heartbeats are looked at every second."""
    with serving(installed) as cloud:
        cloud.configure(recovery={"witness_interval_seconds": 1, "heartbeat_silence_seconds": 3})
        database = SqlRig(installed.url)
        try:
            yield Failed(cloud, database)
        finally:
            database.close()


@contextmanager
def serving(installed: Installed) -> Iterator[ServedCloud]:
    """Serve a cloud until the end of the block."""
    world = quick_world(hosts=3)
    with ServedWorld(world) as served:
        until = time.monotonic() + 60
        while not all(world.nova.is_up(service) for service in world.nova.services.values()):
            assert time.monotonic() < until, "no host came up"
        yield ServedCloud(installed, served)


def as_json(out: str) -> Any:
    """Read what a command printed with --json."""
    return json.loads(out)
