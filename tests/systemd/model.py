"""The stand-in's Juju with machines that are real: systemd, apt and accounts of the unit are those of a container."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType

from tests.juju.standin import running
from tests.juju.standin.juju import CLIENT, Juju
from tests.juju.standin.model import Application
from tests.juju.standin.running import Agent
from tests.juju.standin.server import Server
from tests.juju.standin.tools import TOOLS
from tests.systemd.container import JUJU, Container


class RealMachines(Juju):
    """A model whose packed charms run in containers; scripted peers are as ever."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Begin with an empty model; `root` is the file system of a new machine."""
        super().__init__(folder)
        self._root = root
        self._made: list[Container] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut every machine down, and give the disks back."""
        super().__exit__(kind, error, trace)
        for container in self._made:
            container.release()

    def container(self, unit: str) -> Container:
        """Return a unit's machine."""
        found = self.box(unit)
        assert isinstance(found, Container)  # `_build` makes no other
        return found

    def _build(self, agent: Agent, application: Application) -> None:
        """Make the unit's machine with its charm and its hook tools, and boot it; it gets no recorder."""
        tag = agent.unit.name.replace("/", "-")
        container = Container(self.folder / tag, f"juju-{tag}", self._root)
        self._made.append(container)
        # What a box has beside; the stand-in asks for no more of it.
        agent.box = container  # type: ignore[assignment]
        tools = container.own(JUJU) / "tools" / f"unit-{tag}"
        tools.mkdir(parents=True)
        for name in TOOLS:
            shutil.copy(CLIENT, tools / name)
            (tools / name).chmod(0o755)
        self._lay_charm(agent)
        agent.server = Server(container.agent / "agent.sock", lambda *call: running.handle(agent, self._lock, call))
        container.start()
