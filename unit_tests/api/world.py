"""The API on a SQLite database of its own, called in process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import webob
from oslo_config import cfg
from sqlalchemy.engine import Engine

from unit_tests.api import described
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app
from vmha.api.parts import ApiParts
from vmha.errors import NovaUnavailable

HYPERVISORS = {"rack4-slot1.example.org": "c1", "rack4-slot11.example.org": "c2"}
HOSTS = frozenset(f"c{number}" for number in range(1, 10))


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

    `nova_trouble` makes Nova unreachable with that text, `defect` is what asking it raises instead.
    """

    folder: Path
    database: str | None = None
    link_prefix: str | None = None
    max_limit: int = 1000
    policy: dict[str, str] | None = None
    options: dict[str, str] = field(default_factory=dict)
    nova_trouble: str | None = None
    defect: Exception | None = None
    bell: CountingBell = field(default_factory=CountingBell)

    def __post_init__(self) -> None:
        """Make the database and the application."""
        self.engine = make_database(self.database or f"sqlite:///{self.folder}/vmha.sqlite")
        self.app = create_app(self.parts())

    def call(
        self,
        method: str,
        path: str,
        *,
        send: Any = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Send a request and return webob's response, which must be as the API's description says."""
        request = webob.Request.blank(path, method=method, headers=headers or {})
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
        if self.defect is not None:
            raise self.defect
        return HOSTS

    def hypervisors(self, part: str) -> dict[str, str]:
        """Return the hypervisors of the hosts, whose names have nothing to do with theirs."""
        if self.nova_trouble is not None:
            raise NovaUnavailable(self.nova_trouble)
        return {name: host for name, host in HYPERVISORS.items() if part in name}

    def parts(self) -> ApiParts:
        """Return what the application is built from."""
        return ApiParts(
            engine=self.engine,
            config=self._config(),
            auth_strategy="noauth2",
            compute_hosts=self.compute_hosts,
            hypervisors=self.hypervisors,
            task_flows=UpstreamFlows(self.engine).tasks_of,
            doorbell=self.bell,
            max_limit=self.max_limit,
            link_prefix=self.link_prefix,
            duplicate_interval_seconds=180,
        )

    def _config(self) -> cfg.ConfigOpts:
        text = "[oslo_middleware]\n" + "".join(f"{name} = {value}\n" for name, value in self.options.items())
        if self.policy is not None:
            (self.folder / "policy.yaml").write_text(json.dumps(self.policy))
            text += f"[oslo_policy]\npolicy_file = {self.folder}/policy.yaml\n"
        path = self.folder / "masakari.conf"
        path.write_text(text)
        config = cfg.ConfigOpts()
        config([], project="masakari", default_config_files=[str(path)], default_config_dirs=[])
        return config


def make_database(url: str) -> Engine:
    """Open a database with all tables."""
    engine = open_database(url)
    schema.upstream.create_all(engine)
    schema.ours.create_all(engine)
    return engine
