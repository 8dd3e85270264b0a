"""The `openstack` command, run by openstack_forks.py."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FORKS = Path(__file__).with_name("openstack_forks.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command was told, and what it said."""

    arguments: tuple[str, ...]
    code: int
    output: str
    errors: str


class Commands:
    """An environment's `openstack`. `can_be_told` has the arguments of each command of python-masakariclient."""

    def __init__(self, python: str, folder: Path) -> None:
        """Load the client that this Python has; `folder` is the home of whoever calls it."""
        self.finished: list[Finished] = []
        self._folder = folder
        self._python = python
        self._process = subprocess.Popen(
            [python, str(FORKS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment({}),
        )
        self.can_be_told: dict[str, list[dict[str, Any]]] = self._answer()

    def run(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Finished:
        """Run `openstack` with these arguments and return what it said."""
        stdout, stderr = self._folder / "stdout", self._folder / "stderr"
        request = {"arguments": arguments, "environment": self._environment(environment)}
        assert self._process.stdin is not None
        print(
            json.dumps({**request, "stdout": str(stdout), "stderr": str(stderr)}), file=self._process.stdin, flush=True
        )
        code = self._answer()["code"]
        finished = Finished(arguments=arguments, code=code, output=stdout.read_text(), errors=stderr.read_text())
        self.finished.append(finished)
        return finished

    def run_program(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Finished:
        """Run the program itself, as a shell does."""
        program = Path(self._python).with_name("openstack")
        done = subprocess.run(
            [str(program), *arguments],
            env=self._environment(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Finished(arguments=arguments, code=done.returncode, output=done.stdout, errors=done.stderr)

    def told(self, arguments: tuple[str, ...]) -> tuple[str, dict[str, list[str]]]:
        """Return which command these arguments are, and what they tell it. Every option in our tests has a value."""
        plain, told, rest = [], defaultdict(list), iter(arguments)
        for word in rest:
            if word.startswith("-"):
                told[word].append(next(rest))
            else:
                plain.append(word)
        name = max((each for each in self.can_be_told if plain[: len(each.split())] == each.split()), key=len)
        for position, value in enumerate(plain[len(name.split()) :]):
            places = [each["name"] for each in self.can_be_told[name] if not each["name"].startswith("-")]
            told[places[min(position, len(places) - 1)]].append(value)
        return name, told

    def stop(self) -> None:
        """End the process that forks."""
        self._process.communicate(timeout=60)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{FORKS.name} ended; what it said stands above"
        return json.loads(line)

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), **more}
