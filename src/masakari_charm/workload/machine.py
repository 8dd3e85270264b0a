"""The machine as the workload sees it: paths below a root, accounts, commands. Nothing else of the charm runs a command.

Rules:
1. A command is a list with the absolute path of its program. It is captured, ends in time, and its exit code is looked at.
2. A command gets an environment of its own: a hook's PYTHONPATH or PIP_* would reach into the service's environment.
3. Tests give another root, and a runner that records; everything else is the same code.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from masakari_charm.plan import Problem

BASE_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    # apt and dpkg ask nobody, and pip reads no configuration of this machine.
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_NO_INPUT": "1",
}

COMMAND_SECONDS = 120.0
"""How long a command may take that says nothing else: systemd itself waits 90 s for a service to stop."""

SAID_CHARACTERS = 400
"""How much of a failed command's words goes into a message; it ends up in a line of Juju's status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to be run, as `user` where one is named."""

    argv: tuple[str, ...]
    user: str | None = None
    timeout_seconds: float = COMMAND_SECONDS
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a command; `code` is None where its time was over."""

    code: int | None = 0
    out: str = ""
    err: str = ""


Runner = Callable[[Command], Answer]


class Trouble(Exception):
    """Something keeps the machine from matching the plan; a human, or the next hook, can mend it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}; {fix}")
        self.problem = Problem(what=what, fix=fix)


class CommandFailed(Exception):
    """A command did not end with 0. The text says which, how, and its last words."""

    def __init__(self, command: Command, answer: Answer) -> None:
        ending = "did not end in time" if answer.code is None else f"failed with {answer.code}"
        name = " ".join((Path(command.argv[0]).name, *command.argv[1:3]))
        words = last_words(answer)
        super().__init__(f"{name} {ending}" + (f": {words}" if words else ""))
        self.answer = answer


def last_words(answer: Answer) -> str:
    """Return the end of what a command said, as one line."""
    lines = (answer.err.strip() or answer.out.strip()).splitlines()
    return " ".join(line.strip() for line in lines[-3:])[-SAID_CHARACTERS:]


class Accounts(Protocol):
    """Users and groups of the machine."""

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Return the numbers of user and group. Raises `KeyError` where one of them is missing."""


class SystemAccounts:
    """The accounts of the machine that this runs on."""

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Look both up in the system's databases."""
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid


def run_process(command: Command) -> Answer:
    """Run a command for real; what it started is killed with it when its time is over.

    Its words go to memory: a file would need room on a disk that may be full, and a pipe would stay open as long as a server that a
    package's script started.
    """
    with _memory("out") as out, _memory("err") as err:
        try:
            process = _start(command, out.fileno(), err.fileno())
        except FileNotFoundError:
            return Answer(code=127, err=f"there is no {command.argv[0]}")
        try:
            code: int | None = process.wait(timeout=command.timeout_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        return Answer(code=code, out=_words(out), err=_words(err))


def _start(command: Command, out: int, err: int) -> subprocess.Popen[bytes]:
    account = None if command.user is None else pwd.getpwnam(command.user)
    return subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=BASE_ENVIRONMENT | dict(command.environment),
        cwd="/",
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
        start_new_session=True,
    )


def _memory(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(name), "w+b")


def _words(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A root folder, its accounts, and a way to run a command. `environment` is added to each command: proxies."""

    root: Path = Path("/")
    runner: Runner = run_process
    accounts: Accounts = field(default_factory=SystemAccounts)
    python: str = "/usr/bin/python3"
    environment: Mapping[str, str] = field(default_factory=dict)

    def path(self, absolute: str) -> Path:
        """Return where a path of the machine is found from here."""
        return self.root / absolute.lstrip("/")

    def ask(self, *argv: str, user: str | None = None, timeout_seconds: float = COMMAND_SECONDS) -> Answer:
        """Run a command whose exit code the caller looks at."""
        command = Command(argv=argv, user=user, timeout_seconds=timeout_seconds, environment=self.environment)
        return self.runner(command)

    def run(self, *argv: str, user: str | None = None, timeout_seconds: float = COMMAND_SECONDS) -> Answer:
        """Run a command that has to succeed. Raises `CommandFailed`."""
        command = Command(argv=argv, user=user, timeout_seconds=timeout_seconds, environment=self.environment)
        answer = self.runner(command)
        if answer.code != 0:
            raise CommandFailed(command, answer)
        return answer


@contextmanager
def explained(what: str, *, fix: str) -> Iterator[None]:
    """Turn a command that fails within into `Trouble` that says what could not be done and what to do."""
    try:
        yield
    except CommandFailed as error:
        full = "No space left on device" in f"{error.answer.err}{error.answer.out}"
        raise Trouble(f"{what}: {error}", MAKE_ROOM if full else fix) from error


MAKE_ROOM = "make room on the disk; the next hook goes on"
