"""Our API on a real server, the Keystone that gives its tokens, and both clients, on loopback."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cheroot.wsgi import PathInfoDispatcher, Server
from openstack.connection import Connection
from oslo_config import cfg
from sqlalchemy import text

from tests.clients.commands import Commands, Finished
from tests.clients.keystone import ALIAS, RealKeystone
from tests.clients.used import Used, Watched
from tests.cloud.rig.settings import REGION
from unit_tests.api.world import nobody_returns
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app
from vmha.api.parts import ApiParts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOSTS = frozenset({"c1", "c2", "c3", "c4"})


class SilentBell:
    """A doorbell that nobody hears."""

    def ring(self) -> None:
        """Do nothing."""


class Stage:
    """What all tests share: Keystone, a server at one address for the API of whichever test runs, and what was used so far.

    `asked_below` has the paths, "" or the alias, below which the API was called.
    """

    def __init__(self, folder: Path) -> None:
        """Put its data below a folder."""
        self.keystone = RealKeystone(folder / "keystone")
        self.used = Used()
        self.app: WSGIApplication | None = None
        self.asked_below: set[str] = set()
        self._server = Server(("127.0.0.1", 0), PathInfoDispatcher({"/": self._ask, ALIAS: self._ask}))
        self._server.prepare()
        self.url = "http://{}:{}".format(*self._server.bind_addr[:2])
        self._thread = threading.Thread(target=self._server.serve, daemon=True)

    def start(self) -> None:
        """Return when both servers answer."""
        self._thread.start()
        self.keystone.start(self.url)

    def stop(self) -> None:
        """Give all ports back."""
        self.keystone.stop()
        self._server.stop()
        self._thread.join()

    def _ask(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert self.app is not None, "no test has an API now"
        self.asked_below.add(environ["SCRIPT_NAME"])
        return self.app(environ, start_response)


class Rig:
    """The API of one test on an empty database of its own, and how users call it."""

    def __init__(self, stage: Stage, folder: Path, *, max_limit: int = 1000, authtoken: str = "") -> None:
        self.folder = folder
        self.keystone, self.url = stage.keystone, stage.url
        self._max_limit = max_limit
        self._used = stage.used
        self.engine = open_database(f"sqlite:///{folder}/vmha.sqlite")
        schema.upstream.create_all(self.engine)
        schema.ours.create_all(self.engine)
        stage.asked_below.clear()
        stage.app = create_app(self._parts(authtoken or stage.keystone.authtoken()))

    def connect(self, user: str = "admin", region: str = REGION, **options: Any) -> Connection:
        """Return openstacksdk's connection of a user."""
        login = self.keystone.login(user, region).items()
        return Connection(**{**{name.removeprefix("OS_").lower(): value for name, value in login}, **options})

    def ha(self, user: str = "admin", region: str = REGION, **options: Any) -> Any:
        """Return openstacksdk's proxy of our API, watched."""
        return Watched(self.connect(user, region, **options).instance_ha, self._used)

    def token(self, user: str = "admin") -> str:
        """Return a token of a user."""
        token: str = self.connect(user).auth_token
        return token

    def command(
        self, commands: Commands, *arguments: str, user: str = "admin", region: str = REGION, **environment: str
    ) -> Finished:
        """Run `openstack` with these arguments as a user and return what it said."""
        return commands.run(arguments, self.keystone.login(user, region) | environment)

    def sql(self, statement: str) -> list[Any]:
        """Send a statement to the database."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement))
            return list(result) if result.returns_rows else []

    def stop(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def _parts(self, authtoken: str) -> ApiParts:
        path = self.folder / "masakari.conf"
        path.write_text(authtoken)
        config = cfg.ConfigOpts()
        config([], project="masakari", default_config_files=[str(path)], default_config_dirs=[])
        return ApiParts(
            engine=self.engine,
            reader=self.engine,
            config=config,
            auth_strategy="keystone",
            compute_hosts=lambda: HOSTS,
            hypervisors=lambda _: {},
            task_flows=UpstreamFlows(self.engine).tasks_of,
            let_back=nobody_returns,
            doorbell=SilentBell(),
            max_limit=self._max_limit,
            link_prefix=None,
            duplicate_interval_seconds=180,
        )
