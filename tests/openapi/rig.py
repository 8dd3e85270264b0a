"""The API in process, behind keystonemiddleware and a simulated Keystone, on a database that is the same before each request."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from oslo_config import cfg

from tests.clients.rig import SilentBell
from tests.openapi import rows
from unit_tests.api.world import make_database
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app
from vmha.api.parts import ApiParts
from vmha.core.explain import Code, because
from vmha.core.returning import Returned, ReturnRefused, Wish
from vmha.sim.http import App, HttpServer, LiveWorld
from vmha.sim.keystone import PASSWORD, USERS, Keystone, project_id
from vmha.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from wsgiref.types import WSGIApplication

MAX_LIMIT = 5
"""Lists are cut here, so that they have links to the rest."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The API, a token of each user of the simulated Keystone, and the id of each user's project."""

    app: WSGIApplication
    database: Database
    tokens: dict[str, str]
    projects: dict[str, str]


class Database:
    """A SQLite file that tells whether it was changed, and goes back to what it held at first."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._first = sqlite3.connect(":memory:")
        self._file.backup(self._first)
        self._seen = self._version()

    def was_changed(self) -> bool:
        """Tell whether somebody else has written since it was restored."""
        return self._version() != self._seen

    def restore(self) -> None:
        """Bring back every row."""
        self._first.backup(self._file)
        self._seen = self._version()

    def close(self) -> None:
        """Let go of the file."""
        self._first.close()
        self._file.close()

    def _version(self) -> int:
        """Return a number that changes with every commit of another connection that wrote."""
        ((version,),) = self._file.execute("PRAGMA data_version")
        return int(version)


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """Build all of it; Keystone runs until the end of the context."""
    world = World(start=time.time())
    live = LiveWorld(world)
    keystone = HttpServer(App(live, (Keystone(world),)))
    engine = make_database(f"sqlite:///{folder}/vmha.sqlite")
    rows.fill(engine)
    live.start()
    url = keystone.start()
    try:
        with closing(Database(folder / "vmha.sqlite")) as database:
            parts = ApiParts(
                engine=engine,
                reader=engine,
                config=_config(folder, url),
                auth_strategy="keystone",
                compute_hosts=lambda: frozenset(rows.HOSTS),
                hypervisors=lambda part: {name: host for name, host in rows.HYPERVISORS.items() if part in name},
                task_flows=UpstreamFlows(engine).tasks_of,
                let_back=_let_back,
                doorbell=SilentBell(),
                max_limit=MAX_LIMIT,
                link_prefix=None,
                duplicate_interval_seconds=180,
            )
            yield Rig(
                app=create_app(parts),
                database=database,
                tokens={user: _token(url, user) for user in USERS},
                projects={user: project_id(known.project) for user, known in USERS.items()},
            )
    finally:
        keystone.stop()
        live.stop()
        engine.dispose()


def _let_back(host: str, wish: Wish, *, is_dry: bool = False) -> Returned:
    """Answer in both ways, with no Nova behind it: what somebody inspected is let back."""
    if not wish.inspected:
        raise ReturnRefused(because(Code.RETURN_UNINSPECTED, host=host))
    done = (because(Code.RETURNED, host=host, done="enabled"),)
    return Returned(host=host, done=done, notes=(because(Code.RETURN_NO_CENSUS, host=host),), is_dry=is_dry)


def _config(folder: Path, keystone: str) -> cfg.ConfigOpts:
    path = folder / "masakari.conf"
    path.write_text(AUTHTOKEN.format(url=keystone, password=PASSWORD))
    config = cfg.ConfigOpts()
    config([], project="masakari", default_config_files=[str(path)], default_config_dirs=[])
    return config


def _token(keystone: str, user: str) -> str:
    domain = {"name": "Default"}
    identity = {"user": {"name": user, "password": PASSWORD, "domain": domain}}
    scope = {"project": {"name": USERS[user].project, "domain": domain}}
    body = {"auth": {"identity": {"methods": ["password"], "password": identity}, "scope": scope}}
    answer = requests.post(f"{keystone}/identity/v3/auth/tokens", json=body, timeout=60)
    answer.raise_for_status()
    return answer.headers["X-Subject-Token"]
