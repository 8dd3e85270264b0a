"""A new configuration beside the one that runs: written to a scratch folder, and read there by the programs that will use it.

In its files every path of the plan leads into the scratch folder, so that a certificate or an inventory is checked as it will be.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from masakari_charm.plan import CONFIG_FILE, SYSTEM_USER
from masakari_charm.workload import files, release, stamps
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from masakari_charm.plan import Plan
    from masakari_charm.workload.machine import Answer, Machine

FOLDER = "/run/masakari-charm"
"""Below /run, since secrets are written here: it is no disk."""

HAPROXY_FILE = "/etc/haproxy/haproxy.cfg"
HAPROXY = "/usr/sbin/haproxy"
STAMP = "checked"
MESSAGE_CHARACTERS = 600
"""How much of a program's complaint goes into a message."""


@contextmanager
def written(machine: Machine, plan: Plan) -> Iterator[None]:
    """Write the plan's files to the scratch folder, for as long as the block lasts."""
    files.remove(machine, FOLDER)
    files.make_folder(machine, FOLDER, mode=0o711)
    paths = sorted((re.escape(file.path) for file in plan.files), key=len, reverse=True)
    own = re.compile(rf"(?:{'|'.join(paths)})(?![\w./-])") if paths else re.compile(r"(?!)")
    try:
        for file in plan.files:
            content = own.sub(lambda found: scratch(machine, found[0]), file.content)
            files.write(machine, replace(file, path=f"{FOLDER}{file.path}", content=content))
        yield
    finally:
        files.remove(machine, FOLDER)


def scratch(machine: Machine, path: str) -> str:
    """Return where a file of the plan stands while it is a candidate."""
    return str(machine.path(f"{FOLDER}{path}"))


def identity(plan: Plan, name: str) -> str:
    """Return the digest of what a check depends on: the release, and every file."""
    return stamps.digest((name, *(part for file in plan.files for part in (file.path, file.content))))


def check(machine: Machine, plan: Plan, name: str) -> None:
    """Let release `name`, and haproxy, read the candidate; once for each. Raises `Trouble`: nothing was replaced then."""
    if stamps.read(machine, STAMP) == identity(plan, name):
        return
    paths = {file.path for file in plan.files}
    if CONFIG_FILE in paths:
        manage = release.program(machine, "masakari-manage", name)
        answer = machine.ask(
            manage, "config", "check", "--config-file", scratch(machine, CONFIG_FILE), user=SYSTEM_USER
        )
        _refuse(
            machine, answer, "the configuration", "correct the option of the charm, or the secret, that it comes from"
        )
    if HAPROXY_FILE in paths:
        answer = machine.ask(HAPROXY, "-c", "-f", scratch(machine, HAPROXY_FILE))
        _refuse(machine, answer, "the configuration of haproxy", "correct vip, certificate or the haproxy options")
    stamps.write(machine, STAMP, identity(plan, name))


def _refuse(machine: Machine, answer: Answer, what: str, fix: str) -> None:
    if answer.code == 0:
        return
    lines = (answer.err.strip() or answer.out.strip() or "it did not end in time").splitlines()
    said = " ".join(line.strip().removeprefix("masakari-manage: ") for line in lines)
    said = said.replace(str(machine.path(FOLDER)), "")[:MESSAGE_CHARACTERS]
    raise Trouble(f"{what} cannot be used: {said}", f"{fix}; the one before stays in use")
