"""The service on the real cloud: its configuration, its processes, its clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import yaml
from openstack.connection import Connection

from tests.cloud.rig.service import ServiceSettings

WAIT_SECONDS = 120.0
"""Nothing here takes a tenth of it, but on a machine that has much other work."""

QUICK: dict[str, dict[str, str]] = {
    "recovery": {
        "witness_interval_seconds": "1",
        "heartbeat_silence_seconds": "6",
        "off_silence_seconds": "5",
        "progress_seconds": "1",
        "progress_end_seconds": "0.5",
        "nova_retry_seconds": "1",
        "verify_seconds": "5",
        "local_disk": "rebuild",
    },
    "fencing": {
        "fence_seconds": "18",
        "fence_retry_seconds": "5",
        "fence_attempts": "2",
        "unproven_read_seconds": "4",
        "power_call_seconds": "6",
    },
    "engine": {"poll_seconds": "0.5"},
}
"""This cloud's Nova reports every second and calls a host down after 15. Without a block storage service all its instances boot from
images, and there is no shared storage whose contents could be lost: hence rebuild."""


class Service:
    """masakari-api and any number of engines on the cloud's own database and broker."""

    def __init__(
        self, folder: Path, settings: ServiceSettings, *, options: dict[str, dict[str, str]] | None = None
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.options = options or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = self._connect()
        folder.mkdir(parents=True, exist_ok=True)
        self.write_inventory(settings.hosts)

    # Processes

    def start(self, *engines: str) -> None:
        """Start the API and the engines named, on a database that has the schema."""
        self._start("api", "vmha.cli.api")
        for engine in engines or ("engine-1",):
            self.start_engine(engine)
        wait_for("the API to answer", self._answers)

    def start_engine(self, name: str) -> None:
        """Start one engine."""
        self._start(name, "vmha.cli.engine")

    def kill(self, name: str) -> None:
        """Kill a process that was started here, at once."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def restart_engine(self, name: str, **options: dict[str, str]) -> None:
        """End one engine in good order and start it with other options."""
        process = self._processes.pop(name)
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0, f"{name} did not end well on SIGTERM"
        self.options = self.options | {group: self.options.get(group, {}) | values for group, values in options.items()}
        self.start_engine(name)

    def stop(self) -> None:
        """End every process that was started here."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for name, process in self._processes.items():
            try:
                process.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not end on SIGTERM within {WAIT_SECONDS:.0f} s") from None
        self._processes.clear()

    def manage(self, *arguments: str) -> str:
        """Run masakari-manage and return what it prints."""
        command = [sys.executable, "-m", "vmha.cli.manage", *self._config("manage"), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False, env=environment()
        )
        assert done.returncode == 0, f"masakari-manage {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def log(self, name: str) -> str:
        """Return what a process has logged."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _start(self, name: str, module: str) -> None:
        output = (self.folder / f"{name}.out").open("ab")
        command = [sys.executable, "-m", module, *self._config(name)]
        self._processes[name] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
        )

    # Configuration

    def write_inventory(self, hosts: tuple[str, ...]) -> None:
        """Write the fencing inventory with the BMCs of these hosts."""
        entries = {}
        for host in hosts:
            bmc = self.settings.bmcs[host]
            access = {"address": bmc.address, "port": bmc.port, "user": bmc.user, "password": bmc.password}
            entries[host] = {"ipmi": {**access, "system_guid": bmc.guid}}
        path = self.folder / "fencing.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump({"hosts": entries}))

    def _config(self, name: str) -> list[str]:
        s = self.settings
        groups: dict[str, dict[str, str]] = {
            "DEFAULT": {
                "host": name,
                "masakari_api_listen": s.address,
                "masakari_api_listen_port": str(s.port),
                "os_region_name": s.region,
                "transport_url": s.transport_url,
                "log_file": str(self.folder / f"{name}.log"),
            },
            "database": {"connection": s.database_url},
            "keystone_authtoken": {
                "auth_type": "password",
                "auth_url": s.auth_url,
                "www_authenticate_uri": s.auth_url,
                "username": s.user,
                "password": s.password,
                "project_name": s.project,
                "user_domain_name": s.user_domain,
                "project_domain_name": s.project_domain,
                "memcached_servers": s.memcached,
            },
        }
        for options in (QUICK, {"fencing": {"inventory": str(self.folder / "fencing.yaml")}}, self.options):
            for group, values in options.items():
                groups[group] = groups.get(group, {}) | values
        text = "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"
            for group, values in groups.items()
        )
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        return ["--config-file", str(path)]

    # As a client

    def _connect(self) -> Connection:
        s = self.settings
        return Connection(
            auth={
                "auth_url": s.auth_url,
                "username": "admin",
                "password": s.password,
                "project_name": "admin",
                "user_domain_name": s.user_domain,
                "project_domain_name": s.project_domain,
            },
            region_name=s.region,
        )

    def _answers(self) -> bool:
        # Where another process has the port it would answer in this one's place.
        assert self._processes["api"].poll() is None, f"the API ended: {(self.folder / 'api.out').read_text()}"
        try:
            return requests.get(f"http://{self.settings.address}:{self.settings.port}/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def make_segment(
        self, name: str, hosts: tuple[str, ...], *, method: str = "auto", reserved: tuple[str, ...] = ()
    ) -> str:
        """Create a segment with hosts through openstacksdk; return its uuid."""
        ha = self.client.instance_ha
        segment = ha.create_segment(name=name, recovery_method=method, service_type="compute")
        for host in hosts:
            ha.create_host(segment.uuid, name=host, type="COMPUTE", control_attributes="SSH", reserved=host in reserved)
        return str(segment.uuid)

    def delete_segments(self) -> None:
        """Delete every segment, so that the next test begins with none."""
        for segment in self.client.instance_ha.segments():
            self.client.instance_ha.delete_segment(segment.uuid)

    def report(self, host: str) -> str:
        """Post the notification that a host monitor would post; return its uuid."""
        payload = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}
        return self._notify("COMPUTE_HOST", host, payload)

    def report_instance(self, host: str, instance: str) -> str:
        """Post what an instance monitor would post of a guest that ended by itself; return the notification's uuid."""
        payload = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": instance}
        return self._notify("VM", host, payload)

    def report_process(self, host: str, event: str) -> str:
        """Post what a process monitor would post of nova-compute, STOPPED or STARTED; return the notification's uuid."""
        return self._notify("PROCESS", host, {"event": event, "process_name": "nova-compute"})

    def _notify(self, kind: str, host: str, payload: dict[str, str]) -> str:
        notification = self.client.instance_ha.create_notification(
            type=kind,
            hostname=host,
            generated_time=datetime.now(UTC).replace(tzinfo=None).isoformat(),
            payload=payload,
        )
        return str(notification.notification_uuid)

    def wait_for_end(self, notification: str, status: str) -> dict[str, Any]:
        """Wait until a notification has this status; return it as the API shows it, with the steps that were taken."""
        shown: dict[str, Any] = {}

        def has_ended() -> bool:
            answer = self.client.instance_ha.get(f"/notifications/{notification}", microversion="1.1")
            shown.update(answer.json()["notification"])
            return bool(shown["status"] == status)

        try:
            wait_for(f"notification {notification} to be {status}", has_ended)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {shown}\n{self.log('engine-1')[-3000:]}") from error
        return shown

    def notification(self, uuid: str) -> Any:
        """Show a notification through openstacksdk."""
        return self.client.instance_ha.get_notification(uuid)

    def vmoves(self, notification: str) -> list[Any]:
        """List a notification's vmoves through openstacksdk."""
        return list(self.client.instance_ha.vmoves(notification))

    def recovery_of(self, host: str) -> dict[str, Any]:
        """Show the youngest recovery of a host itself in full."""
        listed = self._get(f"/recoveries?kind=host&host={host}")["recoveries"]
        youngest = max(listed, key=lambda recovery: str(recovery["opened_at"]))
        shown: dict[str, Any] = self._get(f"/recoveries/{youngest['uuid']}")["recovery"]
        return shown

    def recoveries(self) -> list[dict[str, Any]]:
        """List every recovery."""
        listed: list[dict[str, Any]] = self._get("/recoveries")["recoveries"]
        return listed

    def timeline(self, recovery: str) -> list[dict[str, Any]]:
        """Show what happened in a recovery."""
        lines: list[dict[str, Any]] = self._get(f"/recoveries/{recovery}/timeline")["timeline"]
        return lines

    def act(self, recovery: str, verb: str, reason: str) -> int:
        """Answer a recovery that waits, through the API; return the status."""
        answer = self.client.instance_ha.post(f"/recoveries/{recovery}/action", json={verb: {"reason": reason}})
        return int(answer.status_code)

    def _get(self, path: str) -> Any:
        """Read something; where the database has just restarted the API says 503, once for each connection that died, and is asked again."""
        answers = []

        def has_database() -> bool:
            answers.append(self.client.instance_ha.get(path))
            return bool(answers[-1].status_code != 503)

        wait_for(f"the API to read {path}", has_database)
        assert answers[-1].status_code == 200, f"GET {path} gave {answers[-1].status_code}: {answers[-1].text}"
        return answers[-1].json()

    def wait_for_phase(self, host: str, *phases: str, timeout_seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """Wait until the recovery of a host stands in one of the phases, or has come to one of the outcomes."""
        found: dict[str, Any] = {}

        def stands() -> bool:
            found.update(self.recovery_of(host))
            return (found["outcome"] or found["phase"]) in phases

        try:
            wait_for(f"the recovery of {host} to be {' or '.join(phases)}", stands, timeout_seconds=timeout_seconds)
        except AssertionError as error:
            story = "\n".join(line["sentence"] for line in self.timeline(found["uuid"])) if found else "no recovery"
            raise AssertionError(f"{error}; so far:\n{story}\n{self.log('engine-1')[-3000:]}") from error
        return found


def wait_for(what: str, is_so: Callable[[], bool], *, timeout_seconds: float = WAIT_SECONDS) -> None:
    """Look until something is so."""
    until = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < until, f"waited {timeout_seconds:.0f} s for {what} in vain"
        time.sleep(0.2)


def environment() -> dict[str, str]:
    """Return our environment without proxies: everything here is on loopback."""
    return {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
