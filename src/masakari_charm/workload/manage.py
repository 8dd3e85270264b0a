"""Asks the masakari-manage of the release that runs, for the actions. It runs as the service does: its user, its files, and no proxy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from masakari_charm.plan import CONFIG_FILE, SYSTEM_USER
from masakari_charm.workload import release
from masakari_charm.workload.machine import SAID_CHARACTERS, Answer, Command, Trouble, last_words

if TYPE_CHECKING:
    from masakari_charm.workload.machine import Machine

PROGRAM = "masakari-manage"
ASK_SECONDS = 60.0
"""What only reads the database answers in two, with a database that is slow."""

ANSWERS = (0, 1)
"""Exit codes with which a check gives its answer: 1 says that something is not well."""


def tell(machine: Machine, *words: str, timeout_seconds: float = ASK_SECONDS) -> Answer:
    """Run a command that has to succeed. Raises `Trouble` with the program's own words."""
    answer = _run(machine, words, timeout_seconds)
    if answer.code != 0:
        raise _trouble(words, answer)
    return answer


def ask(machine: Machine, *words: str, timeout_seconds: float = ASK_SECONDS) -> Any:
    """Run a command that prints JSON, and return what it printed. Raises `Trouble`."""
    answer = _run(machine, (*words, "--json"), timeout_seconds)
    try:
        if answer.code not in ANSWERS:
            raise ValueError("it ended otherwise")
        return json.loads(answer.out)
    except ValueError as error:
        raise _trouble(words, answer) from error


def _run(machine: Machine, words: tuple[str, ...], timeout_seconds: float) -> Answer:
    name = release.current(machine)
    if name is None or not machine.path(CONFIG_FILE).exists():
        raise Trouble("the service of this unit is not set up yet", "juju status says what it waits for")
    argv = (release.program(machine, PROGRAM, name), "--config-file", str(machine.path(CONFIG_FILE)), *words)
    # The model's proxies are apt's: with them, calls to Keystone and Nova would leave the cloud.
    return machine.runner(Command(argv=argv, user=SYSTEM_USER, timeout_seconds=timeout_seconds))


def _trouble(words: tuple[str, ...], answer: Answer) -> Trouble:
    what = f"{PROGRAM} {' '.join(words[:2])}"
    if answer.code is None:
        return Trouble(f"{what} did not end in time", "see /var/log/masakari on this unit, and try again")
    return Trouble(f"{what}: {_said(answer)}", "correct that and run the action again")


def _said(answer: Answer) -> str:
    """Return what the program itself said, without the log lines before it."""
    mark = f"{PROGRAM}: "
    before, found, words = answer.err.partition(mark)
    if not found or (before and not before.endswith("\n")):
        return last_words(answer) or f"it ended with {answer.code}"
    return " ".join(words.replace(mark, "").split())[:SAID_CHARACTERS]
