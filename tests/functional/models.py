"""A Juju model as the stories need it, over jubilant or over zaza: both drive the same controller, each from an environment of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

ACTION_SECONDS = 1800.0
"""The longest of our actions, package-upgrade on a slow mirror, with some more."""

LOOK_SECONDS = 5.0
"""Pause between two looks at something that takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What came of an action."""

    is_done: bool
    results: Mapping[str, Any]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What Juju's status shows of a unit."""

    status: str
    message: str


class Model(Protocol):
    """What a story does to a model."""

    def units(self, application: str) -> list[str]:
        """Name the units of an application."""

    def shown(self, unit: str) -> Shown:
        """Return the workload status of a unit."""

    def address(self, unit: str) -> str:
        """Return the address under which a unit is reached from here."""

    def shell(self, unit: str, command: str) -> str:
        """Run a command on a unit as root and return what it printed. Raises where it fails."""

    def act(self, unit: str, action: str, **params: Any) -> Acted:
        """Run an action and wait for it. One that fails, or that Juju refuses, is an outcome like others."""

    def configure(self, application: str, **options: Any) -> None:
        """Set options; in their names an underscore stands for a dash."""


class JubilantModel:
    """A model over jubilant."""

    def __init__(self, juju: Any) -> None:
        self.juju = juju

    def units(self, application: str) -> list[str]:
        """Name the units of an application; those of a subordinate stand below their principals."""
        status = self.juju.status()
        return sorted(status.get_units(application))

    def shown(self, unit: str) -> Shown:
        """Return the workload status of a unit."""
        found = self.juju.status().get_units(unit.partition("/")[0])[unit].workload_status
        return Shown(status=found.current, message=found.message)

    def address(self, unit: str) -> str:
        """Return the address of a unit."""
        return str(self.juju.status().get_units(unit.partition("/")[0])[unit].public_address)

    def shell(self, unit: str, command: str) -> str:
        """Run a command on a unit."""
        return str(self.juju.exec(command, unit=unit, wait=ACTION_SECONDS).stdout)

    def act(self, unit: str, action: str, **params: Any) -> Acted:
        """Run an action."""
        import jubilant

        try:
            task = self.juju.run(unit, action, params, wait=ACTION_SECONDS)
        except jubilant.TaskError as failed:
            task = failed.task
        except jubilant.CLIError as refused:
            return Acted(is_done=False, results={}, message=refused.stderr or str(refused))
        return Acted(is_done=task.success, results=task.results, message=task.message)

    def configure(self, application: str, **options: Any) -> None:
        """Set options."""
        self.juju.config(application, {name.replace("_", "-"): value for name, value in options.items()})


class ZazaModel:
    """The model that zaza has deployed to."""

    def __init__(self) -> None:
        import juju.errors
        import zaza.model

        self._zaza = zaza.model
        self._refusal = juju.errors.JujuError

    def units(self, application: str) -> list[str]:
        """Name the units of an application."""
        return sorted(unit.entity_id for unit in self._zaza.get_units(application))

    def shown(self, unit: str) -> Shown:
        """Return the workload status of a unit."""
        found = self._zaza.get_unit_from_name(unit)
        return Shown(status=found.workload_status, message=found.workload_status_message)

    def address(self, unit: str) -> str:
        """Return the address of a unit."""
        return str(self._zaza.get_unit_public_address(self._zaza.get_unit_from_name(unit)))

    def shell(self, unit: str, command: str) -> str:
        """Run a command on a unit."""
        answer = self._zaza.run_on_unit(unit, command, timeout=int(ACTION_SECONDS))
        if answer["Code"] != "0":
            raise RuntimeError(f"{command} failed on {unit}: {answer['Stderr']}")
        return str(answer["Stdout"])

    def act(self, unit: str, action: str, **params: Any) -> Acted:
        """Run an action."""
        try:
            data = self._zaza.run_action(unit, action, action_params=params).data
        except self._refusal as refused:
            return Acted(is_done=False, results={}, message=str(refused))
        return Acted(is_done=data["status"] == "completed", results=data["results"], message=data.get("message") or "")

    def configure(self, application: str, **options: Any) -> None:
        """Set options."""
        values = {name.replace("_", "-"): str(value) for name, value in options.items()}
        self._zaza.set_application_config(application, values)


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Return when the condition holds; fail, naming what did not come, when it takes too long."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"{what} did not come within {seconds:g} s")
        time.sleep(LOOK_SECONDS)
