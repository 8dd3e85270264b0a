"""The processes of a demo: a simulated cloud, the service on SQLite, and a client with openstacksdk."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection

from vmha.sim.faults import FAULTS
from vmha.sim.record import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vmha.sim.record import Fact

Found = TypeVar("Found")

START_SECONDS = 90.0
"""Longest wait for a process to be ready, on a machine that is busy with other things."""

EVENT_SECONDS = 120.0
"""Longest wait for something that a demo is about to happen."""

LEAVE_SECONDS = 60.0
"""Longest wait for a process to end after SIGTERM: an engine lets the orders that are under way end first."""

Option = tuple[str, str, str]
"""A line of masakari.conf: group, name, value."""

QUICK = {
    "recovery": {
        "witness_interval_seconds": "1",
        "heartbeat_silence_seconds": "7",
        "off_silence_seconds": "5",
        "progress_seconds": "1",
        "answer_settle_seconds": "2",
        "nova_retry_seconds": "1",
    },
    "fencing": {
        "power_call_seconds": "3",
        "fence_seconds": "9",
        "fence_retry_seconds": "4",
        "fence_attempts": "2",
        "proof_refresh_seconds": "2",
        "proof_valid_seconds": "8",
        "unproven_read_seconds": "2",
    },
    "engine": {"lease_seconds": "4", "order_seconds": "5", "takeover_margin_seconds": "1", "poll_seconds": "0.3"},
}
"""Times shorter than the defaults, in proportion to the simulated Nova's: it reports every 2 s instead of 10."""


class StageError(Exception):
    """A process of the demo did not start or did not answer; the text says which, and its last lines."""


class Stage:
    """Starts and ends everything, breaks the cloud, and looks at it from outside."""

    def __init__(
        self,
        folder: Path,
        *,
        say: Callable[[str], None],
        hosts: int,
        engines: int = 1,
        options: Iterable[Option] = (),
    ) -> None:
        self.folder = folder
        self.say = say
        self.hosts = [f"c{number}" for number in range(1, hosts + 1)]
        self.engines = [f"engine-{number}" for number in range(1, engines + 1)]
        self.cloud: dict[str, Any] = {}
        self.woken_at: dict[str, int] = {}
        self._options = tuple(options)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._port = free_port()
        self._client: Connection | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def record(self) -> Path:
        """Where the simulated cloud writes what really happens."""
        return self.folder / "record.jsonl"

    @property
    def database(self) -> Path:
        """Where the service keeps its memory."""
        return self.folder / "masakari.sqlite"

    # Set up and tear down

    def set_up(self, instances: str) -> None:
        """Start the cloud and the service, and let a client make a segment with all hosts."""
        self.start_cloud(instances)
        self.start_service()
        self.make_segment()

    def start_cloud(self, instances: str) -> None:
        """Start the simulated cloud, with instances as `vmha.sim.cloud` has them."""
        self.say(
            f"starting a SIMULATED cloud of {len(self.hosts) - 1} hosts and a spare, over HTTP and IPMI on loopback"
        )
        arguments = ["--hosts", str(len(self.hosts)), "--instances", instances, "--state-dir", str(self.folder)]
        arguments += ["--report-interval", "2", "--service-down-time", "12", "--spawn-seconds", "2"]
        self._start("cloud", "vmha.sim.cloud", *arguments, "--instance-ha-url", f"{self.url}/v1")
        self._await("cloud", lambda: (self.folder / "cloud.json").exists())
        self.cloud = json.loads((self.folder / "cloud.json").read_text())

    def stop_waiting(self) -> None:
        """Let nobody wait for anything any more."""
        self._stopping.set()

    def tear_down(self) -> None:
        """End what was started here, gently first."""
        self.stop_waiting()
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def _api_process(self) -> str:
        return self.engines[0] if len(self.engines) == 1 else "api"

    def start_service(self) -> None:
        """Start masakari-standalone, or where there are several engines an API and each of them."""
        if len(self.engines) == 1:
            self.say("starting masakari-standalone: API and engine on SQLite")
            self._start(self.engines[0], "vmha.cli.standalone", *self.configure(self.engines[0]))
        else:
            self.say(f"starting masakari-api and {len(self.engines)} engines on one SQLite database")
            manage = [sys.executable, "-m", "vmha.cli.manage", *self.configure("manage"), "db", "sync"]
            done = subprocess.run(manage, check=False, timeout=START_SECONDS, capture_output=True, env=_environment())
            if done.returncode != 0:
                raise StageError(f"masakari-manage db sync failed: {done.stderr.decode(errors='replace')}")
            self._start("api", "vmha.cli.api", *self.configure("api"))
            for engine in self.engines:
                self._start(engine, "vmha.cli.engine", *self.configure(engine))
        self._await(self._api_process, self._answers)

    def configure(self, name: str) -> list[str]:
        """Write a masakari.conf for one process; return the words that name it."""
        cloud = self.cloud
        groups: dict[str, dict[str, str]] = {
            "DEFAULT": {
                "host": name,
                "masakari_api_listen": "127.0.0.1",
                "masakari_api_listen_port": str(self._port),
                "os_region_name": cloud["region_name"],
                "log_file": str(self.folder / f"{name}.log"),
            },
            "database": {"connection": f"sqlite:///{self.database}"},
            "keystone_authtoken": {
                "auth_type": "password",
                "auth_url": cloud["auth_url"],
                "www_authenticate_uri": cloud["auth_url"],
                "username": "masakari",
                "password": cloud["users"]["masakari"]["password"],
                "project_name": cloud["users"]["masakari"]["project_name"],
                "user_domain_name": cloud["user_domain_name"],
                "project_domain_name": cloud["project_domain_name"],
            },
            **{group: dict(values) for group, values in QUICK.items()},
        }
        groups["fencing"]["inventory"] = str(self.folder / "fencing.yaml")
        for group, key, value in self._options:
            groups.setdefault(group, {})[key] = value
        text = "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"
            for group, values in groups.items()
        )
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        return ["--config-file", str(path)]

    def _start(self, name: str, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        with (self.folder / f"{name}.out").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder, env=_environment()
            )

    def _await(self, name: str, is_ready: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not is_ready():
            if self._processes[name].poll() is not None or time.monotonic() > until:
                raise StageError(f"{name} did not start: {self._last_words(name)}")
            time.sleep(0.1)

    def _last_words(self, name: str) -> str:
        lines = []
        for path in (self.folder / f"{name}.out", self.folder / f"{name}.log"):
            if path.exists():
                lines += path.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(lines) or "it said nothing"

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def make_segment(self) -> None:
        """Let a client make a segment with all hosts."""
        self.say(f"a client (openstacksdk) makes a segment with hosts {', '.join(self.hosts)}")
        client = self.client()
        segment = client.create_segment(name="demo", recovery_method="auto", service_type="compute")
        for host in self.hosts:
            client.create_host(segment.uuid, name=host, type="COMPUTE", control_attributes="SSH")

    def client(self) -> Any:
        """Return openstacksdk's proxy of our API, for the cloud's administrator."""
        names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
        if self._client is None:
            auth = {name: self.cloud[name] for name in names}
            self._client = Connection(auth=auth, region_name=self.cloud["region_name"])
        return self._client.instance_ha

    # What befalls the cloud and the service

    def inject(self, fault: str, **arguments: str | float) -> None:
        """Break something in the simulated cloud."""
        given = " ".join(str(value) for value in arguments.values())
        self.say(f"in the simulated cloud: {fault} {given} ({FAULTS[fault].words})")
        self._control("faults", {"fault": fault, **arguments})

    def report(self, host: str) -> None:
        """Post the notification that a host monitor would post."""
        self.client().create_notification(
            type="COMPUTE_HOST",
            hostname=host,
            generated_time=datetime.now(UTC).replace(tzinfo=None).isoformat(),
            payload={"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
        )
        self.say(f"a monitor's notification is posted: {host} STOPPED")

    def pause(self, engine: str) -> int:
        """Stop an engine as a machine that swaps would, and return how many orders it has in hand, stored but not sent.

        It is stopped while nobody writes: SQLite has one writer at a time, and one that stands still would hold up all others.
        """
        in_hand = "SELECT count(*) FROM effects WHERE engine = ? AND kind = 'Evacuate' AND sent_at IS NULL"
        with closing(sqlite3.connect(self.database, timeout=START_SECONDS, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            process = self._processes[engine]
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            count: int = database.execute(in_hand, (engine,)).fetchone()[0]
            database.execute("ROLLBACK")
        return count

    def wake(self, engine: str) -> None:
        """Let a stopped engine go on, and remember how much of the record was written by then."""
        self.woken_at[engine] = len(read_lines(self.record))
        self._processes[engine].send_signal(signal.SIGCONT)

    def kill(self, engine: str) -> None:
        """Kill an engine."""
        self._processes[engine].kill()

    def terminate(self, name: str) -> int:
        """Ask a process to end; return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            return process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise StageError(f"{name} did not end on SIGTERM: {self._last_words(name)}") from error

    def wait(self, seconds: float, _what_for: str) -> None:
        """Let time pass, and notice a process that died by itself."""
        self._stopping.wait(seconds)
        for name, process in self._processes.items():
            if process.poll() not in (None, -signal.SIGKILL):
                raise StageError(f"{name} ended with {process.returncode}: {self._last_words(name)}")

    def wait_for_order(self, what: str, *, other_than: str | None = None) -> Fact:
        """Wait until the cloud has taken an order of a kind, from another engine than the one named."""

        def taken() -> Fact | None:
            for fact in read_lines(self.record):
                if fact["what"] == what and fact["outcome"] == "taken" and fact["caller"] != other_than:
                    return fact
            return None

        return self._found(f"order of {what}", taken, every_seconds=0.02)

    def wait_for_take_over(self, former: str) -> str:
        """Wait until another engine has taken a recovery over, tell the cloud's record so, and return its name."""

        def taken_over() -> tuple[str, str] | None:
            for recovery in self.recoveries():
                for line in self.timeline(recovery["uuid"]):
                    if line["code"] == "TAKEN_OVER" and line["facts"]["before"] == former:
                        return recovery["host"], line["engine"]
            return None

        host, engine = self._found("engine took over", taken_over, every_seconds=0.1)
        self._control("claims", {"host": host, "engine": engine})
        return engine

    def _found(self, what: str, look: Callable[[], Found | None], *, every_seconds: float) -> Found:
        until = time.monotonic() + EVENT_SECONDS
        while time.monotonic() < until and not self._stopping.is_set():
            found = look()
            if found is not None:
                return found
            self.wait(every_seconds, what)
        raise StageError(f"no {what} within {EVENT_SECONDS:.0f} s: {self._last_words(self.engines[-1])}")

    def _control(self, path: str, body: dict[str, Any]) -> None:
        requests.post(f"{self.cloud['control_url']}/{path}", json=body, timeout=10).raise_for_status()

    # What is to be seen

    def recoveries(self) -> list[dict[str, Any]]:
        """List the recoveries, by host."""
        listed: list[dict[str, Any]] = self._get("/recoveries")["recoveries"]
        return sorted(listed, key=lambda recovery: str(recovery["host"]))

    def recovery(self, uuid: str) -> dict[str, Any]:
        """Show one recovery with its moves and proofs."""
        shown: dict[str, Any] = self._get(f"/recoveries/{uuid}")["recovery"]
        return shown

    def timeline(self, uuid: str) -> list[dict[str, Any]]:
        """Show what happened in one recovery."""
        lines: list[dict[str, Any]] = self._get(f"/recoveries/{uuid}/timeline")["timeline"]
        return lines

    def _get(self, path: str) -> Any:
        try:
            answer = self.client().get(path)
        except ClientException as error:
            raise StageError(f"GET {path}: {error}: {self._last_words(self._api_process)}") from error
        if answer.status_code != 200:
            raise StageError(f"GET {path} gave {answer.status_code}: {answer.text}")
        return answer.json()


def _environment() -> dict[str, str]:
    """Return our environment without proxies: everything here is on loopback."""
    return {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}


def free_port() -> int:
    """Choose a port below those that the system gives out by itself: the simulated cloud, of this demo or another, asks for such ones."""
    ports = random.sample(range(20_000, 30_000), 100)
    return next(port for port in ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
