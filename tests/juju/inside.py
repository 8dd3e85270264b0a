"""The masakari charm in the test's own process, for many orders of events: its machine is a folder with recorders, pip is made up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from charm import MasakariCharm
from masakari_charm.workload.machine import Answer, Command
from masakari_charm.workload.machine import Machine as WorkloadMachine
from tests.juju import release
from tests.juju.masakari import ROOT
from tests.juju.release import Database
from tests.juju.standin.charm import read_charm
from tests.juju.standin.inside import Inside, lay_out
from tests.juju.standin.juju import Juju
from tests.juju.standin.machine import Machine
from tests.juju.standin.model import Unit
from tests.juju.standin.recorders import RECORDERS

PYTHON = "3.12"
SCHEMA = 1
OS_RELEASE = 'ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'
PROGRAMS = ("masakari-api", "masakari-engine", "masakari-manage")


@dataclass(slots=True)
class Folder:
    """A unit's machine. systemctl, apt-get and haproxy are those of the boxes; accounts, venv and pip only leave what is looked for."""

    root: Path
    recorders: Machine
    users: set[str] = field(default_factory=lambda: {"root"})

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Know the users that were made; all of them are the one who runs the test."""
        if not {user, group} <= self.users:
            raise KeyError(user)
        return os.getuid(), os.getgid()

    def run(self, command: Command) -> Answer:
        """Answer a command of the charm's."""
        path, *words = (each.replace(str(self.root), "") for each in command.argv)
        name = Path(path).name
        match [name, *words]:
            case ["useradd", *_, user]:
                self.users.add(user)
            case ["python3", "-I", *_]:
                return Answer(out=f"{PYTHON}\n")
            case ["python3", "-m", "venv", place]:
                self._program(f"{place}/bin/python")
            case ["python", "-m", "pip", *_]:
                for program in PROGRAMS:
                    self._program(str(Path(path).with_name(program)))
            case ["masakari-manage", *_]:
                schema = Path(path).parts[-3].partition(".")[0]
                return self._recorded(name, [f"schema={schema}", *words])
            case _:
                return self._recorded(name, words)
        return Answer()

    def _recorded(self, name: str, words: list[str]) -> Answer:
        said = self.recorders.handle(name, words)
        return Answer(code=said.code, out=said.output, err=said.errors)

    def _program(self, path: str) -> None:
        self.write(path, "#!\n")

    def write(self, path: str, text: str) -> None:
        """Put a file on the machine."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def deploy(
    juju: Juju, database: Database, *, units: int = 3, config: Mapping[str, Any] | None = None
) -> dict[str, Folder]:
    """Deploy the charm of this tree with a small release inside; return the machines by unit."""
    machines: dict[str, Folder] = {}

    def make(unit: Unit) -> Inside:
        place = juju.folder / unit.name.replace("/", "-")
        root = place / "root"
        recorders = Machine(lambda: root, {**RECORDERS, "masakari-manage": database.manage})
        machine = machines[unit.name] = Folder(root, recorders)
        charm_folder = lay_out(ROOT, place / "charm")
        described = {"name": release.name_of(SCHEMA), "pythons": [PYTHON]}
        machine.write(f"{charm_folder}/wheels/release.json", json.dumps(described))
        machine.write("/etc/os-release", OS_RELEASE)
        machine.write("/run/standin/client", "")
        # Through it hacluster does what it does to its principal's machine.
        juju.agents[unit.name].machine = recorders
        return Inside(juju, unit, charm_folder, charm_on(machine))

    juju.deploy_script(read_charm(ROOT, ROOT), make, "masakari", units=units)
    juju.config("masakari", config or {})
    return machines


def charm_on(machine: Folder) -> type[MasakariCharm]:
    """Return the charm with its machine in a folder."""

    class CharmInFolder(MasakariCharm):
        """The charm, which only takes another machine."""

        def make_machine(self) -> WorkloadMachine:
            """Return the folder."""
            return WorkloadMachine(root=machine.root, runner=machine.run, accounts=machine)

    return CharmInFolder
