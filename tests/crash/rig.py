"""Engines as real processes, on MariaDB, with Nova over HTTP and BMCs over IPMI: each meets its fate at a step, another one finishes.

All at the same moment: each case has a database and a host of its own, in one simulated cloud whose record is judged in the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
from sqlalchemy import select

from tests.sql.servers import Server, make_database, wait_until
from unit_tests.adapters.db.rig import SqlRig
from unit_tests.engine.crash_rig import FIRST, SECOND
from vmha.adapters.db import schema
from vmha.sim.record import Fact, read_lines

INSTANCES = 3
SECONDS = 400.0
"""Longest wait for all cases: they need a minute, on a machine that has nothing else to do."""

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
    "engine": {"order_seconds": "5", "takeover_margin_seconds": "1", "poll_seconds": "0.5"},
}


@dataclass
class Cloud:
    """A simulated cloud in a process of its own, with two hosts for each victim and two more; the victims are c1, c2, …"""

    folder: Path
    victims: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start it and let every victim's kernel die, with its power on."""
        victims = [f"c{number}" for number in range(1, self.victims + 1)]
        self.spawn(
            "cloud",
            *("-m", "vmha.sim.cloud", "--state-dir", str(self.folder), "--hosts", str(2 * self.victims + 2)),
            *("--instances", ",".join(f"{victim}={INSTANCES}" for victim in victims)),
            *("--report-interval", "1", "--service-down-time", "5", "--spawn-seconds", "1"),
        )
        wait_until((self.folder / "cloud.json").exists, "the simulated cloud", 120)
        for victim in victims:
            body = {"fault": "host_crashes", "host": victim}
            requests.post(f"{self.description['control_url']}/faults", json=body, timeout=60).raise_for_status()

    @property
    def description(self) -> dict[str, Any]:
        """Where everything is."""
        described: dict[str, Any] = json.loads((self.folder / "cloud.json").read_text())
        return described

    def spawn(self, name: str, *arguments: str, tree: Path = ROOT) -> subprocess.Popen[bytes]:
        """Start a Python program of a tree with its output in a file."""
        with (self.folder / f"{name}.out").open("ab") as out:
            environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}"}
            command = [sys.executable, *arguments]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End every process that was started here."""
        for process in self.processes:
            process.terminate()
            process.send_signal(signal.SIGCONT)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def facts(self) -> list[Fact]:
        """Return the record so far."""
        return read_lines(self.folder / "record.jsonl")

    def configure(self, name: str, engine: str, url: str, lease_seconds: str) -> Path:
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
        groups["engine"] = {**QUICK["engine"], "lease_seconds": lease_seconds}
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
    """One step: a victim, a database, and two engines one after the other, each from a tree of its own."""

    cloud: Cloud
    step: str
    victim: str
    rig: SqlRig
    trees: tuple[Path, Path] = (ROOT, ROOT)
    notification: str = ""
    engines: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def begin(self) -> None:
        """Report the victim and start the engine that will meet its fate."""
        self.rig.clock.now = time.time()
        if self.victim not in ("c1", "c2", "c3"):
            self.rig.add_host(self.victim)
        self.notification = self.rig.report(self.victim).notification
        self.start(FIRST, self.fate, self.step)

    @property
    def lease_seconds(self) -> str:
        """Say for how long its engines own a recovery without renewing."""
        return "4"

    @property
    def fate(self) -> str:
        """Name the option of `engine_process.py`."""
        return "--die"

    def start(self, engine: str, *arguments: str) -> None:
        """Start an engine, from its tree."""
        name = f"{self.victim}-{engine}"
        conf = self.cloud.configure(name, engine, self.rig.url, self.lease_seconds)
        tree = self.trees[0 if engine == FIRST else 1]
        program = str(tree / "tests" / "crash" / "engine_process.py")
        self.engines[engine] = self.cloud.spawn(name, program, "--config-file", str(conf), *arguments, tree=tree)

    @property
    def was_killed(self) -> bool:
        """Tell whether the first engine has killed itself."""
        return self.engines[FIRST].returncode == -signal.SIGKILL

    def is_over(self) -> bool:
        """Start the other engine once the first one is dead; tell whether the recovery has ended."""
        if SECOND not in self.engines and self.engines[FIRST].poll() is not None:
            assert self.was_killed, self.last_words()
            self.start(SECOND)
        return self.rig.status(self.notification) != "running"

    def last_words(self) -> str:
        """Return what its engines said last."""
        texts = [
            path.read_text(errors="replace")[-1500:] for path in sorted(self.cloud.folder.glob(f"{self.victim}-*.out"))
        ]
        return f"{self.step} on {self.victim}:\n" + "\n---\n".join(texts)

    def see_it_recovered(self) -> None:
        """See that the recovery has ended well, with one evacuation per instance and one guest of each, elsewhere."""
        assert self.rig.status(self.notification) == "finished", self.last_words()
        facts = [fact for fact in self.cloud.facts() if fact.get("source") == self.victim]
        taken = Counter(
            fact["instance"] for fact in facts if fact["what"] == "evacuation" and fact["outcome"] == "taken"
        )
        assert sorted(taken.values()) == [1] * INSTANCES
        migrations = {fact["migration"]: fact["status"] for fact in facts if fact["what"] == "migration"}
        assert sorted(migrations.values()) == ["done"] * INSTANCES
        state = requests.get(f"{self.cloud.description['control_url']}/state", timeout=60).json()
        for uuid in taken:
            (host,) = state["instances"][uuid]["runs_on"]
            assert host == state["instances"][uuid]["nova_host"] != self.victim


class Stopped(Case):
    """A case whose first engine is stopped, and goes on once another one has taken over."""

    before: list[Fact]
    """The record when the first engine stood still."""
    given: list[dict[str, Any]]
    """What the first engine had stored of its orders when it was woken."""
    seen_at: float | None = None
    """When the first engine had signed on last before it was woken, by the database."""

    @property
    def lease_seconds(self) -> str:
        """Longer than a busy machine may stand still: here a lease runs out only where its engine was stopped."""
        return "12"

    @property
    def fate(self) -> str:
        """Name the option of `engine_process.py`."""
        return "--stop"

    def is_over(self) -> bool:
        """Start the other engine, wake the first one when that has taken over; over when both have done what they had to do."""
        if SECOND not in self.engines:
            if self._stands_still():
                self.before = self.cloud.facts()
                self.start(SECOND)
            return False
        if self.seen_at is None:
            if self._column(schema.recoveries.c.owner) == SECOND:
                self.given, self.seen_at = self.orders_of(FIRST), self._seen_at()
                self.engines[FIRST].send_signal(signal.SIGCONT)
            return False
        return self.rig.status(self.notification) != "running" and self._seen_at() > self.seen_at

    def orders_of(self, engine: str) -> list[dict[str, Any]]:
        """Read when each order of an engine was decided on and when it passed the door."""
        table = schema.effects.c
        query = select(table.uuid, table.kind, table.intended_at, table.sent_at).where(table.engine == engine)
        return self.rig.read(query.order_by(table.id))

    def _stands_still(self) -> bool:
        pid = self.engines[FIRST].pid
        found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT)
        assert found is None or found.si_code == os.CLD_STOPPED, self.last_words()
        return found is not None

    def _seen_at(self) -> float:
        return float(self._column(schema.engines.c.seen_at, schema.engines.c.name == FIRST))

    def _column(self, column: Any, *conditions: Any) -> Any:
        (row,) = self.rig.read(select(column).where(*conditions))
        return row[column.name]


C = TypeVar("C", bound=Case)


@contextmanager
def played(mariadb: Server, folder: Path, make: Sequence[Callable[[Cloud, str, SqlRig], C]]) -> Iterator[list[C]]:
    """Run cases to their ends, all at once, or as far as they come; then end all processes."""
    cloud = Cloud(folder, len(make))
    cases: list[C] = []
    try:
        cloud.start()
        for number, build in enumerate(make, start=1):
            url = make_database(mariadb, f"{folder.name.replace('-', '_')}_{number}", "CHARACTER SET utf8mb4")
            cases.append(build(cloud, f"c{number}", SqlRig(url)))
        for case in cases:
            case.begin()
        patiently(lambda: sum(not case.is_over() for case in cases) == 0)
        yield cases
    finally:
        cloud.stop()
        for case in cases:
            case.rig.close()


def patiently(is_over: Callable[[], bool]) -> None:
    """Wait until it is over, or time is; what is missing then is told by the tests."""
    limit = time.monotonic() + SECONDS
    while not is_over() and time.monotonic() < limit:
        time.sleep(0.2)
