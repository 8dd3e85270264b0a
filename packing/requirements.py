"""Reads pinned requirement files for one Python on the charm's platform, whatever Python packs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import Requirement

PLATFORM = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_system": "Linux",
}


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a requirement file: `name==version`, with the hashes of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        """The line as pip reads it, without condition."""
        return " ".join((f"{self.name}=={self.version}", *(f"--hash={each}" for each in self.hashes)))


def pins(text: str, *, python: str) -> tuple[Pin, ...]:
    """Return what a Python, such as 3.12, needs of a requirement file with hashes. Conditions are evaluated for it and dropped."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return tuple(pin for line in lines if (pin := _pin(line, python)) is not None)


def _pin(line: str, python: str) -> Pin | None:
    what, *hashes = re.split(r"\s+--hash=", line.strip())
    requirement = Requirement(what)
    environment = PLATFORM | {"python_version": python, "python_full_version": f"{python}.0"}
    if requirement.marker is not None and not requirement.marker.evaluate(environment):
        return None
    (specifier,) = requirement.specifier
    return Pin(requirement.name, specifier.version, tuple(hashes))
