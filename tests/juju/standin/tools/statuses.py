"""status-get, status-set, application-version-set, is-leader and goal-state."""

from __future__ import annotations

from typing import Any

from tests.juju.standin.context import NOT_LEADER
from tests.juju.standin.errors import ToolError
from tests.juju.standin.model import Status, Unit, now
from tests.juju.standin.tools.call import Call, Tool

SETTABLE = ("maintenance", "blocked", "waiting", "active")


def status_set(call: Call) -> str:
    """Set the unit's status, or as the leader the application's. It holds at once, whatever becomes of the hook."""
    if not call.words:
        raise ToolError("invalid args, require <status> [message]", code=2)
    if call.words[0] not in SETTABLE:
        raise ToolError(f'invalid status "{call.words[0]}", expected one of [{" ".join(SETTABLE)}]', code=2)
    call.no_more(2)
    status = Status(call.words[0], call.words[1] if len(call.words) > 1 else "")
    if call.switch("application"):
        if not call.context.is_leader:
            raise ToolError(NOT_LEADER)
        call.context.application.status = status
    else:
        call.context.unit.status = status
    return ""


def status_get(call: Call) -> str:
    """Print the unit's status, or as the leader the application's with its units."""
    call.no_more(0)
    whole = call.switch("include-data")
    if not call.switch("application"):
        status = call.context.unit.status
        return call.show(status.word if not whole and not call.option("format") else details(status, whole=whole))
    if not call.context.is_leader:
        raise ToolError(f"finding application status: {NOT_LEADER}")
    model, name = call.context.model, call.context.unit.application
    status = model.application_status(name)
    if not whole and not call.option("format"):
        return call.show(status.word)
    units = {unit.name: details(unit.status, whole=whole) for unit in model.units_of(name)}
    return call.show({"application-status": details(status, whole=whole) | {"units": units}})


def details(status: Status, *, whole: bool) -> dict[str, Any]:
    """Return a status as a mapping, with its message where all was asked for."""
    return {"status": status.word} | ({"message": status.message, "status-data": {}} if whole else {})


def application_version_set(call: Call) -> str:
    """Note the version of the workload."""
    if not call.words:
        raise ToolError("no version specified", code=2)
    call.no_more(1)
    call.context.application.version = call.words[0]
    return ""


def is_leader(call: Call) -> str:
    """Print whether the unit leads, as True or False."""
    call.no_more(0)
    return call.show(call.context.is_leader)


def goal_state(call: Call) -> str:
    """Print the units and relations that are there or will be."""
    call.no_more(0)
    model, mine = call.context.model, call.context.unit.application
    relations: dict[str, dict[str, Any]] = {}
    for relation in model.relations_of(mine):
        if relation.is_peer:
            continue
        far = relation.other(mine)
        entry = relations.setdefault(relation.ends[mine], {})
        entry[far] = {"status": "dying" if relation.is_dying else "joined", "since": now()}
        entry |= units(model.units_of(far))
    return call.show({"units": units(model.units_of(mine)), "relations": relations}, default="yaml")


def units(found: list[Unit]) -> dict[str, Any]:
    """Return units as goal-state lists them."""
    return {
        unit.name: {"status": "dying" if unit.is_dying else unit.status.word, "since": unit.status.since}
        for unit in found
    }


TOOLS = {
    "status-set": Tool(status_set, "", "application"),
    "status-get": Tool(status_get, "format", "include-data application"),
    "application-version-set": Tool(application_version_set),
    "is-leader": Tool(is_leader, "format"),
    "goal-state": Tool(goal_state, "format"),
}
