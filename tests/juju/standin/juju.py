"""What an operator of Juju does, as methods: deploy, integrate, config, run, add and remove units, refresh, status.

Rules:
1. Nothing happens by itself. `settle` lets the agents run hooks until none is due.
2. Without a seed the hooks run in Juju's usual order, of two units at once: neither sees what the other one's hook writes.
   With a seed, each step takes any hook that may run next, of any unit: the same seed gives the same order.
3. A hook that fails is run again in the same `settle`, `retries` times; then its unit stands in error until the next.
4. A unit that was killed runs nothing until `revive`. Leadership moves only with `expire_leadership`, as when a lease ends.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.juju.standin import actions, changes, running
from tests.juju.standin.agent import Beginning, begin, due, succeed
from tests.juju.standin.box import Box
from tests.juju.standin.charm import Charm, compile_folder, read_charm
from tests.juju.standin.context import Context, Hook
from tests.juju.standin.errors import JujuError
from tests.juju.standin.machine import PROVIDES, Machine, Recorder
from tests.juju.standin.model import Application, Model, Relation, Secret, Status, Unit
from tests.juju.standin.recorders import FOLDER, FOLDERS, RECORDERS
from tests.juju.standin.running import Agent, Script
from tests.juju.standin.server import Server
from tests.juju.standin.table import table
from tests.juju.standin.tools import TOOLS
from tests.juju.standin.tools.others import resource_path

# As many as the smallest machine that the budgets of the tests were set on has cores.
AT_ONCE = 2
# Three units with five peers settle in some 200 hooks; many more means that two charms answer each other for ever.
MOST_HOOKS = 2000
CLIENT = Path(__file__).with_name("client.pl")


class Juju:
    """A model, its agents and what they run."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int | None = None,
        tell: Callable[[str], None] | None = None,
        recorders: Mapping[str, Recorder] | None = None,
    ) -> None:
        """Begin with an empty model; units keep their disks below `folder`. `tell` hears each hook.

        `recorders` answer for commands of the workload that the stand-in does not know by itself.
        """
        self.model = Model()
        self.agents: dict[str, Agent] = {}
        self.folder = folder
        self._random = random.Random(seed) if seed is not None else None
        self._tell = tell or (lambda line: None)
        self._recorders = {**RECORDERS, **(recorders or {})}
        self._lock = threading.RLock()
        self._charms: dict[Path, Charm] = {}
        self._machines = 0
        self._scripts: dict[str, Callable[[Unit], Script]] = {}

    def __enter__(self) -> Self:
        """Return itself; the boxes are stopped at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every box."""
        for agent in list(self.agents.values()):
            self._dismantle(agent)

    # What an operator does

    def deploy(
        self,
        source: Path,
        name: str = "",
        *,
        units: int = 1,
        config: Mapping[str, Any] | None = None,
        resources: Mapping[str, Path] | None = None,
        spaces: Mapping[str, str] | None = None,
    ) -> Application:
        """Deploy a packed charm (a .charm or its unpacked folder). `spaces` is endpoint -> space, "" for the rest."""
        charm = self._read(source)
        application = self._add(charm, name or charm.name, spaces)
        application.resources = dict(resources or {})
        self.config(application.name, config or {})
        for _ in range(units):
            self.add_unit(application.name)
        return application

    def deploy_script(
        self, charm: Charm, script: Callable[[Unit], Script], name: str = "", *, units: int = 1
    ) -> Application:
        """Deploy a scripted peer: `script` makes the charm of one unit. A subordinate gets its units by `integrate`."""
        application = self._add(charm, name or charm.name, None)
        self._scripts[application.name] = script
        for _ in range(0 if charm.is_subordinate else units):
            self.add_unit(application.name)
        return application

    def add_unit(self, application: str, *, principal: Unit | None = None) -> Unit:
        """Add a unit. The first one leads."""
        found = self.model.application(application)
        name = f"{application}/{found.units_made}"
        machine = principal.machine if principal else self._machines
        self._machines += principal is None
        unit = Unit(name, application, machine, principal.name if principal else None)
        found.units_made += 1
        self.model.units[name] = unit
        found.leader = found.leader or name
        agent = self.agents[name] = Agent(unit)
        if application in self._scripts:
            agent.script = self._scripts[application](unit)
        else:
            self._build(agent, found)
        for relation in self.model.relations_of(application) if principal is None else ():
            self._add_subordinates(relation)
        return unit

    def remove_unit(self, name: str) -> None:
        """Let a unit go, with what is subordinate to it."""
        changes.let_go(self.model, self.model.unit(name))

    def integrate(self, one: str, other: str) -> Relation:
        """Relate `app:endpoint` to `app:endpoint`."""
        relation = changes.relate(self.model, one, other)
        self._add_subordinates(relation)
        return relation

    def remove_relation(self, one: str, other: str) -> None:
        """Take a relation away; its hooks follow with `settle`."""
        changes.unrelate(self.model, one, other)

    def config(self, application: str, values: Mapping[str, Any]) -> None:
        """Set options; None takes one back to its default."""
        changes.set_options(self.model.application(application), values)

    def run(self, unit: str, action: str, **parameters: Any) -> actions.Outcome:
        """Run an action and return what it said; a parameter's dashes may be written as underscores."""
        return actions.run(self, self.agents[self.model.unit(unit).name], action, parameters)

    def refresh(self, application: str, source: Path, *, resources: Mapping[str, Path] | None = None) -> None:
        """Give an application another charm; its units upgrade with `settle`."""
        found = self.model.application(application)
        changes.replace_charm(self.model, found, self._read(source))
        found.resources = found.resources | dict(resources or {})

    def add_secret(self, content: Mapping[str, str], *, to: str = "") -> str:
        """Add an operator's secret, grant it to an application, and return what to put into its option."""
        secret = self.model.add_secret("", dict(content))
        if to:
            secret.granted.add((to, None))
        return f"secret:{secret.id}"

    def update_secret(self, identifier: str, content: Mapping[str, str]) -> Secret:
        """Add a revision to an operator's secret."""
        secret = self.model.secrets[identifier.removeprefix("secret:")]
        secret.revisions[secret.latest + 1] = dict(content)
        return secret

    def update_status(self, *units: str) -> None:
        """Let the periodic update-status come due."""
        for name in units or tuple(self.agents):
            agent = self.agents[name]
            if not any(hook.kind == "update-status" for hook in agent.memory.asked):
                agent.memory.asked.append(Hook(kind="update-status"))

    def kill(self, unit: str, command: str = "", words: str = "") -> None:
        """Kill a unit: now, or in the middle of the hook that next calls this command with these words."""
        if command:
            self.agents[unit].kill_at = (command, words)
        else:
            self.model.unit(unit).is_lost = True

    def break_tool(self, unit: str, tool: str, words: str = "", *, times: int = 1) -> None:
        """Let the next calls of a hook tool fail, as when the agent loses its controller in mid-hook."""
        self.agents[unit].broken += [(tool, words)] * times

    def revive(self, unit: str) -> None:
        """Let a killed unit's agent come back; the hook that was running runs again."""
        self.model.unit(unit).is_lost = False

    def expire_leadership(self, application: str) -> str:
        """Let a leader that is gone lose its lease; return who leads now."""
        found = self.model.application(application)
        changes.hand_over(self.model, found)
        return found.leader or ""

    def status(self) -> str:
        """Return a table like that of `juju status --relations`."""
        return table(self.model)

    def machine(self, unit: str) -> Machine:
        """Return a unit's recorders."""
        found = self.agents[unit].machine
        if found is None:
            raise JujuError(f"{unit} is scripted: it has no machine")
        return found

    def box(self, unit: str) -> Box:
        """Return a unit's box."""
        found = self.agents[unit].box
        if found is None:
            raise JujuError(f"{unit} is scripted: it has no box")
        return found

    def history(self, unit: str) -> list[str]:
        """Return the hooks that a unit ran, each with `failed` or `killed` after it where it did."""
        return self.agents[unit].history

    # What the agents do

    def settle(self, *, retries: int = 2, most: int = MOST_HOOKS) -> int:
        """Run hooks until none is due; return how many ran."""
        tries: Counter[str] = Counter()
        count = 0
        while steps := self._next(tries, retries):
            count += len(steps)
            if count > most:
                last = "; ".join(
                    f"{agent.unit.name}: {', '.join(agent.history[-3:])}" for agent in self.agents.values()
                )
                raise JujuError(f"not settled after {most} hooks; the last ones: {last}")
            for agent in self._run_hooks(steps):
                tries[agent.unit.name] += 1
        return count

    def advance(self, hooks: int) -> None:
        """Run this many hooks, or those that are due where they are fewer; what comes after stays due."""
        for _ in range(hooks):
            if steps := self._next(Counter(), 1)[:1]:
                self._run_hooks(steps)

    def _next(self, tries: Counter[str], retries: int) -> list[tuple[Agent, Hook]]:
        """Choose what runs next: with a seed one hook of any unit, else the first of each of a few units."""
        found: list[tuple[Agent, Hook]] = []
        for agent in list(self.agents.values()):
            if agent.unit.is_lost or tries[agent.unit.name] > retries:
                continue
            hooks = due(self.model, agent.unit, agent.memory)
            found += [(agent, hook) for hook in (hooks if self._random else hooks[:1])]
            if agent.unit.is_dying and not agent.memory.is_installed:
                self._forget(agent)
        changes.drop_empty_relations(self.model)
        if self._random:
            return [self._random.choice(found)] if found else []
        # What is scripted takes no time, so it goes first and alone.
        scripted = [step for step in found if step[0].script]
        return scripted[:1] or sorted(found, key=lambda step: len(step[0].history))[:AT_ONCE]

    def _run_hooks(self, steps: list[tuple[Agent, Hook]]) -> list[Agent]:
        """Run hooks of different units at once: none sees what another one writes. Return those that failed."""
        begun = [(agent, hook, begin(self.model, agent.unit, agent.memory, hook)) for agent, hook in steps]
        contexts = []
        for agent, hook in steps:
            if hook.kind == "upgrade-charm":
                self._lay_charm(agent)
            agent.unit.agent = Status("executing", str(hook))
            contexts.append(Context(self.model, agent.unit, hook, joined=running.joined(agent, hook)))
        if len(steps) == 1:
            ends = [self.execute(steps[0][0], contexts[0])]
        else:
            with ThreadPoolExecutor(len(steps)) as pool:
                ends = list(pool.map(self.execute, (agent for agent, _ in steps), contexts))
        for step, context, trouble in zip(begun, contexts, ends, strict=True):
            self._end(*step, context, trouble)
        return [agent for (agent, _), trouble in zip(steps, ends, strict=True) if trouble]

    def _end(self, agent: Agent, hook: Hook, beginning: Beginning, context: Context, trouble: str) -> None:
        """Keep or discard what a hook wrote."""
        word = "lost" if agent.was_killed else "error" if trouble else "idle"
        if agent.was_killed:
            agent.was_killed = False
            agent.unit.is_lost = True
            agent.history.append(f"{hook} killed")
        elif trouble:
            agent.history.append(f"{hook} failed")
        else:
            context.flush()
            succeed(self.model, agent.unit, agent.memory, hook, beginning)
            agent.history.append(str(hook))
        agent.unit.agent = Status(word, f'hook failed: "{hook.name}"' if word == "error" else "")
        self._tell(f"{agent.unit.name}: {agent.history[-1]}{f': {trouble}' if trouble else ''}")
        if agent.memory.is_removed:
            self._forget(agent)

    def execute(self, agent: Agent, context: Context) -> str:
        """Run a hook or action, and return what went wrong, or an empty text."""
        if agent.script:
            return running.run_script(agent, context)
        with self._lock:
            code = running.run_dispatch(agent, context, self.model, lock=self._lock)
        return f"exit status {code}" if code else ""

    # How it is built

    def _read(self, source: Path) -> Charm:
        """Read a charm, once."""
        if source not in self._charms:
            charm = read_charm(source, self.folder / f"charm-{len(self._charms)}")
            if charm.folder and charm.folder != source:
                compile_folder(charm.folder)
            self._charms[source] = charm
        return self._charms[source]

    def _add(self, charm: Charm, name: str, spaces: Mapping[str, str] | None) -> Application:
        if name in self.model.applications:
            raise JujuError(f"application {name} exists")
        application = Application(name, charm, spaces=dict(spaces or {}))
        self.model.applications[name] = application
        changes.add_peers(self.model, application)
        return application

    def _add_subordinates(self, relation: Relation) -> None:
        """Put a subordinate's unit beside each principal that has none."""
        for name, principal in changes.without_subordinate(self.model, relation):
            self.add_unit(name, principal=principal)

    def _build(self, agent: Agent, application: Application) -> None:
        """Make the unit's box with its charm, hook tools and recorders, and start it."""
        unit = agent.unit
        tag = unit.name.replace("/", "-")
        addresses = {
            "{}/{}".format(address, cidr.partition("/")[2])
            for endpoint in ("", *application.charm.endpoints, *application.charm.bindings)
            for address, cidr in [self.model.address(unit, endpoint)]
        }
        box = agent.box = Box(self.folder / tag, f"juju-{tag}", sorted(addresses))
        tools = box.own("var/lib/juju") / "tools" / f"unit-{tag}"
        tools.mkdir(parents=True)
        for name in TOOLS:
            shutil.copy(CLIENT, tools / name)
            (tools / name).chmod(0o755)
        for name in RECORDERS:
            # Where nothing of that kind has been installed yet, there is nothing to stand in for.
            if name in PROVIDES:
                continue
            target = box.seed / FOLDERS.get(name, FOLDER) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CLIENT, target)
            target.chmod(0o755)
        shutil.copy(CLIENT, box.agent / "client")
        (box.agent / "client").chmod(0o755)
        self._lay_charm(agent)
        agent.server = Server(
            box.agent / "agent.sock",
            lambda *call: running.handle(agent, self._lock, call),
        )
        box.start()
        agent.machine = Machine(lambda: box.root, self._recorders)

    def _lay_charm(self, agent: Agent) -> None:
        """Put the charm and its resources where the agent keeps them; what the charm itself keeps there stays."""
        if agent.box is None:
            return
        application = self.model.applications[agent.unit.application]
        assert application.charm.folder
        juju = agent.box.own("var/lib/juju")
        folder = juju / running.charm_folder(agent.unit.name).removeprefix("/var/lib/juju/")
        if folder.exists():
            replace_files(folder)
        shutil.copytree(application.charm.folder, folder, symlinks=True, dirs_exist_ok=True, copy_function=copy)
        for name, file in application.resources.items():
            target = juju / resource_path(agent.unit.name, name, file.name).removeprefix("/var/lib/juju/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)

    def _forget(self, agent: Agent) -> None:
        """Take a unit that is gone out of the model."""
        self._dismantle(agent)
        self.agents.pop(agent.unit.name, None)
        changes.forget(self.model, agent.unit)

    def _dismantle(self, agent: Agent) -> None:
        if agent.server:
            agent.server.close()
            agent.server = None
        if agent.box:
            agent.box.stop()


def copy(source: str, target: str) -> None:
    """Copy a file of a charm; what is large and never written to is shared by all units, where they lie on one disk."""
    if source.endswith(".whl"):
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def replace_files(folder: Path) -> None:
    """Take the old charm away, but what the charm itself keeps there: dot files such as ops' state."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
