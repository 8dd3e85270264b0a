"""What the tests of the stand-in share: a packed sample charm, models with and without boxes, hook tools as processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.juju import masakari
from tests.juju.packing import SAMPLE, pack
from tests.juju.standin.agent import Memory, enter_scopes
from tests.juju.standin.box import why_not
from tests.juju.standin.charm import Charm, Endpoint, read_charm
from tests.juju.standin.context import Context, Hook
from tests.juju.standin.juju import CLIENT, Juju
from tests.juju.standin.model import Application, Model, Unit
from tests.juju.standin.server import Server
from tests.juju.standin.tools import TOOLS, Answer, Request, answer

MakeJuju = Callable[..., Juju]
WHY_NOT = why_not()
needs_boxes = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
FAR = Charm(
    name="far",
    endpoints={"sample": Endpoint(name="sample", interface="sample-web", role="requires")},
)


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample charm as a .charm file."""
    return pack(tmp_path_factory.mktemp("packed") / "sample.charm")


@pytest.fixture(scope="session")
def charm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The masakari charm under test, unpacked once for all models."""
    return masakari.unpacked(tmp_path_factory.mktemp("masakari-charm"))


@pytest.fixture
def make_juju(tmp_path: Path) -> Iterator[MakeJuju]:
    """Make a model; its boxes end with the test."""
    made: list[Juju] = []

    def make(*, seed: int | None = None) -> Juju:
        juju = Juju(tmp_path / f"juju-{len(made)}", seed=seed)
        made.append(juju)
        return juju

    yield make
    for juju in made:
        juju.__exit__(None, None, None)


@pytest.fixture
def juju(make_juju: MakeJuju) -> Juju:
    """A model in Juju's usual order."""
    return make_juju()


class Desk:
    """Two units of the sample charm and one of another, with the hook tools as processes and no charm behind them."""

    def __init__(self, folder: Path) -> None:
        """sample/0 leads; sample/0 and sample/1 are related to far/0 by web:1, among themselves by cluster:0."""
        self.model = Model()
        self.folder = folder
        self.lock = threading.Lock()
        self.model.applications["sample"] = Application("sample", read_charm(SAMPLE, folder), leader="sample/0")
        self.model.applications["far"] = Application("far", FAR, leader="far/0")
        self.model.add_relation({"sample": "cluster"}, interface="sample-cluster", scope="global")
        self.model.add_relation({"sample": "web", "far": "sample"}, interface="sample-web", scope="global")
        for number, name in enumerate(("sample/0", "sample/1", "far/0")):
            unit = self.model.units[name] = Unit(name, name.partition("/")[0], number)
            enter_scopes(self.model, unit, Memory())
        self.context = self.enter("sample/0", Hook(kind="config-changed"))
        self.tools = folder / "tools"
        self.tools.mkdir()
        for name in TOOLS:
            shutil.copy(CLIENT, self.tools / name)
            (self.tools / name).chmod(0o755)
        self._server = Server(folder / "agent.sock", self._handle)

    def enter(self, unit: str, hook: Hook) -> Context:
        """Begin a hook of a unit; the tools work for it from now on."""
        joined = {0: [name for name in ("sample/0", "sample/1") if name != unit], 1: ["far/0"]}
        self.context = Context(self.model, self.model.units[unit], hook, joined=joined)
        return self.context

    def action(self, **parameters: object) -> Context:
        """Begin an action on sample/0."""
        hook = Hook(kind="action", action="greet", action_id="1")
        self.context = Context(self.model, self.model.units["sample/0"], hook, parameters=parameters)
        return self.context

    def __call__(self, line: str, *more: str, stdin: str = "") -> tuple[int, str, str]:
        """Run a tool as a process and return its exit code, output and errors."""
        name, *arguments = line.split()
        done = subprocess.run(
            [self.tools / name, *arguments, *more],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.returncode, done.stdout, done.stderr

    def environment(self) -> dict[str, str]:
        """Return what a hook's environment has of the agent."""
        return {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "JUJU_CONTEXT_ID": self.context.id,
            "STANDIN_SOCKET": str(self.folder / "agent.sock"),
        }

    def close(self) -> None:
        """Stop answering."""
        self._server.close()

    def _handle(self, name: str, context: str, folder: str, arguments: list[str], standard_input: str) -> Answer:
        def read(path: str) -> str:
            return (Path(folder) / path).read_text()

        found = self.context if context == self.context.id else None
        with self.lock:
            return answer(found, Request(name=name, arguments=arguments, standard_input=standard_input, read=read))


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The hook tools as processes, for sample/0 in config-changed."""
    # A socket's name holds some hundred letters; a test's own folder may be longer.
    made = Desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.close()
