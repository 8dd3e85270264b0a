"""A small simulated cloud on real sockets whose heartbeats are fast enough for a test, and clients for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import openstack
import requests

from vmha.sim.served import ServedWorld
from vmha.sim.world import Timing, World

if TYPE_CHECKING:
    from openstack.connection import Connection

QUICK = Timing(
    report_seconds=0.2,
    service_down_seconds=1.0,
    boot_seconds=0.3,
    schedule_seconds=0.02,
    claim_seconds=0.02,
    spawn_seconds=0.1,
    settle_seconds=0.02,
    live_migration_seconds=0.1,
)


def quick_world(hosts: int = 3, instances: int = 0) -> World:
    """Build hosts c1, c2, … and put all instances on c1."""
    world = World(4, timing=QUICK, start=time.time())
    for number in range(1, hosts + 1):
        world.add_host(f"c{number}")
    for _ in range(instances):
        world.add_server("c1")
    return world


def connect(served: ServedWorld, username: str = "admin", project_name: str = "admin") -> Connection:
    """Log in with openstacksdk."""
    return openstack.connect(
        auth_url=f"{served.url}/identity/v3",
        username=username,
        password="secret",
        project_name=project_name,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
    )


def inject(served: ServedWorld, fault: str, **arguments: Any) -> requests.Response:
    """Break something from outside."""
    return requests.post(f"{served.url}/sim/faults", json={"fault": fault, **arguments}, timeout=60)


def state(served: ServedWorld) -> dict[str, Any]:
    """Look at the truth."""
    answer: dict[str, Any] = requests.get(f"{served.url}/sim/state", timeout=60).json()
    return answer
