"""Runs one hook of one unit: in its box for a packed charm, in this process for a scripted one."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.juju.standin.agent import Memory
from tests.juju.standin.box import Box
from tests.juju.standin.context import Context, Hook
from tests.juju.standin.errors import JujuError, ToolError
from tests.juju.standin.machine import Machine
from tests.juju.standin.model import MODEL_UUID, VERSION, Model, Unit
from tests.juju.standin.server import Server
from tests.juju.standin.tools import TOOLS, Answer, Request, answer

# A hook of these charms takes a second or two, an install some more; what takes longer hangs.
HOOK_SECONDS = 300
REAP_SECONDS = 30
# What a shell calls a process that SIGKILL ended.
KILLED = 137
TOOLS_FOLDER = "/var/lib/juju/tools"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Script(Protocol):
    """A charm as a Python object: it is told of each hook and writes through the hook's context."""

    def run(self, context: Context) -> None:
        """Do what the peer's charm would; raise ToolError to fail the hook."""


@dataclass(slots=True)
class Agent:
    """One unit's agent: its memory, and either a box with recorders or a script."""

    unit: Unit
    memory: Memory = field(default_factory=Memory)
    script: Script | None = None
    box: Box | None = None
    machine: Machine | None = None
    server: Server | None = None
    history: list[str] = field(default_factory=list)
    kill_at: tuple[str, str] | None = None
    broken: list[tuple[str, str]] = field(default_factory=list)
    was_killed: bool = False
    context: Context | None = None
    process: subprocess.Popen[bytes] | None = None

    def relation_units(self) -> dict[int, list[str]]:
        """Return relation -> the units that have joined it and not departed."""
        return {number: sorted(known.units) for number, known in self.memory.relations.items()}


def joined(agent: Agent, hook: Hook) -> dict[int, list[str]]:
    """Return what relation-list shows during a hook: who joins is there, who departs is not."""
    found = agent.relation_units()
    if hook.relation is None:
        return found
    here = set(found.get(hook.relation, ()))
    if hook.kind in ("relation-joined", "relation-changed") and hook.remote_unit:
        here.add(hook.remote_unit)
    if hook.kind == "relation-departed":
        here.discard(hook.remote_unit)
    found[hook.relation] = [] if hook.kind == "relation-broken" else sorted(here)
    return found


def run_script(agent: Agent, context: Context) -> str:
    """Run a scripted peer's reaction; return what went wrong, or an empty text."""
    assert agent.script
    try:
        agent.script.run(context)
    except ToolError as refused:
        return str(refused)
    return ""


def run_dispatch(agent: Agent, context: Context, model: Model, *, lock: threading.RLock) -> int:
    """Run the packed charm's dispatch in the unit's box and return how it ended. The lock is free meanwhile."""
    assert agent.box
    agent.context, agent.was_killed = context, False
    lock.release()
    try:
        agent.process = agent.box.popen(
            ("./dispatch",),
            folder=charm_folder(agent.unit.name),
            environment=environment(context, model),
            output=agent.box.folder / "hooks.log",
        )
        try:
            code = agent.process.wait(timeout=HOOK_SECONDS)
        except subprocess.TimeoutExpired as hangs:
            kill(agent.process)
            raise JujuError(f"{agent.unit.name} {context.hook} hangs; see {agent.box.folder}/hooks.log") from hangs
    finally:
        lock.acquire()
        agent.context = agent.process = None
    return code


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a hook with all that it started, and return when the last of it is gone."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    handles: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it ended by itself meanwhile
        handles += [os.pidfd_open(int(pid)) for pid in children.read_text().split()]
    process.kill()
    process.wait(timeout=REAP_SECONDS)
    for handle in handles:
        # Readable when the first process of the hook's namespace has ended, which takes the others with it.
        gone, _, _ = select.select([handle], [], [], REAP_SECONDS)
        os.close(handle)
        if not gone:
            raise JujuError("a killed hook did not end")


def charm_folder(unit: str) -> str:
    """Return where a unit's charm lies on its machine."""
    return f"/var/lib/juju/agents/unit-{unit.replace('/', '-')}/charm"


def environment(context: Context, model: Model) -> dict[str, str]:
    """Return the environment of a hook, as Juju 3.6 sets it."""
    unit, hook = context.unit, context.hook
    tag = unit.name.replace("/", "-")
    folder = charm_folder(unit.name)
    found = {
        "JUJU_DISPATCH_PATH": hook.path,
        "JUJU_HOOK_NAME": hook.name,
        "JUJU_UNIT_NAME": unit.name,
        "JUJU_MODEL_NAME": model.name,
        "JUJU_MODEL_UUID": MODEL_UUID,
        "JUJU_VERSION": VERSION,
        "JUJU_CHARM_DIR": folder,
        "CHARM_DIR": folder,
        "JUJU_CONTEXT_ID": context.id,
        "JUJU_AGENT_SOCKET_ADDRESS": "/run/standin/agent.sock",
        "JUJU_AGENT_SOCKET_NETWORK": "unix",
        "JUJU_API_ADDRESSES": "10.64.0.1:17070",
        "JUJU_MACHINE_ID": str(unit.machine),
        "JUJU_PRINCIPAL_UNIT": unit.principal or "",
        "JUJU_AVAILABILITY_ZONE": "default",
        "JUJU_SLA": "unsupported",
        "JUJU_CHARM_HTTP_PROXY": "",
        "JUJU_CHARM_HTTPS_PROXY": "",
        "JUJU_CHARM_FTP_PROXY": "",
        "JUJU_CHARM_NO_PROXY": "",
        "DEBIAN_FRONTEND": "noninteractive",
        "APT_LISTCHANGES_FRONTEND": "none",
        "LANG": "C.UTF-8",
        "TERM": "tmux-256color",
        "PATH": f"{TOOLS_FOLDER}/unit-{tag}:{SYSTEM_PATH}",
    }
    return found | about_relation(hook) | about_others(hook)


def about_relation(hook: Hook) -> dict[str, str]:
    """Return what the environment of a relation's hook has beside."""
    if hook.relation is None:
        return {}
    found = {
        "JUJU_RELATION": hook.endpoint,
        "JUJU_RELATION_ID": f"{hook.endpoint}:{hook.relation}",
        "JUJU_REMOTE_APP": hook.remote_app,
        "JUJU_REMOTE_UNIT": hook.remote_unit,
    }
    return found | ({"JUJU_DEPARTING_UNIT": hook.departing} if hook.departing else {})


def about_others(hook: Hook) -> dict[str, str]:
    """Return what the environment of an action's or a secret's hook has beside."""
    if hook.kind == "action":
        return {
            "JUJU_ACTION_NAME": hook.action,
            "JUJU_ACTION_UUID": hook.action_id,
            "JUJU_ACTION_TAG": f"action-{hook.action_id}",
        }
    if not hook.secret:
        return {}
    found = {"JUJU_SECRET_ID": hook.secret, "JUJU_SECRET_LABEL": hook.secret_label}
    return found | ({"JUJU_SECRET_REVISION": str(hook.secret_revision)} if hook.secret_revision else {})


Call = tuple[str, str, str, list[str], str]
"""Name, context id, folder, arguments, standard input."""


def handle(agent: Agent, lock: threading.RLock, call: Call) -> Answer:
    """Answer a call from a unit's box: a hook tool, or a recorder."""
    name, context_id, folder, arguments, standard_input = call
    if agent.kill_at and agent.kill_at[0] == name and agent.kill_at[1] in " ".join(arguments):
        agent.kill_at, agent.was_killed = None, True
        if agent.process:
            kill(agent.process)
        return Answer(code=KILLED)
    with lock:
        if name not in TOOLS:
            assert agent.machine
            return agent.machine.handle(name, arguments)
        for entry in agent.broken:
            if entry[0] == name and entry[1] in " ".join(arguments):
                agent.broken.remove(entry)
                return Answer(code=1, errors="ERROR connection is shut down\n")
        context = agent.context if agent.context and agent.context.id == context_id else None

        def read(path: str) -> str:
            assert agent.box
            return agent.box.read(os.path.join(folder, path))

        request = Request(name=name, arguments=arguments, standard_input=standard_input, read=read)
        try:
            return answer(context, request)
        except OSError as away:
            return Answer(code=1, errors=f"ERROR {away.strerror}: {away.filename}\n")
