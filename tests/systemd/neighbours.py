"""What the unit talks to, outside of its machine: a real MariaDB, RabbitMQ and Keystone, and a simulated Nova, Placement and BMCs.

Keystone is the only one that gives tokens. Its catalog says that Nova and Placement are where the simulated cloud is, and the simulated
cloud asks Keystone whose token it was shown: `GuestKeystone`.
"""

from __future__ import annotations

import os
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import yaml
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from openstack.connection import Connection

from tests.cloud.rig import brokers, controlplane, databases, keystone, plan, rest
from tests.cloud.rig.plan import Step
from tests.cloud.rig.settings import PASSWORD, REGION, Settings
from vmha.sim.cloud import inventory_entry
from vmha.sim.faults import inject
from vmha.sim.gate import Refused
from vmha.sim.keystone import Keystone, User
from vmha.sim.served import ServedWorld
from vmha.sim.world import Timing, World

if TYPE_CHECKING:
    from vmha.sim.http import Request

# The broker's port is then AMQP's own, 5672: the relation amqp knows no other without TLS. The network is the test's own.
FIRST_PORT = 5651
HOSTS = ("c1", "c2", "c3")
INSTANCES = 4
VICTIM = "c1"


class GuestKeystone(Keystone):
    """Takes the tokens of a real Keystone instead of its own."""

    def __init__(self, world: World, url: str) -> None:
        super().__init__(world)
        self._url = url
        self._session = plain_session()
        self._known: dict[str, User] = {}

    def check(self, request: Request) -> User:
        """Return the user behind the token of a request to Nova or Placement; raises `Refused` with 401."""
        token = request.headers.get("x-auth-token", "")
        if token not in self._known:
            self._known[token] = self._ask(token)
        return self._known[token]

    def _ask(self, token: str) -> User:
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        answer = self._session.get(f"{self._url}/v3/auth/tokens", headers=headers, timeout=30)
        if answer.status_code != 200:
            raise Refused(401, f"Keystone says {answer.status_code} to this token")
        found = answer.json()["token"]
        roles = tuple(str(role["name"]) for role in found["roles"])
        return User(found["user"]["name"], found["project"]["name"], roles)


class Neighbours:
    """All of them, from `start` to `stop`."""

    def __init__(self, folder: Path) -> None:
        """Put their data below a folder."""
        self.settings = Settings(data=folder, first_port=FIRST_PORT)
        self.database = databases.DatabaseServer(
            self.settings, "cloud-database", ("keystone",), "128M", durable=False, charset="utf8mb4"
        )
        self.broker = brokers.ha_broker(self.settings)
        self.world = _world()
        keystone = GuestKeystone(self.world, self.settings.url("keystone"))
        self.cloud = ServedWorld(self.world, keystone=keystone)

    # Their life

    def start(self) -> Neighbours:
        """Start all of them, as many at once as may be, and return when they answer."""
        settings = self.settings
        steps = (
            Step("database", self.database.start),
            Step("memcached", partial(controlplane.start_memcached, settings)),
            Step("epmd", partial(brokers.start_port_mapper, settings)),
            Step("broker", self.broker.start, after=("epmd",)),
            Step("cloud", self._serve_cloud),
            Step("keystone-data", self._create_keystone, after=("database", "memcached")),
            Step("keystone", keystone.server(settings).start, after=("keystone-data",)),
        )
        plan.run(steps, lambda name, seconds: print(f"{name} answers after {seconds:.1f} s"))
        return self

    def stop(self) -> None:
        """End every one that was started."""
        settings = self.settings
        if self.cloud.url:
            self.cloud.stop()
        for daemon in (
            *(keystone.server(settings).daemon(), controlplane.memcached(settings), self.broker.daemon()),
            *(brokers.port_mapper(settings), self.database.daemon()),
        ):
            daemon.stop()

    def _serve_cloud(self) -> None:
        self.cloud.start()

    def _create_keystone(self) -> None:
        keystone.configure(self.settings)
        keystone.create(self.settings)

    # As the administrator of the cloud

    def keystone(self) -> rest.Api:
        """Return Keystone's API, as its administrator."""
        return rest.keystone_api(self.settings, rest.Identity(self.settings))

    def inventory(self) -> str:
        """Return the fencing inventory of the simulated BMCs."""
        hosts = self.cloud.describe()["hosts"]
        return yaml.safe_dump({"hosts": {name: {"ipmi": inventory_entry(host)} for name, host in hosts.items()}})

    def client(self, ca: Path | None = None) -> Any:
        """Return openstacksdk's proxy of our API, found in Keystone's catalog as it is now; `ca` is whom it trusts."""
        auth = Password(
            auth_url=f"{self.settings.url('keystone')}/v3",
            username="admin",
            password=PASSWORD,
            project_name="admin",
            user_domain_name="Default",
            project_domain_name="Default",
        )
        session = Session(auth=auth, session=plain_session(), verify=str(ca) if ca else True)
        return Connection(session=session, region_name=REGION).instance_ha

    def lose(self, host: str) -> None:
        """Let a host of the simulated cloud die."""
        with self.cloud.live.caught_up() as world:
            inject(world, "host_crashes", host=host)

    def facts(self) -> list[dict[str, Any]]:
        """Return what really happened in the simulated cloud so far."""
        with self.cloud.live.caught_up() as world:
            return list(world.record.facts)

    def broker_says(self, *words: str) -> str:
        """Run rabbitmqctl."""
        program = "/usr/lib/rabbitmq/bin/rabbitmqctl"
        environment = {**os.environ, **self.broker.daemon().environment}
        done = subprocess.run(
            (program, "--quiet", "-n", "ha-broker@localhost", *words),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"rabbitmqctl {words[0]}: {done.stderr}"
        return done.stdout


def plain_session() -> requests.Session:
    """Return a session that asks no proxy: nothing of this leaves the machine."""
    session = requests.Session()
    session.trust_env = False
    return session


def _world() -> World:
    """Build the simulated cloud: its Nova reports every 2 s and calls a host down after 12, so that a test need not wait long."""
    timing = Timing(report_seconds=2, service_down_seconds=12, spawn_seconds=1)
    world = World(0, timing=timing, start=time.time())
    for host in HOSTS:
        world.add_host(host, vcpus=64)
    for number in range(1, INSTANCES + 1):
        world.add_server(VICTIM, name=f"vm{number}")
    return world
