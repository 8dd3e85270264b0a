"""What stands in for systemd, apt and their kin on a unit's machine: recorders with a memory.

Rules:
1. A recorder does nothing to a process or a package. It keeps the state that the real one would report, answers in the real
   one's words and exit codes as far as a charm asks for them, and notes each call in `calls`.
2. A service can be started only if a unit file of that name is on the unit's disk and the program of its ExecStart too.
3. `fail` and `on_call` let a test break or watch a command; nothing else in a box is pretended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.juju.standin.tools import Answer

UNIT_FOLDERS = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "lib/systemd/system",
    "usr/lib/systemd/system",
)
KINDS = (".service", ".timer", ".socket", ".target", ".path")
# What the recorder of apt-get lays down for a package, beside noting it: what a charm looks for on disk afterwards.
PROVIDES = {
    "haproxy": {
        "usr/sbin/haproxy": "",
        "lib/systemd/system/haproxy.service": "[Service]\nExecStart=/usr/sbin/haproxy -Ws\n",
        "etc/haproxy/haproxy.cfg": "# as the package ships it\n",
        "etc/init.d/haproxy": "#!/bin/sh\n",
    },
    "memcached": {
        "usr/bin/memcached": "",
        "lib/systemd/system/memcached.service": "[Service]\nExecStart=/usr/bin/memcached\n",
    },
}
STARTS_AT_INSTALL = ("haproxy", "memcached")


Recorder = Callable[["Machine", list[str]], Answer]
"""Answers a call of one command: the machine, the arguments."""


@dataclass(slots=True)
class Service:
    """What systemd would know of a unit: `starts` and `reloads` count, for tests that nothing was restarted."""

    is_active: bool = False
    is_enabled: bool = False
    is_masked: bool = False
    starts: int = 0
    reloads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Calls of `command` whose words contain `words` end with this answer, `times` times (0: always)."""

    command: str
    words: str
    answer: Answer
    times: int = 0


@dataclass(slots=True)
class Machine:
    """The recorders of one unit. `root` returns its root folder, seen from outside."""

    root: Callable[[], Path]
    recorders: Mapping[str, Recorder]
    services: dict[str, Service] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    hits: dict[int, int] = field(default_factory=dict)
    on_call: Callable[[str, Sequence[str]], Answer | None] | None = None

    def fail(self, command: str, words: str = "", *, code: int = 1, errors: str = "", times: int = 0) -> None:
        """Let calls of a command fail from now on."""
        said = errors or f"{command}: broken by the test"
        self.faults.append(
            Fault(command=command, words=words, answer=Answer(code=code, errors=said + "\n"), times=times)
        )

    def mend(self) -> None:
        """Let every command work again."""
        self.faults.clear()
        self.hits.clear()

    def called(self, *words: str) -> list[tuple[str, ...]]:
        """Return the calls whose line contains all of these words, in order."""
        return [call for call in self.calls if all(word in " ".join(call) for word in words)]

    def handle(self, name: str, arguments: list[str]) -> Answer:
        """Answer a call of a recorder."""
        self.calls.append((name, *arguments))
        line = " ".join(arguments)
        for place, fault in enumerate(self.faults):
            used = self.hits.get(place, 0)
            if fault.command == name and fault.words in line and (not fault.times or used < fault.times):
                self.hits[place] = used + 1
                return fault.answer
        if self.on_call and (given := self.on_call(name, arguments)) is not None:
            return given
        recorder = self.recorders.get(name)
        return recorder(self, arguments) if recorder else Answer()

    def service(self, name: str) -> Service:
        """Return what is known of a unit, by its name with or without .service."""
        return self.services.setdefault(full(name), Service())

    def unit_file(self, name: str) -> Path | None:
        """Return a unit's file, None where there is none."""
        for folder in UNIT_FOLDERS:
            path = self.root() / folder / full(name)
            if path.is_file():
                return path
        return None

    def lay_down(self, package: str) -> None:
        """Note a package and put on disk what a charm expects of it."""
        self.packages[package] = "1.0-1standin"
        for path, content in PROVIDES.get(package, {}).items():
            target = self.root() / path
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            client = self.root() / "run/standin/client"
            target.write_text(content or client.read_text())
            target.chmod(0o755 if path.startswith(("usr/", "etc/init.d/")) else 0o644)
        if package in STARTS_AT_INSTALL:
            self.services[full(package)] = Service(is_active=True, is_enabled=True, starts=1)


def full(name: str) -> str:
    """Return a unit's whole name."""
    return name if name.endswith(KINDS) else f"{name}.service"
