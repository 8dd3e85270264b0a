"""Both APIs on loopback with all that they need: MariaDB, RabbitMQ, memcached, a simulated Keystone, and somebody who hears the broker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import requests

from bench import api_rows as rows
from bench.machine import commit
from tests.cloud.rig import brokers, controlplane, layout
from tests.cloud.rig.databases import DatabaseServer
from tests.cloud.rig.ports import free_block
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, Settings
from tests.cloud.rig.waiting import tcp_port_answers, until
from tests.differential import environment
from tests.sql.servers import free_port
from vmha import __version__
from vmha.sim.keystone import PASSWORD, USERS, Keystone
from vmha.sim.served import ServedWorld
from vmha.sim.world import World

OURS, UPSTREAM = "ours", "upstream"
FEW, MANY = "few", "many"
HERE = Path(__file__).resolve().parent
START_SECONDS = 60.0
BUFFER_POOL = "512M"
CHARSET = "utf8mb3"
"""What upstream's deployers create its database with."""
PORT_NAMES = ("ha-database", "ha-broker", "ha-broker-cluster", "epmd", "memcached")
SERVICES = {
    "cinder": "volumev3",
    "glance": "image",
    "heat": "orchestration",
    "heat-cfn": "cloudformation",
    "neutron": "network",
    "octavia": "load-balancer",
    "barbican": "key-manager",
    "designate": "dns",
    "swift": "object-store",
    "masakari": "instance-ha",
}
"""What the catalog of a token lists beside Keystone, Nova and Placement: keystonemiddleware reads all of it at each request."""
UWSGI = (
    "--http-socket",
    "{address}:{port}",
    "--master",
    "--processes",
    "1",
    "--lazy-apps",
    "--need-app",
    "--enable-threads",
    "--thunder-lock",
    "--die-on-term",
    "--disable-logging",
    "--buffer-size",
    "65535",
    "--module",
    "masakari.wsgi.api:application",
)
CONFIG = """
[DEFAULT]
transport_url = {broker}
masakari_api_listen = {address}
masakari_api_listen_port = {port}
masakari_api_workers = 1
notification_delay_max = 0
log_file = {folder}/api.log
os_privileged_user_name = masakari
os_privileged_user_password = {password}
os_privileged_user_tenant = service
os_privileged_user_auth_url = {keystone}
os_user_domain_name = Default
os_project_domain_name = Default
os_region_name = RegionOne

[wsgi]
api_paste_config = {folder}/api-paste.ini

[database]
connection = {database}

[taskflow]
connection = {database}

[keystone_authtoken]
auth_type = password
auth_url = {keystone}
www_authenticate_uri = {keystone}
username = masakari
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
service_token_roles_required = true
memcached_servers = {memcached}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two APIs on one of its databases."""

    name: str
    port: int
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """All that runs. `sides` is by side and number of rows."""

    settings: Settings
    database: DatabaseServer
    keystone: str
    sides: dict[tuple[str, str], Side]

    @property
    def pid_files(self) -> Path:
        """Return the folder that names every process of the measurement."""
        return self.settings.data / "run"

    def token(self) -> str:
        """Log in as an administrator."""
        identity = {"user": {"name": "admin", "password": PASSWORD, "domain": {"name": "Default"}}}
        scope = {"project": {"name": USERS["admin"].project, "domain": {"name": "Default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": identity}, "scope": scope}}
        answer = requests.post(f"{self.keystone}/auth/tokens", json=body, timeout=10)
        answer.raise_for_status()
        return answer.headers["X-Subject-Token"]


class LargeKeystone(Keystone):
    """The simulated Keystone with the catalog of a whole cloud."""

    def _catalog(self, url: str) -> list[dict[str, Any]]:
        catalog = super()._catalog(url)
        for number, (name, kind) in enumerate(SERVICES.items()):
            endpoints = [
                {
                    **each,
                    "id": each["id"] + kind,
                    "url": f"http://controller.example.org:{9000 + number}/v1/$(project_id)s",
                }
                for each in catalog[0]["endpoints"]
            ]
            catalog.append({"id": f"service-{kind}", "name": name, "type": kind, "endpoints": endpoints})
        return catalog


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run everything until the end of the block."""
    settings = Settings(data=folder, first_port=free_block(PORT_NAMES))
    with ExitStack() as stack:
        database = _database(settings, stack)
        _run(settings, stack, "memcached", controlplane.memcached(settings))
        broker = brokers.ha_broker(settings)
        brokers.start_port_mapper(settings)
        stack.callback(brokers.port_mapper(settings).stop)
        broker.start()
        stack.callback(broker.daemon().stop)
        world = World(start=time.time())
        cloud = stack.enter_context(ServedWorld(world, with_bmcs=False, keystone=LargeKeystone(world)))
        running = Servers(
            settings=settings,
            database=database,
            keystone=f"{cloud.url}/identity/v3",
            sides={},
        )
        for name in (UPSTREAM, OURS):
            for size in (FEW, MANY):
                running.sides[name, size] = _start_side(running, stack, name, size)
        yield running


def _database(settings: Settings, stack: ExitStack) -> DatabaseServer:
    names = tuple(f"{side}_{size}" for side in (OURS, UPSTREAM) for size in (FEW, MANY))
    server = DatabaseServer(settings, "ha-database", names, BUFFER_POOL, durable=True, charset=CHARSET)
    stack.callback(lambda: server.daemon().stop())
    server.start()
    return server


def _start_side(running: Servers, stack: ExitStack, name: str, size: str) -> Side:
    """Make a side's tables and rows, and run its API on them."""
    side = Side(name=name, port=free_port(), database=f"{name}_{size}")
    folder = running.settings.data / side.database
    config = _configure(running, side, folder)
    manage, api, ears = _commands(side, config)
    found = {"OS_MASAKARI_CONFIG_DIR": str(folder), "HOME": str(folder)}
    environment.run([*manage, "db", "sync"], {"PATH": os.environ["PATH"], **found})
    running.database.sql(rows.fill(side.database, notifications=rows.OLD if size == MANY else 0))
    daemon = layout.daemon(running.settings, side.database, api, found)
    _run(running.settings, stack, side.port, daemon)
    if size == FEW:
        _listen(running.settings, stack, layout.daemon(running.settings, f"{name}-ears", ears, found))
    return side


def _configure(running: Servers, side: Side, folder: Path) -> Path:
    """Write the same masakari.conf for each, but for the port and the name of the database."""
    folder.mkdir(parents=True)
    (folder / "api-paste.ini").write_text(environment.paste_config().read_text())
    text = CONFIG.format(
        address=ADDRESS,
        port=side.port,
        broker=layout.broker_url(running.settings, "ha-broker"),
        database=f"{layout.database_url(running.settings, 'ha-database')}/{side.database}?charset=utf8",
        memcached=f"{ADDRESS}:{running.settings.port('memcached')}",
        keystone=running.keystone,
        password=PASSWORD,
        folder=folder,
    )
    return layout.write(folder / "masakari.conf", text)


def _commands(side: Side, config: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return how a side's tables are made, how its API is started, and who hears what the API says on the broker."""
    options = ("--config-file", str(config))
    if side.name == OURS:
        programs = Path(sys.executable).parent
        ears = (sys.executable, "-m", "bench.api_ears", *options)
        return (str(programs / "masakari-manage"), *options), (str(programs / "masakari-api"), *options), ears
    api = (environment.program("uwsgi"), *(word.format(address=ADDRESS, port=side.port) for word in UWSGI))
    ears = (environment.program("python"), str(HERE / "api_upstream_engine.py"), *options)
    return (environment.program("masakari-manage"), *options), api, ears


def _run(settings: Settings, stack: ExitStack, port: int | str, daemon: Daemon) -> None:
    """Run a server until the end of the stack; return when it takes connections."""
    number = settings.port(port) if isinstance(port, str) else port
    stack.callback(daemon.stop)
    daemon.start()

    def answers() -> bool:
        daemon.expect_alive()
        return tcp_port_answers(ADDRESS, number)

    until(answers, daemon.name, timeout_seconds=START_SECONDS, hint=str(daemon.log))


def _listen(settings: Settings, stack: ExitStack, daemon: Daemon) -> None:
    """Run somebody who hears the broker; return when it says that it listens."""
    stack.callback(daemon.stop)
    daemon.start()

    def listens() -> bool:
        daemon.expect_alive()
        return "listening" in daemon.log.read_text(errors="replace")

    until(listens, daemon.name, timeout_seconds=START_SECONDS, hint=str(daemon.log))


def versions(running: Servers) -> dict[str, str]:
    """Name what runs: from what is installed here, and from the pins of upstream's environment."""
    pins = dict(line.split()[0].split("==") for line in environment.PINS.read_text().splitlines() if "==" in line)
    libraries = ("keystonemiddleware", "sqlalchemy", "oslo-db", "pymysql", "python-memcached")
    return {
        "vmha": f"{__version__} at {commit()}, on cheroot {metadata.version('cheroot')} and falcon {metadata.version('falcon')}",
        "masakari": f"{environment.VERSION}, on uWSGI {pins['pyuwsgi']}",
        "Python": sys.version.split()[0],
        "libraries of ours": ", ".join(f"{name} {metadata.version(name)}" for name in libraries),
        "of upstream's": ", ".join(f"{name} {pins[name]}" for name in libraries),
        "MariaDB": running.database.sql("SELECT VERSION()").strip(),
        "RabbitMQ": _debian("rabbitmq-server"),
        "memcached": _debian("memcached"),
    }


def _debian(package: str) -> str:
    query = ("dpkg-query", "--show", "--showformat=${Version}", package)
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout
