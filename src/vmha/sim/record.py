"""What happened in the simulated world, as plain facts with times. The checker reads nothing else.

A fact is a dictionary of JSON values with `at` (seconds) and `what`; the other keys depend on `what`:

    world      seed, report_seconds, service_down_seconds       the first fact of every record
    host       host, vcpus                                      a host joins the cloud
    power      host, on, by                                     the truth, not what a BMC says
    crash      host                                             the kernel dies, the power stays on
    compute    host, state (alive, hung, dead)
    network    host, cut
    guest      instance, host, runs, why                        a guest really starts or stops
    bmc        host, machine, order (read, off, on), caller,    `host` is whom the caller means, `machine` who is behind it;
               outcome, powered, well_seconds, heard_seconds    the last three are the truth about the machine at that moment
    service    host, forced_down, disabled, disabled_reason, caller, orders_down (this PUT forced it down)
    service_deleted host, caller
    evacuation instance, source, target, caller, sent_at, outcome (taken, refused), status, migration
    order      instance, host, order (stop, start), caller, outcome (taken, refused), status
    migration  migration, instance, kind, source, destination, status
    server     instance, host, vm_state, task_state, why        Nova's belief
    owner      instance, act
    word       host, by, why                                    a human took responsibility for the host
    claim      host, engine, subject                            an engine took over the host's recovery, or that of something there
    recovery   host, is_open                                    a recovery of the host was opened, or has ended
    fault      fault, and its arguments                         somebody asked for it
    mishap     mishap, api, call or host                        it befell somebody
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Fact = dict[str, Any]


class Record:
    """The facts in the order in which they happened. A listener hears each new one at once."""

    __slots__ = ("facts", "listeners")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.listeners: list[Callable[[Fact], None]] = []

    def add(self, fact: Fact) -> None:
        """Append one fact and tell the listeners."""
        self.facts.append(fact)
        for listener in self.listeners:
            listener(fact)

    def of(self, what: str, **matching: object) -> list[Fact]:
        """Return the facts of one kind whose keys have the given values."""
        return [
            fact
            for fact in self.facts
            if fact["what"] == what and all(fact.get(key) == value for key, value in matching.items())
        ]


def write_lines(facts: Iterable[Fact], path: Path) -> None:
    """Write facts as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(fact) + "\n" for fact in facts)


def read_lines(path: Path) -> list[Fact]:
    """Read facts from JSON lines, leaving out a last line that is still being written."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
