"""Runs a charm in the test's own process: no box, no process for a hook or a tool, and so many times faster.

Rules:
1. The charm's own class runs under the real ops. Each call of a hook tool is answered by the code that answers the processes in the
   boxes, with the same errors, so that scopes, leadership and what is flushed when are the same.
2. `dispatch`, packed libraries and a real disk are not part of it: what they come to is the business of the boxes.
3. The charm gets the environment of its hook, a host name of its own, and nothing else of the test's. It ends as a process would.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import ops
import pytest
from ops.hookcmds import _utils

from tests.juju.standin.context import Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Unit
from tests.juju.standin.running import environment
from tests.juju.standin.tools import Request, answer

DESCRIPTIONS = ("metadata.yaml", "config.yaml", "actions.yaml")
CONNECTION_LOST = "ERROR connection is shut down\n"


@dataclass(frozen=True, slots=True)
class Inside:
    """One unit. `folder` is its charm's folder, and `charm` the class that its hooks run."""

    juju: Juju
    unit: Unit
    folder: Path
    charm: type[ops.CharmBase]

    def run(self, context: Context) -> None:
        """Run a hook or an action to its end. Raises `ToolError` where a process would fail; the traceback stands in the unit's log."""
        with self._entered(context):
            try:
                ops.main(fresh(self.charm))
            except SystemExit as ended:
                if ended.code:
                    raise ToolError(f"exit status {ended.code}") from ended
            except Exception as uncaught:
                context.unit.log.append(("ERROR", traceback.format_exc()))
                raise ToolError("exit status 1") from uncaught

    @contextmanager
    def _entered(self, context: Context) -> Iterator[None]:
        """Be a process of the unit's, as far as the charm can tell, for as long as the block lasts."""
        found = environment(context, context.model) | dict.fromkeys(("JUJU_CHARM_DIR", "CHARM_DIR"), str(self.folder))
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(found):
                patch.delenv(name)
            for name, value in found.items():
                patch.setenv(name, value)
            patch.setattr(_utils, "subprocess", Tools(context, self.juju.agents[self.unit.name].broken))
            patch.setattr(socket, "getfqdn", lambda: f"juju-{self.unit.name.replace('/', '-')}.maas")
            # Nothing here loses power, and a disk that is asked to keep something takes its time.
            patch.setattr(os, "sync", lambda: None)
            patch.setattr(os, "fsync", lambda _: None)
            # What ops sets for the process that it believes to have.
            patch.setattr(sys, "excepthook", sys.excepthook)
            patch.setattr(warnings, "showwarning", warnings.showwarning)
            root.handlers.clear()
            try:
                yield
            finally:
                root.handlers[:] = handlers
                root.setLevel(level)


def fresh(charm: type[ops.CharmBase]) -> type[ops.CharmBase]:
    """Return the class with events of its own: ops defines a charm's events once per process."""
    events = type("Events", (type(charm.on),), {})
    return type(charm.__name__, (charm,), {"on": events()})


class Tools:
    """What ops takes for the module subprocess while a hook runs: hook tools, and nothing else."""

    CalledProcessError: ClassVar = subprocess.CalledProcessError

    def __init__(self, context: Context, broken: list[tuple[str, str]]) -> None:
        """Answer for one hook; `broken` are calls that fail."""
        self._context = context
        self._broken = broken

    def run(self, arguments: Sequence[str], *, input: str | None = None, **_: Any) -> subprocess.CompletedProcess[str]:
        """Answer a call as its process would."""
        name, *rest = arguments
        for entry in self._broken:
            if entry[0] == name and entry[1] in " ".join(rest):
                self._broken.remove(entry)
                raise subprocess.CalledProcessError(1, list(arguments), "", CONNECTION_LOST)
        request = Request(name=name, arguments=rest, standard_input=input or "", read=read)
        answered = answer(self._context, request)
        if answered.code:
            raise subprocess.CalledProcessError(answered.code, list(arguments), answered.output, answered.errors)
        return subprocess.CompletedProcess(list(arguments), 0, answered.output, answered.errors)


def read(path: str) -> str:
    """Return a file that the charm names to a tool."""
    return Path(path).read_text()


def lay_out(source: Path, folder: Path) -> Path:
    """Make a unit's charm folder, with what ops reads of it; the code is imported from where the test finds it."""
    folder.mkdir(parents=True)
    for name in DESCRIPTIONS:
        shutil.copy(source / name, folder / name)
    return folder
