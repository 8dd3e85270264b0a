"""Our API on a real server and a Keystone that gives its tokens, both on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from cheroot.wsgi import Server
from openstack.connection import Connection
from oslo_config import cfg
from sqlalchemy import text

from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app
from vmha.api.parts import ApiParts
from vmha.sim.http import App, HttpServer, LiveWorld
from vmha.sim.keystone import PASSWORD, USERS, Keystone
from vmha.sim.world import World

HOSTS = frozenset({"c1", "c2", "c3"})
COMMAND_SECONDS = 60
AUTHTOKEN = """
[keystone_authtoken]
auth_url = {url}/identity/v3
www_authenticate_uri = {url}/identity/v3
auth_type = password
username = masakari
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


class HexKeystone(Keystone):
    """The simulated Keystone, with ids of projects as real ones are: the API tells projects from routes by that."""

    def _body(self, token: Any, request: Any) -> dict[str, Any]:
        body = super()._body(token, request)
        project = project_id(token.user.project)
        body["token"]["project"]["id"] = project
        for service in body["token"]["catalog"]:
            for endpoint in service["endpoints"]:
                endpoint["url"] = endpoint["url"].replace("$(project_id)s", project)
        return body


class SilentBell:
    """A doorbell that nobody hears."""

    def ring(self) -> None:
        """Do nothing."""


class Rig:
    """The two servers. `endpoint` is what the catalog says of us behind the server's address."""

    def __init__(self, folder: Path, endpoint: str, *, max_limit: int = 1000) -> None:
        self.folder = folder
        self._max_limit = max_limit
        self._server = Server(("127.0.0.1", 0), None)
        self._server.prepare()
        self.url = "http://{}:{}".format(*self._server.bind_addr[:2])
        world = World(start=time.time())
        self._live = LiveWorld(world)
        keystone = HexKeystone(world, instance_ha_url=self.url + endpoint)
        self._keystone = HttpServer(App(self._live, (keystone,)))
        self._live.start()
        self.keystone_url = self._keystone.start()
        self.engine = open_database(f"sqlite:///{folder}/vmha.sqlite")
        schema.upstream.create_all(self.engine)
        schema.ours.create_all(self.engine)
        self._server.wsgi_app = create_app(self._parts())
        self._thread = threading.Thread(target=self._server.serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give all ports back."""
        self._server.stop()
        self._thread.join()
        self._keystone.stop()
        self._live.stop()

    def connect(self, user: str = "admin", **options: Any) -> Any:
        """Return an SDK connection of a user."""
        login = {name.removeprefix("OS_").lower(): value for name, value in self._login(user).items()}
        return Connection(**{**login, **options})

    def command(self, *arguments: str, user: str = "admin") -> subprocess.CompletedProcess[str]:
        """Run `openstack` with these arguments as a user and return what it said."""
        program = Path(sys.executable).with_name("openstack")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self._login(user)}
        return subprocess.run(
            [str(program), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )

    def sql(self, statement: str) -> list[Any]:
        """Send a statement to the database."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement))
            return list(result) if result.returns_rows else []

    def _login(self, user: str) -> dict[str, str]:
        return {
            "OS_AUTH_URL": f"{self.keystone_url}/identity/v3",
            "OS_USERNAME": user,
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": USERS[user].project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne",
        }

    def _parts(self) -> ApiParts:
        path = self.folder / "masakari.conf"
        path.write_text(AUTHTOKEN.format(url=self.keystone_url, password=PASSWORD))
        config = cfg.ConfigOpts()
        config([], project="masakari", default_config_files=[str(path)], default_config_dirs=[])
        return ApiParts(
            engine=self.engine,
            config=config,
            auth_strategy="keystone",
            compute_hosts=lambda: HOSTS,
            hypervisors=lambda _: {},
            task_flows=UpstreamFlows(self.engine).tasks_of,
            doorbell=SilentBell(),
            max_limit=self._max_limit,
            link_prefix=None,
            duplicate_interval_seconds=180,
        )


def project_id(name: str) -> str:
    """Return the id of a project."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, name).hex
