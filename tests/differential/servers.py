"""Both APIs on loopback, with one simulated Keystone and Nova behind them and a SQLite database each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.differential import environment
from vmha.sim.keystone import PASSWORD, USERS, project_id
from vmha.sim.served import ServedWorld
from vmha.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
MAX_LIMIT = 10
"""What both are told to cut lists at: more than there are rows, but for those that the file of long lists adds."""
HOSTS = ("c1", "c2", "c3", "c4", "c5", "c6", "spare1", "Compute-7.example.org")
CONFIG = """
[DEFAULT]
masakari_api_listen = 127.0.0.1
masakari_api_listen_port = {port}
osapi_max_limit = {max_limit}
notification_delay_max = 0
os_privileged_user_name = masakari
os_privileged_user_password = {password}
os_privileged_user_tenant = service
os_privileged_user_auth_url = {keystone}
os_user_domain_name = Default
os_project_domain_name = Default
os_region_name = RegionOne
log_file = {folder}/api.log
{more}

[wsgi]
api_paste_config = {paste}

[database]
connection = sqlite:///{folder}/masakari.sqlite

[taskflow]
connection = sqlite:///{folder}/masakari.sqlite

[oslo_policy]
policy_file = {folder}/policy.yaml

[cors]
allowed_origin = https://horizon.example.org

[oslo_middleware]
enable_proxy_headers_parsing = true
max_request_body_size = 20000

[keystone_authtoken]
auth_type = password
auth_url = {keystone}
www_authenticate_uri = {keystone}
username = masakari
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two APIs."""

    name: str
    url: str
    database: Path
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Both of them, and a token of each user of the simulated Keystone."""

    upstream: Side
    ours: Side
    tokens: dict[str, str]
    project: str

    @property
    def sides(self) -> tuple[Side, Side]:
        """Return upstream's first."""
        return self.upstream, self.ours


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run both until the end of the context."""
    environment.install(print)
    world = World(start=time.time())
    for name in HOSTS:
        world.add_host(name)
    with ExitStack() as stack:
        cloud = stack.enter_context(ServedWorld(world, with_bmcs=False))
        keystone = f"{cloud.url}/identity/v3"
        upstream = stack.enter_context(_upstream(folder / "upstream", keystone))
        ours = stack.enter_context(_ours(folder / "ours", keystone))
        yield Servers(
            upstream=upstream,
            ours=ours,
            tokens={user: _token(keystone, user) for user in USERS},
            project=project_id("admin"),
        )


@contextmanager
def _upstream(folder: Path, keystone: str) -> Iterator[Side]:
    port = _free_port()
    paste = environment.paste_config().read_text()
    config = _configure(folder, port, keystone, more="transport_url = fake:/\nrpc_response_timeout = 5")
    (folder / "api-paste.ini").write_text(paste)
    settings = {"OS_MASAKARI_CONFIG_DIR": str(folder), "PATH": os.environ["PATH"], "HOME": str(folder)}
    manage = [environment.program("masakari-manage"), "--config-file", str(config), "db", "sync"]
    environment.run(manage, settings)
    command = [environment.program("python"), str(Path(__file__).with_name("upstream_api.py"))]
    with _running(command, folder, port, {**settings, "DIFFERENTIAL_PORT": str(port)}) as side:
        yield side


@contextmanager
def _ours(folder: Path, keystone: str) -> Iterator[Side]:
    port = _free_port()
    config = _configure(folder, port, keystone, more="")
    settings = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    programs = Path(sys.executable).parent
    environment.run([str(programs / "masakari-manage"), "--config-file", str(config), "db", "sync"], settings)
    command = [str(programs / "masakari-api"), "--config-file", str(config)]
    with _running(command, folder, port, settings) as side:
        yield side


def _configure(folder: Path, port: int, keystone: str, *, more: str) -> Path:
    """Write the same masakari.conf for both, but for `more`."""
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text("{}\n")
    path = folder / "masakari.conf"
    path.write_text(
        CONFIG.format(
            port=port,
            max_limit=MAX_LIMIT,
            password=PASSWORD,
            keystone=keystone,
            folder=folder,
            paste=folder / "api-paste.ini",
            more=more,
        )
    )
    return path


@contextmanager
def _running(command: list[str], folder: Path, port: int, settings: dict[str, str]) -> Iterator[Side]:
    side = Side(
        name=folder.name,
        url=f"http://127.0.0.1:{port}",
        database=folder / "masakari.sqlite",
        log=folder / "process.log",
    )
    with side.log.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settings, cwd=folder)
    try:
        _await(side, process)
        yield side
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(side: Side, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            requests.get(f"{side.url}/", timeout=5)
        except requests.RequestException:
            if process.poll() is not None or time.monotonic() > until:
                words = side.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{side.name} did not start:\n{words}") from None
            time.sleep(0.1)
        else:
            return


def _token(keystone: str, user: str) -> str:
    identity = {"user": {"name": user, "password": PASSWORD, "domain": {"name": "Default"}}}
    scope = {"project": {"name": USERS[user].project, "domain": {"name": "Default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": identity}, "scope": scope}}
    answer = requests.post(f"{keystone}/auth/tokens", json=body, timeout=60)
    answer.raise_for_status()
    return answer.headers["X-Subject-Token"]


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
