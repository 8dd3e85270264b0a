"""Engines as real processes, on MariaDB, with Nova over HTTP and BMCs over IPMI: each is killed at a step, another one finishes.

All at the same moment: each engine has a database and a host of its own, in one simulated cloud whose record is judged in the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sql.servers import Server, make_database, wait_until
from unit_tests.adapters.db.rig import SqlRig
from unit_tests.engine.crash_rig import FIRST, SECOND
from vmha.sim.checker import check
from vmha.sim.record import read_lines

STEPS = (
    "claim:1:after",
    "commit witnessing:2:before",
    "admit PowerOff:1:after",
    "off:1:after",
    "commit forcing_down:1:after",
    "force_down:1:after",
    "evacuate:2:after",  # between Nova's acceptance and the stored answer
    "commit ended:1:before",
)
INSTANCES = 3
SECONDS = 150.0
ROOT = Path(__file__).resolve().parents[2]

QUICK = {
    "recovery": {
        "witness_interval_seconds": "1",
        "heartbeat_silence_seconds": "8",
        "off_silence_seconds": "4",
        "progress_seconds": "1",
        "answer_settle_seconds": "2",
        "nova_retry_seconds": "1",
    },
    "fencing": {"power_call_seconds": "5", "fence_seconds": "40", "proof_valid_seconds": "20"},
    "engine": {"lease_seconds": "4", "order_seconds": "5", "takeover_margin_seconds": "1", "poll_seconds": "0.5"},
}


@dataclass
class Cloud:
    """A simulated cloud in a process of its own; the victims are c1, c2, …, and there are more hosts than victims."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start it and let every victim's kernel die, with its power on."""
        victims = [f"c{number}" for number in range(1, len(STEPS) + 1)]
        self.spawn(
            "cloud",
            *("-m", "vmha.sim.cloud", "--state-dir", str(self.folder), "--hosts", str(2 * len(STEPS) + 2)),
            *("--instances", ",".join(f"{victim}={INSTANCES}" for victim in victims)),
            *("--report-interval", "1", "--service-down-time", "5", "--spawn-seconds", "1"),
        )
        wait_until((self.folder / "cloud.json").exists, "the simulated cloud", 30)
        for victim in victims:
            body = {"fault": "host_crashes", "host": victim}
            requests.post(f"{self.description['control_url']}/faults", json=body, timeout=10).raise_for_status()

    @property
    def description(self) -> dict[str, Any]:
        """Where everything is."""
        described: dict[str, Any] = json.loads((self.folder / "cloud.json").read_text())
        return described

    def spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python program with its output in a file."""
        with (self.folder / f"{name}.out").open("ab") as out:
            environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
            command = [sys.executable, *arguments]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End every process that was started here."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def configure(self, name: str, engine: str, url: str) -> Path:
        """Write the configuration of an engine."""
        described = self.description
        groups = {
            "DEFAULT": {"host": engine, "os_region_name": described["region_name"]},
            "database": {"connection": url},
            "keystone_authtoken": {
                "auth_type": "password",
                "auth_url": described["auth_url"],
                "username": "masakari",
                "password": described["users"]["masakari"]["password"],
                "project_name": described["users"]["masakari"]["project_name"],
                "user_domain_name": described["user_domain_name"],
                "project_domain_name": described["project_domain_name"],
            },
            **QUICK,
        }
        groups["fencing"] = {**QUICK["fencing"], "inventory": str(self.folder / "fencing.yaml")}
        path = self.folder / f"{name}.conf"
        path.write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
                for group, values in groups.items()
            )
        )
        return path


@dataclass
class Case:
    """One step: a victim, a database, and the engine of the moment."""

    cloud: Cloud
    step: str
    victim: str
    rig: SqlRig
    notification: str = ""
    process: subprocess.Popen[bytes] | None = None
    was_killed: bool = False

    def begin(self) -> None:
        """Report the victim and start the engine that will die."""
        self.rig.clock.now = time.time()
        if self.victim not in ("c1", "c2", "c3"):
            self.rig.add_host(self.victim)
        self.notification = self.rig.report(self.victim).notification
        self._start(FIRST, "--die", self.step)

    def _start(self, engine: str, *arguments: str) -> None:
        name = f"{self.victim}-{engine}"
        conf = self.cloud.configure(name, engine, self.rig.url)
        program = str(Path(__file__).with_name("engine_process.py"))
        self.process = self.cloud.spawn(name, program, "--config-file", str(conf), *arguments)

    def is_over(self) -> bool:
        """Start the other engine once the first one is dead; tell whether the recovery has ended."""
        assert self.process is not None
        if not self.was_killed and self.process.poll() is not None:
            assert self.process.returncode == -signal.SIGKILL, self.last_words()
            self.was_killed = True
            self._start(SECOND)
        return self.rig.status(self.notification) != "running"

    def last_words(self) -> str:
        """Return what its engines said last."""
        texts = [
            path.read_text(errors="replace")[-1500:] for path in sorted(self.cloud.folder.glob(f"{self.victim}-*.out"))
        ]
        return f"{self.step} on {self.victim}:\n" + "\n---\n".join(texts)


@pytest.fixture(scope="module")
def cases(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """Run all cases to their ends."""
    cloud = Cloud(tmp_path_factory.mktemp("killed"))
    made: dict[str, Case] = {}
    try:
        cloud.start()
        for number, step in enumerate(STEPS, start=1):
            url = make_database(mariadb, f"killed_{number}", "CHARACTER SET utf8mb4")
            made[step] = Case(cloud, step, f"c{number}", SqlRig(url))
        for case in made.values():
            case.begin()
        patiently(lambda: sum(not case.is_over() for case in made.values()) == 0)
        yield made
    finally:
        cloud.stop()
        for case in made.values():
            case.rig.close()


def patiently(is_over: Callable[[], bool]) -> None:
    """Wait until it is over, or time is; what is missing then is told by the tests."""
    limit = time.monotonic() + SECONDS
    while not is_over() and time.monotonic() < limit:
        time.sleep(0.2)


pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("step", STEPS)
def test_another_engine_finishes(cases: dict[str, Case], step: str) -> None:
    """An engine that is killed at this step is followed by another, which ends the recovery with one evacuation per instance."""
    case = cases[step]
    assert case.was_killed, case.last_words()
    assert case.rig.status(case.notification) == "finished", case.last_words()
    facts = [fact for fact in read_lines(case.cloud.folder / "record.jsonl") if fact.get("source") == case.victim]
    taken = Counter(fact["instance"] for fact in facts if fact["what"] == "evacuation" and fact["outcome"] == "taken")
    assert sorted(taken.values()) == [1] * INSTANCES
    migrations = {fact["migration"]: fact["status"] for fact in facts if fact["what"] == "migration"}
    assert sorted(migrations.values()) == ["done"] * INSTANCES
    state = requests.get(f"{case.cloud.description['control_url']}/state", timeout=10).json()
    for uuid in taken:
        (host,) = state["instances"][uuid]["runs_on"]
        assert host == state["instances"][uuid]["nova_host"] != case.victim


def test_no_promise_was_broken(cases: dict[str, Case]) -> None:
    """The record of the whole cloud shows no broken promise, on no host."""
    record = next(iter(cases.values())).cloud.folder / "record.jsonl"
    assert [str(violation) for violation in check(read_lines(record))] == []
