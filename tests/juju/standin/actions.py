"""Runs an action on a unit, as `juju run` does: parameters checked against actions.yaml, results and failure returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jsonschema

from tests.juju.standin.context import Context, Hook
from tests.juju.standin.errors import JujuError
from tests.juju.standin.running import Agent, joined

if TYPE_CHECKING:
    from tests.juju.standin.juju import Juju


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an action came to. `failure` is None where it succeeded; results are kept either way."""

    results: dict[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    failure: str | None = None


def run(juju: Juju, agent: Agent, action: str, parameters: dict[str, Any]) -> Outcome:
    """Run an action. It runs on a unit in error too, not on one that is lost or not installed yet."""
    unit = agent.unit
    charm = juju.model.applications[unit.application].charm
    if action not in charm.actions:
        raise JujuError(
            f'action "{action}" not defined on unit "{unit.name}"; there are {", ".join(sorted(charm.actions))}'
        )
    if unit.is_lost or not agent.memory.is_installed:
        raise JujuError(f"{unit.name} runs no action: its agent is lost or has not installed the charm yet")
    given = check(charm.actions[action], {name.replace("_", "-"): value for name, value in parameters.items()})
    agent.history.append(f"action {action}")
    hook = Hook(kind="action", action=action, action_id=str(len(agent.history)))
    context = Context(juju.model, unit, hook, joined=joined(agent, hook), parameters=given)
    trouble = juju.execute(agent, context)
    if agent.was_killed:
        agent.was_killed = False
        unit.is_lost = True
        trouble = "the unit was killed"
    if not trouble:
        context.flush()
    failure = trouble or context.results.failure
    return Outcome(results=context.results.values, messages=tuple(context.results.messages), failure=failure or None)


def check(action: dict[str, Any] | Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with their defaults, or refuse those that the charm does not take, as Juju does."""
    properties = action.get("params") or {}
    schema = {
        "type": "object",
        "properties": properties,
        "required": action.get("required") or [],
        "additionalProperties": action.get("additionalProperties", True),
    }
    try:
        jsonschema.validate(given, schema)
    except jsonschema.ValidationError as wrong:
        raise JujuError(f"validation failed: {wrong.message}") from wrong
    defaults = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
    return defaults | given
