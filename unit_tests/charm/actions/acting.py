"""Runs actions on a unit in a test, and gives what Juju would show of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops import testing

from masakari_charm.workload.machine import Command
from unit_tests.charm.rig import Rig, complete

ASKED = frozenset({"recovery", "fencing", "readiness", "host"})
"""What actions ask masakari-manage about; hooks ask of configuration and schema."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The results of an action, and with what words it failed; None where it did not."""

    results: Mapping[str, str]
    failure: str | None

    @property
    def outcome(self) -> str:
        """Return the sentence that sums it up."""
        return self.results["outcome"]

    @property
    def json(self) -> Any:
        """Return what is there for programs."""
        return json.loads(self.results["json"])


class Acting:
    """A unit, and its actions."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.state: testing.State | None = None

    def act(self, name: str, state: testing.State | None = None, **params: Any) -> Shown:
        """Run an action."""
        try:
            self.state = self.rig.run(
                state or complete(), lambda context: context.on.action(name, params=params or None)
            )
            failure = None
        except testing.ActionFailed as failed:
            self.state, failure = failed.state, failed.message
        return Shown(dict(self.rig.context.action_results or {}), failure)

    @property
    def asked(self) -> list[Command]:
        """Return the calls of masakari-manage that actions made, without those of hooks."""
        return [command for command in self.rig.system.commands if ASKED & {*command.argv}]
