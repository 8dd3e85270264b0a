"""One cloud's database: filled by a release of upstream, read through upstream's API, brought over by our `db sync`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import webob
from oslo_config import cfg
from sqlalchemy.engine import Engine

from tests.adoption import environments
from unit_tests.api.world import nobody_returns
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.api.app import create_app
from vmha.api.parts import ApiParts

Answers = dict[str, Any]
"""Path to body."""

PROGRAM = Path(__file__).with_name("upstream.py")
TASK_SECONDS = 120
CONFIGURATION = """
[DEFAULT]
auth_strategy = noauth2
transport_url = fake://
host = upstream-1
notification_delay_max = 0
wait_period_after_service_update = 0
verify_interval = 1
state_path = {folder}
[database]
connection = {url}
[taskflow]
connection = {url}
[oslo_concurrency]
lock_path = {folder}
[oslo_messaging_notifications]
driver = noop
"""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A database with upstream's programs of one release, and ours."""

    release: str
    url: str
    folder: Path

    def configure(self) -> None:
        """Write the configuration that both read."""
        (self.folder / "masakari.conf").write_text(CONFIGURATION.format(folder=self.folder, url=self.url))

    def fill(self) -> Answers:
        """Let upstream make its tables and live through some failures; return what its API then shows."""
        return self._upstreams_api("fill")

    def make_fleet(self, *hosts: str) -> Answers:
        """Let upstream make its tables and a segment of these hosts, with a past; return what its API then shows."""
        return self._upstreams_api("fleet", *hosts)

    def sync_upstream(self) -> None:
        """Run upstream's own `db sync`, as deployments do at each start."""
        self.upstream("masakari-manage", "--config-file", self.configuration, "db", "sync")

    def read(self) -> Answers:
        """Read everything through upstream's API."""
        return self._upstreams_api("read")

    def go_on(self) -> Answers:
        """Let upstream's API and engine take over again, with failures of their own; return what its API then shows."""
        return self._upstreams_api("go_on")

    def version(self) -> str:
        """Return what upstream's own `db version` prints last; earlier lines are its log."""
        return self.upstream("masakari-manage", "--config-file", self.configuration, "db", "version").splitlines()[-1]

    def upstream(self, program: str, *arguments: str) -> str:
        """Run a program of upstream's and return its standard output."""
        return run(str(environments.make(self.release) / "bin" / program), *arguments)

    def manage(self, *arguments: str) -> str:
        """Run our own masakari-manage."""
        program = Path(sys.executable).with_name("masakari-manage")
        return run(str(program), "--config-file", self.configuration, *arguments)

    @property
    def configuration(self) -> str:
        """Name the configuration file."""
        return str(self.folder / "masakari.conf")

    def _upstreams_api(self, task: str, *more: str) -> Answers:
        paste = environments.make(self.release) / "etc" / "masakari" / "api-paste.ini"
        answers: Answers = json.loads(
            self.upstream("python", str(PROGRAM), task, self.configuration, str(paste), *more)
        )
        for body in answers.values():
            tasks = body.get("notification", {}).get("recovery_workflow_details", [])
            # Upstream reads the attempts of one notification in no order at all, within each the tasks in theirs.
            tasks.sort(key=lambda task: task["progress_details"][0]["timestamp"])
        return answers


class Ours:
    """Our API on the same database, called in process."""

    def __init__(self, cloud: Cloud) -> None:
        self.engine: Engine = open_database(cloud.url)
        config = cfg.ConfigOpts()
        config([], project="masakari", default_config_files=[], default_config_dirs=[])
        parts = ApiParts(
            engine=self.engine,
            reader=self.engine,
            config=config,
            auth_strategy="noauth2",
            compute_hosts=frozenset,
            hypervisors=lambda _part: {},
            task_flows=UpstreamFlows(self.engine).tasks_of,
            let_back=nobody_returns,
            doorbell=self,
            max_limit=1000,
            link_prefix=None,
            duplicate_interval_seconds=180,
        )
        self._app = create_app(parts)

    def ring(self) -> None:
        """Wake no engine: there is none."""

    def read(self, paths: Iterable[str]) -> Answers:
        """Read what upstream's API showed under these paths; each must be there."""
        answers = {path: self.call("GET", path) for path in paths}
        assert {path: answer.status_int for path, answer in answers.items() if answer.status_int != 200} == {}
        return {path: answer.json for path, answer in answers.items()}

    def report(self, host: str) -> str:
        """Report that a host has stopped, and again; return the uuid of the one that is accepted."""
        report = {
            "type": "COMPUTE_HOST",
            "hostname": host,
            "generated_time": "2026-11-20T03:00:00",
            "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
        }
        answer, again = (self.call("POST", "/notifications", {"notification": report}) for _ in range(2))
        assert (answer.status_int, again.status_int) == (202, 409)
        return str(answer.json["notification"]["notification_uuid"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request with the newest microversion and return webob's response."""
        headers = {"OpenStack-API-Version": "instance-ha latest"}
        request = webob.Request.blank(f"/v1{path}", method=method, headers=headers)
        if body is not None:
            request.body, request.content_type = json.dumps(body).encode(), "application/json"
        return request.get_response(self._app)


def run(*command: str) -> str:
    """Run a program to its end; one that fails is an assertion with its last words."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=TASK_SECONDS, env=environment, cwd="/"
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
    return done.stdout
