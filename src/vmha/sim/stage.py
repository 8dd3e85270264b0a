"""The processes of a demo: a simulated cloud, the service on SQLite, and a client with openstacksdk."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests
from openstack.connection import Connection

from vmha.sim.record import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmha.sim.record import Fact

START_SECONDS = 40.0
"""Longest wait for a process to be ready, on a machine that is busy with other things."""

QUICK = {
    "recovery": {
        "witness_interval_seconds": "1",
        "heartbeat_silence_seconds": "7",
        "off_silence_seconds": "3",
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
        self, folder: Path, *, say: Callable[[str], None], hosts: int, engines: int, options: dict[str, str]
    ) -> None:
        self.folder = folder
        self.say = say
        self.hosts = [f"c{number}" for number in range(1, hosts + 1)]
        self.engines = [f"engine-{number}" for number in range(1, engines + 1)]
        self._options = options
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._cloud: dict[str, Any] = {}
        self._port = _free_port()
        self._client: Connection | None = None
        self._stopping = threading.Event()

    @property
    def record(self) -> Path:
        """Where the simulated cloud writes what really happens."""
        return self.folder / "record.jsonl"

    # Set up and tear down

    def set_up(self, instances: str) -> None:
        """Start the cloud and the service, and let a client make a segment with all hosts."""
        self.say(f"starting a SIMULATED cloud of {len(self.hosts)} hosts, over HTTP and IPMI on loopback")
        arguments = ["--hosts", str(len(self.hosts)), "--instances", instances, "--state-dir", str(self.folder)]
        arguments += ["--report-interval", "2", "--service-down-time", "12", "--spawn-seconds", "2"]
        url = f"http://127.0.0.1:{self._port}/v1"
        self._start("cloud", "vmha.sim.cloud", *arguments, "--instance-ha-url", url)
        self._await("cloud", lambda: (self.folder / "cloud.json").exists())
        self._cloud = json.loads((self.folder / "cloud.json").read_text())
        self._start_service()
        self._await(self._api_process, self._answers)
        self._make_segment()

    def tear_down(self) -> None:
        """End what was started here, gently first."""
        self._stopping.set()
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

    def _start_service(self) -> None:
        if len(self.engines) == 1:
            self.say("starting masakari-standalone: API and engine on SQLite")
            self._start(self.engines[0], "vmha.cli.standalone", *self._config(self.engines[0]))
            return
        self.say(f"starting masakari-api and {len(self.engines)} engines on one SQLite database")
        manage = [sys.executable, "-m", "vmha.cli.manage", *self._config("manage"), "db", "sync"]
        subprocess.run(manage, check=True, timeout=START_SECONDS)
        self._start("api", "vmha.cli.api", *self._config("api"))
        for engine in self.engines:
            self._start(engine, "vmha.cli.engine", *self._config(engine))

    def _config(self, name: str) -> list[str]:
        """Write a masakari.conf for one process."""
        cloud, policy = self._cloud, self._options
        groups: dict[str, dict[str, str]] = {
            "DEFAULT": {
                "host": name,
                "masakari_api_listen": "127.0.0.1",
                "masakari_api_listen_port": str(self._port),
                "os_region_name": cloud["region_name"],
                "log_file": str(self.folder / f"{name}.log"),
            },
            "database": {"connection": f"sqlite:///{self.folder / 'masakari.sqlite'}"},
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
            **QUICK,
        }
        groups["fencing"] = {**QUICK["fencing"], "inventory": str(self.folder / "fencing.yaml")}
        groups["recovery"] = {**QUICK["recovery"], **policy}
        text = "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"
            for group, values in groups.items()
        )
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        return ["--config-file", str(path)]

    def _start(self, name: str, module: str, *arguments: str) -> None:
        output = (self.folder / f"{name}.out").open("wb")
        command = [sys.executable, "-m", module, *arguments]
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
            return requests.get(f"http://127.0.0.1:{self._port}/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def _make_segment(self) -> None:
        cloud = self._cloud
        self._client = Connection(
            auth={
                "auth_url": cloud["auth_url"],
                "username": cloud["username"],
                "password": cloud["password"],
                "project_name": cloud["project_name"],
                "user_domain_name": cloud["user_domain_name"],
                "project_domain_name": cloud["project_domain_name"],
            },
            region_name=cloud["region_name"],
        )
        self.say(f"a client (openstacksdk) makes a segment with hosts {', '.join(self.hosts)}")
        segment = self._client.instance_ha.create_segment(name="demo", recovery_method="auto", service_type="compute")
        for host in self.hosts:
            self._client.instance_ha.create_host(segment.uuid, name=host, type="COMPUTE", control_attributes="SSH")

    # What befalls the cloud and the service

    def inject(self, fault: str, **arguments: str | float) -> None:
        """Break something in the simulated cloud."""
        self.say(f"in the simulated cloud: {fault} {' '.join(str(value) for value in arguments.values())}")
        body: dict[str, str | float] = {"fault": fault, **arguments}
        requests.post(f"{self._cloud['control_url']}/faults", json=body, timeout=10).raise_for_status()

    def report(self, host: str) -> None:
        """Post the notification that a host monitor would post."""
        if self._client is None:
            raise StageError("there is no client before set-up")
        self._client.instance_ha.create_notification(
            type="COMPUTE_HOST",
            hostname=host,
            generated_time=datetime.now(UTC).replace(tzinfo=None).isoformat(),
            payload={"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
        )
        self.say(f"a monitor's notification is posted: {host} STOPPED")

    def pause(self, engine: str) -> None:
        """Stop an engine as a machine that swaps would."""
        self._processes[engine].send_signal(signal.SIGSTOP)

    def wake(self, engine: str) -> None:
        """Let a stopped engine go on."""
        self._processes[engine].send_signal(signal.SIGCONT)

    def kill(self, engine: str) -> None:
        """Kill an engine."""
        self._processes[engine].kill()

    def wait(self, seconds: float, _what_for: str) -> None:
        """Let time pass, and notice a process that died by itself."""
        self._stopping.wait(seconds)
        for name, process in self._processes.items():
            if process.poll() not in (None, -signal.SIGKILL):
                raise StageError(f"{name} ended with {process.returncode}: {self._last_words(name)}")

    def wait_for_order(self, what: str, *, other_than: str | None = None) -> Fact:
        """Wait until the cloud has taken an order of a kind, from another engine than the one named."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            for fact in read_lines(self.record):
                if fact["what"] == what and fact["outcome"] == "taken" and fact["caller"] != other_than:
                    return fact
            self.wait(0.2, "an order")
        raise StageError(f"no {what} was ordered within {START_SECONDS:.0f} s: {self._last_words(self.engines[-1])}")

    # What is to be seen

    def follow_in_background(self, show: Callable[[str, list[dict[str, Any]]], None]) -> None:
        """Show the timelines from a thread of its own while the demo does something else."""

        def follow() -> None:
            while not self._stopping.wait(0.3):
                try:
                    for recovery in self.recoveries():
                        show(recovery["host"], self.timeline(recovery["uuid"]))
                except (requests.RequestException, StageError):
                    return

        threading.Thread(target=follow, name="view", daemon=True).start()

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
        if self._client is None:
            raise StageError("there is no client before set-up")
        answer = self._client.instance_ha.get(path)
        if answer.status_code != 200:
            raise StageError(f"GET {path} gave {answer.status_code}: {answer.text}")
        return answer.json()

    def guests(self, facts: list[Fact], source: str) -> dict[str, list[str]]:
        """Return where each instance that ran on `source` at first runs at the end of the record."""
        homes: dict[str, str] = {}
        running: dict[str, list[str]] = {}
        for fact in facts:
            if fact["what"] == "server" and fact["why"] == "created":
                homes[fact["instance"]] = fact["host"]
            if fact["what"] == "guest":
                hosts = running.setdefault(fact["instance"], [])
                if fact["runs"]:
                    hosts.append(fact["host"])
                else:
                    hosts.remove(fact["host"])
        return {instance: running.get(instance, []) for instance, home in homes.items() if home == source}


def _environment() -> dict[str, str]:
    """Return our environment without proxies: everything here is on loopback."""
    return {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
