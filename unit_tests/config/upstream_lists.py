"""Prints what upstream's options are, or its rules of policy, from its own entry points.

Run by the Python of an environment that has upstream Masakari (tests/differential/upstream.txt pins one):

    python unit_tests/config/upstream_lists.py options > unit_tests/config/upstream-22.0.0.txt
    python unit_tests/config/upstream_lists.py policy > unit_tests/config/upstream-policy.txt

A line is `group name [was=old-name] [low=bound] = default`, or `rule: check`. Libraries show only their groups, but all that
they have in DEFAULT, and oslo.db all: of its options not every one is read here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

OURS = ("masakari.conf", "customized_recovery_flow_opts")
LISTED = (*OURS, "oslo.db")
LIBRARIES = (
    *("keystonemiddleware.auth_token", "oslo.concurrency", "oslo.db", "oslo.log", "oslo.messaging", "oslo.middleware"),
    *("oslo.policy", "oslo.service.periodic_task", "oslo.service.service"),
)
# Defaults that are places or names of the machine that asks.
MACHINE = {"pybasedir", "bindir", "host"}


def options() -> Iterator[str]:
    """Yield a line for each option."""
    for space in (*OURS, *LIBRARIES):
        (entry,) = [found for found in entry_points(group="oslo.config.opts") if found.name == space]
        for group, opts in entry.load()():
            name = str(getattr(group, "name", group) or "DEFAULT")
            if space in LISTED or name == "DEFAULT":
                yield from (described(name, opt) for opt in opts)
            else:
                yield f"{name} *"


def described(group: str, opt: Any) -> str:
    """Describe one option; oslo.config takes - and _ for the same."""
    here = [old for old in opt.deprecated_opts if (old.group or group).lower() == group.lower()]
    was = [old.name.replace("-", "_") for old in here if old.name and old.name != opt.name]
    words = [group, opt.dest, *(f"was={old}" for old in dict.fromkeys(was))]
    if getattr(opt.type, "min", None) is not None:
        words.append(f"low={opt.type.min}")
    default = "(of the machine)" if opt.dest in MACHINE else opt.sample_default or opt.default
    return f"{' '.join(words)} = {default}"


def policy() -> Iterator[str]:
    """Yield a line for each rule."""
    (entry,) = [found for found in entry_points(group="oslo.policy.policies") if found.name == "masakari"]
    for rule in entry.load()():
        yield f"{rule.name}: {rule.check_str}"


if __name__ == "__main__":
    lines = {"options": options, "policy": policy}[sys.argv[1]]()
    for line in dict.fromkeys(re.sub(r"\s+", " ", line) for line in lines):
        print(line.rstrip())
