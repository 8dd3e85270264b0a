"""A masakari.conf on SQLite, and the programs run with it: masakari-manage in this process, the others as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.engine.crash_rig import QUICK, WorldClock
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.cli.person import person
from vmha.core.incidents import ProcessPhase
from vmha.core.model import Phase
from vmha.core.plain import event_from_plain
from vmha.sim.faults import inject
from vmha.sim.rig import Rig
from vmha.sim.stage import free_port
from vmha.sim.world import Timing, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from vmha.core.events import Event

SECONDS = 120.0
"""Longest wait for a process: it needs one or two, on a machine that has nothing else to do."""


class Installed:
    """A folder with masakari.conf, fencing.yaml and the database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "masakari.conf"
        self.url = f"sqlite:///{folder / 'masakari.sqlite'}"
        self.inventory = folder / "fencing.yaml"
        self.inventory.touch(mode=0o600)
        self.port = free_port()
        self.configure()

    def configure(self, **groups: dict[str, object]) -> None:
        """Write masakari.conf: what every program needs, and what this test says beside or instead of it."""
        written: dict[str, dict[str, object]] = {
            "DEFAULT": {"host": "engine-1", "auth_strategy": "noauth2", "masakari_api_listen": "127.0.0.1"},
            "database": {"connection": self.url},
            "fencing": {"inventory": self.inventory},
            "engine": {"poll_seconds": 0.2},
            # Nobody listens there, and nothing of these tests asks.
            "keystone_authtoken": {
                "auth_type": "password",
                "auth_url": "http://127.0.0.1:1/v3",
                "username": "masakari",
                "password": "secret",
            },
        }
        written["DEFAULT"]["masakari_api_listen_port"] = self.port
        for group, values in groups.items():
            written[group] = written.get(group, {}) | values
        self.path.write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
                for group, values in written.items()
            )
        )

    def sync(self) -> None:
        """Bring the schema up."""
        engine = open_database(self.url)
        migrate.sync(engine)
        engine.dispose()

    def command(self, program: str) -> tuple[str, ...]:
        """Return the command line of one of the programs."""
        return (sys.executable, "-m", f"vmha.cli.{program}", "--config-file", str(self.path))

    def ended(self, program: str) -> tuple[int, str]:
        """Run a program that ends by itself; return its exit code and what it said on standard error."""
        done = subprocess.run(self.command(program), capture_output=True, text=True, check=False, timeout=SECONDS)
        assert done.stdout == ""
        return done.returncode, done.stderr

    @contextmanager
    def running(self, program: str) -> Iterator[Running]:
        """Run a program until the end of the block."""
        process = Running(self.command(program), self.folder / f"{program}.out")
        try:
            yield process
        finally:
            process.kill()


class Running:
    """A process and what it says."""

    def __init__(self, command: tuple[str, ...], output: Path) -> None:
        self._output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    @property
    def said(self) -> list[str]:
        """All lines so far."""
        return self._output.read_text().splitlines()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def until(self, words: str) -> None:
        """Wait until it says something."""
        until = time.monotonic() + SECONDS
        while not any(words in line for line in self.said):
            assert self.is_alive, self.said
            assert time.monotonic() < until, f"it never said {words!r}: {self.said}"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds the end took."""
        began = time.monotonic()
        self._process.send_signal(number)
        return self._process.wait(SECONDS), time.monotonic() - began

    def send(self, number: signal.Signals) -> None:
        """Send a signal and do not wait."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return self._process.wait(SECONDS)

    def kill(self) -> None:
        """End it if it still runs."""
        self._process.kill()
        self._process.wait()


class Programs:
    """The programs in this process, as far as they end by themselves."""

    def __init__(
        self, installed: Installed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._installed = installed
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def manage(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command of masakari-manage; return exit code, standard output and standard error."""
        return self.run("manage", *arguments)

    def refused(self, program: str) -> tuple[int, str]:
        """Start a program that cannot run; return its exit code and what it said on standard error."""
        code, out, err = self.run(program)
        assert out == ""
        return code, err

    def run(self, program: str, *arguments: str) -> tuple[int, str, str]:
        """Call a program's main()."""
        config = ("--config-file", str(self._installed.path))
        self._monkeypatch.setattr(sys, "argv", [f"masakari-{program}", *config, *arguments])
        try:
            code = import_module(f"vmha.cli.{program}").main()
        except SystemExit as ended:
            code = int(str(ended.code))
        said = self._capsys.readouterr()
        return code, said.out, said.err


class Cloud:
    """A simulated cloud in virtual time with an engine on the same database: c1 with three instances is dead."""

    def __init__(self, installed: Installed) -> None:
        self.world = World(3, timing=Timing(report_seconds=1.0, service_down_seconds=4.0, spawn_seconds=1.0))
        for name in ("c1", "c2", "c3"):
            self.world.add_host(name)
        for number in range(3):
            self.world.add_server("c1", name=f"web-{number}")
        clock = WorldClock()
        clock.world = self.world
        self._sql = SqlRig(installed.url, clock)
        self.world.advance(10.0)
        inject(self.world, "host_crashes", host="c1")

    def report(self) -> str:
        """Report c1 and return the uuid of its recovery."""
        return self._sql.report("c1").recovery

    def disband(self) -> None:
        """Take c1 out of its segment."""
        self._sql.disband("c1")

    def report_process(self) -> str:
        """Report that nova-compute of c1 stopped, and return the uuid of the incident."""
        return self._sql.report_process("c1").recovery

    def run(self, seconds: float = 60.0, *, believing: bool = False) -> None:
        """Let an engine work for so long, and then let it leave; `believing` with policy = detector and no BMC at all."""
        segments = frozenset({"segment"} if believing else ())
        rig = Rig(
            self.world,
            store=self._sql.store,
            policy=replace(QUICK, detector_segments=segments),
            poll_seconds=2.0,
            inventory=frozenset() if believing else None,
        )
        self.world.advance(self.world.now + seconds)
        for actor in rig.actors.values():
            if actor.engine is not None:
                actor.engine.release_all()
            actor.kill()

    def waiting(self, phase: Phase = Phase.UNPROVEN) -> str:
        """Report c1, let its recovery stand in a wait without an engine, and return its uuid."""
        return self._standing(self.report(), phase.value)

    def asking(self) -> str:
        """Report that nova-compute of c1 stopped, let the incident ask a human without an engine, and return its uuid."""
        return self._standing(self.report_process(), ProcessPhase.ASKING.value)

    def _standing(self, uuid: str, phase: str) -> str:
        table = schema.recoveries
        with transaction(self._sql.engine) as connection:
            connection.execute(update(table).where(table.c.uuid == uuid).values(phase=phase))
        return uuid

    def letters(self) -> list[Event]:
        """Read what humans said."""
        rows = self._sql.read(select(schema.inbox.c.event))
        return [event_from_plain(json.loads(row["event"])) for row in rows]

    def close(self) -> None:
        """Close the database."""
        self._sql.close()


def user() -> str:
    """Name who runs this test, as masakari-manage does."""
    return person(None)
