"""A machine in a temporary folder: commands are recorded and answered by a small model of apt, systemd, pip and the service.

It is the runner of a real `Machine`. What it says it does, it does to the folder: pip leaves programs, useradd an account.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from masakari_charm.workload.machine import Answer, Command, Machine

READINGS = ("dpkg-query", "systemctl is-active", "systemctl is-enabled", "python3 -I")
PROGRAMS = ("masakari-api", "masakari-engine", "masakari-manage")
BROKEN = "b!r!o!k!e!n"
WHEELS = "/var/lib/juju/charm/wheels"


class Died(Exception):
    """The hook was killed at this command."""


@dataclass
class FakeSystem:
    """What the commands act on. `dies_at` kills the caller before its nth command that changes something."""

    root: Path
    users: set[str] = field(default_factory=lambda: {"root"})
    packages: set[str] = field(default_factory=set)
    known_units: set[str] = field(default_factory=lambda: {"masakari-api", "masakari-engine", "haproxy"})
    active: set[str] = field(default_factory=set)
    enabled: set[str] = field(default_factory=set)
    masked: set[str] = field(default_factory=set)
    refuses_to_start: set[str] = field(default_factory=set)
    python: str = "3.12"
    schema: int = 0
    needs: dict[str, int] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    answers: dict[str, Answer | OSError] = field(default_factory=dict)
    dies_at: int | None = None

    @property
    def machine(self) -> Machine:
        """Give the machine that the workload works on."""
        return Machine(root=self.root, runner=self.run, accounts=self)

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Know the users that there are; all of them are the one who runs the test."""
        if not {user, group} <= self.users:
            raise KeyError(user)
        return os.getuid(), os.getgid()

    def run(self, command: Command) -> Answer:
        """Record a command and answer it."""
        self.commands.append(command)
        words = self.words(command)
        if not words.startswith(READINGS):
            if self.dies_at == len(self.changes):
                raise Died(words)
            self.changes.append(words)
        scripted = next((answer for start, answer in self.answers.items() if words.startswith(start)), None)
        if isinstance(scripted, OSError):
            raise scripted
        if scripted is not None:
            return scripted
        return self._act(words.split())

    def words(self, command: Command) -> str:
        """Show a command in short: the program's name, and paths as they are on the machine."""
        name, *rest = (each.replace(str(self.root), "") for each in command.argv)
        return " ".join((name.rpartition("/")[2], *rest))

    def forget(self) -> None:
        """Forget what was run so far."""
        self.commands.clear()
        self.changes.clear()

    def lives(self) -> None:
        """Let nothing die or fail any more."""
        self.dies_at = None
        self.answers.clear()

    def _act(self, words: list[str]) -> Answer:
        match words:
            case ["dpkg-query", *_]:
                return Answer(out="".join(f"{name} installed\n" for name in sorted(self.packages)))
            case ["apt-get", *options] if "install" in options:
                self.packages |= {each for each in options[options.index("install") :] if not each.startswith("-")}
            case ["useradd", *_, user]:
                self.users.add(user)
            case ["systemctl", verb, *names]:
                return self._systemctl(verb, *names)
            case ["python3", "-I", *_]:
                return Answer(out=f"{self.python}\n")
            case ["python3", "-m", "venv", place]:
                self._program(f"{place}/bin/python")
            case ["python", "-m", "pip", *_]:
                place = Path(self.commands[-1].argv[0]).parent
                for name in PROGRAMS:
                    self._program(f"/{(place / name).relative_to(self.root)}")
            case ["masakari-manage", *rest]:
                return self._manage(rest)
        return Answer()

    def _program(self, path: str) -> None:
        place = self.machine.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")

    def _systemctl(self, verb: str, name: str = "") -> Answer:
        match verb:
            case "is-active":
                found = name in self.active
                return Answer(code=0 if found else 3, out="active\n" if found else "inactive\n")
            case "is-enabled":
                word = "masked" if name in self.masked else "enabled" if name in self.enabled else "disabled"
                return Answer(code=0 if word == "enabled" else 1, out=f"{word}\n" if name in self.known_units else "")
            case "start" | "restart" if name in self.refuses_to_start | self.masked:
                self.active.discard(name)
                return Answer(code=1, err=f"Job for {name}.service failed.\n")
            case "reload" if name not in self.active:
                return Answer(code=1, err=f"{name}.service is not active, cannot reload.\n")
            case "start" | "restart":
                self.active.add(name)
            case "stop":
                self.active.discard(name)
            case "mask" | "unmask":
                (self.masked.add if verb == "mask" else self.masked.discard)(name)
            case "enable" | "disable":
                (self.enabled.add if verb == "enable" else self.enabled.discard)(name)
        return Answer()

    def _manage(self, words: list[str]) -> Answer:
        release = Path(self.commands[-1].argv[0]).parent.parent.name
        file = self.machine.path(words[words.index("--config-file") + 1])
        needed = self.needs.get(release, 1)
        match words:
            case ["config", "check", *_]:
                wrong = BROKEN in file.read_text()
                said = f"masakari-manage: [DEFAULT] host = {BROKEN} in {file} cannot be used: set host\n"
                return Answer(code=2, err=said) if wrong else Answer(out="engine    unit-0\n")
            case [*_, "db", "check"]:
                return Answer() if self.schema >= needed else Answer(code=3, err="masakari-manage: run db sync\n")
            case [*_, "db", "sync"]:
                self.schema = max(self.schema, needed)
        return Answer()


def put_wheels(system: FakeSystem, name: str = "0.1.0-aaaa", *, folder: str = WHEELS) -> str:
    """Lay out the wheels of a release, as far as anything but pip reads them, and return where."""
    place = system.machine.path(folder)
    place.mkdir(parents=True, exist_ok=True)
    (place / "release.json").write_text(json.dumps({"name": name, "pythons": ["3.11", "3.12"]}))
    (place / "requirements.txt").write_text("")
    return folder
