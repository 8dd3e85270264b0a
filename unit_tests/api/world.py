"""The API on a SQLite database of its own, called in process."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import webob
from oslo_config import cfg
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from unit_tests.api import described
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database, open_reader
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app
from vmha.api.parts import ApiParts
from vmha.core.explain import Code, because
from vmha.core.returning import Returned, ReturnRefused, Wish
from vmha.errors import NovaRefused, NovaUnavailable, UnknownHost

HYPERVISORS = {"rack4-slot1.example.org": "c1", "rack4-slot11.example.org": "c2"}
HOSTS = frozenset(f"c{number}" for number in range(1, 10))


NO_DATABASE = "mysql+pymysql://nobody@127.0.0.1:1/none"
"""No server listens on port 1."""


class CountingBell:
    """A doorbell that knows how often it rang."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        """Count."""
        self.rings += 1


@dataclass
class World:
    """The API and what it was built from; `database` is the URL of an empty one, SQLite if none is given.

    `nova_trouble` makes Nova unreachable with that text, `nova_refusal` makes it refuse with a status and a text, `defect` is the text
    of a mistake of ours. Where `database_is_away` every request meets that, with `longest_value` SQLite holds no longer row.
    With `authtoken` callers need a token, and these are the options of its check. `is_taken_out` of the load balancer's hands by a file.

    `against` names reasons for which no host is let back; `returns` keeps who wanted it. A host that `is_removed_meanwhile` is gone by then.
    """

    folder: Path
    database: str | None = None
    link_prefix: str | None = None
    max_limit: int = 1000
    policy: dict[str, str] | None = None
    options: dict[str, str] = field(default_factory=dict)
    nova_trouble: str | None = None
    nova_refusal: tuple[int, str] | None = None
    is_removed_meanwhile: bool = False
    defect: str | None = None
    database_is_away: bool = False
    longest_value: int | None = None
    authtoken: dict[str, str] | None = None
    is_taken_out: bool = False
    against: tuple[str, ...] = ()
    returns: list[tuple[str, Wish, bool]] = field(default_factory=list)
    bell: CountingBell = field(default_factory=CountingBell)

    def __post_init__(self) -> None:
        """Make the database and the application."""
        url = self.database or f"sqlite:///{self.folder}/vmha.sqlite"
        self.engine = make_database(url)
        if self.longest_value is not None:
            limit_rows(self.engine, self.longest_value)
        if self.database_is_away:
            url, self.engine = NO_DATABASE, open_database(NO_DATABASE)
        self.reader = open_reader(self.engine, url)
        self.app = create_app(self.parts())

    def call(
        self,
        method: str,
        path: str,
        *,
        send: Any = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        below: str = "",
    ) -> Any:
        """Send a request and return webob's response, which must be as the API's description says.

        `below` is the part of the path that a web server took off before it passed the request on.
        """
        request = webob.Request.blank(
            path, method=method, headers=headers or {}, base_url=f"http://localhost:80{below}"
        )
        if send is not None or raw is not None:
            request.body = json.dumps(send).encode() if raw is None else raw
            request.headers.setdefault("Content-Type", "application/json")
        answer = request.get_response(self.app)
        is_json = answer.content_type == "application/json"
        body = answer.json if is_json and answer.body else answer.text
        described.check(method, path, send, answered=answer.status_int, body=body)
        return answer

    def compute_hosts(self) -> frozenset[str]:
        """Name the hosts that have a compute service."""
        if self.nova_trouble is not None:
            raise NovaUnavailable(self.nova_trouble)
        if self.nova_refusal is not None:
            raise NovaRefused(*self.nova_refusal)
        if self.defect is not None:
            raise ZeroDivisionError(self.defect)
        return HOSTS

    def hypervisors(self, part: str) -> dict[str, str]:
        """Return the hypervisors of the hosts, whose names have nothing to do with theirs."""
        if self.nova_trouble is not None:
            raise NovaUnavailable(self.nova_trouble)
        return {name: host for name, host in HYPERVISORS.items() if part in name}

    def let_back(self, host: str, wish: Wish, *, is_dry: bool = False) -> Returned:
        """Keep the wish, and do as if all was done, or refuse; or find that somebody else has just removed the host."""
        if self.is_removed_meanwhile:
            raise UnknownHost(host)
        self.returns.append((host, wish, is_dry))
        reasons = tuple(because(Code[name], host=host) for name in self.against)
        if reasons:
            raise ReturnRefused(*reasons)
        done = (because(Code.RETURNED, host=host, done="enabled"),)
        return Returned(host=host, done=done, notes=(because(Code.RETURN_NO_CENSUS, host=host),), is_dry=is_dry)

    def parts(self) -> ApiParts:
        """Return what the application is built from."""
        return ApiParts(
            engine=self.engine,
            reader=self.reader,
            config=self._config(),
            auth_strategy="noauth2" if self.authtoken is None else "keystone",
            compute_hosts=self.compute_hosts,
            hypervisors=self.hypervisors,
            task_flows=UpstreamFlows(self.engine).tasks_of,
            let_back=self.let_back,
            doorbell=self.bell,
            max_limit=self.max_limit,
            link_prefix=self.link_prefix,
            duplicate_interval_seconds=180,
            healthcheck_disabled_by=str(self._taken_out()),
        )

    def _taken_out(self) -> Path:
        """Return the file that fails the health check while it exists."""
        path = self.folder / "healthcheck_disable"
        if self.is_taken_out:
            path.touch()
        return path

    def _config(self) -> cfg.ConfigOpts:
        text = "[oslo_middleware]\n" + "".join(f"{name} = {value}\n" for name, value in self.options.items())
        if self.policy is not None:
            (self.folder / "policy.yaml").write_text(json.dumps(self.policy))
            text += f"[oslo_policy]\npolicy_file = {self.folder}/policy.yaml\n"
        if self.authtoken is not None:
            text += "[keystone_authtoken]\n" + "".join(f"{name} = {value}\n" for name, value in self.authtoken.items())
        path = self.folder / "masakari.conf"
        path.write_text(text)
        config = cfg.ConfigOpts()
        config([], project="masakari", default_config_files=[str(path)], default_config_dirs=[])
        return config


def nobody_returns(host: str, wish: Wish, *, is_dry: bool = False) -> Returned:
    """Refuse, as where there is no Nova behind the API."""
    raise ReturnRefused(because(Code.RETURN_NOVA_AWAY, host=host, detail="there is none"))


def make_database(url: str) -> Engine:
    """Open a database with all tables."""
    engine = open_database(url)
    schema.upstream.create_all(engine)
    schema.ours.create_all(engine)
    return engine


def limit_rows(engine: Engine, size: int) -> None:
    """Let SQLite refuse a row that is longer, as other databases refuse a value that is too long for its column."""

    @event.listens_for(engine, "engine_connect")
    def _limit(connection: Connection) -> None:
        connection.connection.driver_connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)  # type: ignore[union-attr]
