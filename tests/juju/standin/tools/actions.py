"""action-get, action-set, action-log and action-fail; each exists only while an action runs."""

from __future__ import annotations

import re
from typing import Any

from tests.juju.standin.errors import ToolError
from tests.juju.standin.tools.call import Call, Tool

KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
RESERVED = ("stdout", "stdout-encoding", "stderr", "stderr-encoding")
NO_REASON = "action failed without reason given, check action for errors"


def action_get(call: Call) -> str:
    """Print the parameters, or the one at a dotted key."""
    call.no_more(1)
    found: Any = call.context.parameters
    if call.words:
        for key in call.words[0].split("."):
            found = found.get(key) if isinstance(found, dict) else None
    return call.show(found)


def action_set(call: Call) -> str:
    """Add results; a dotted key makes a mapping."""
    for word in call.words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ToolError(f'argument "{word}" must be of the form key...=value', code=2)
        path = key.split(".")
        for part in path:
            if not KEY.fullmatch(part):
                raise ToolError(
                    f'key "{part}" must start and end with lowercase alphanumeric, '
                    "and contain only lowercase alphanumeric, hyphens and periods",
                    code=2,
                )
            if part in RESERVED:
                raise ToolError(f'cannot set reserved action key "{part}"', code=2)
        put(call.context.results.values, path, value)
    return ""


def put(values: dict[str, Any], path: list[str], value: str) -> None:
    """Put a value at a path, over whatever is in the way."""
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    values[path[-1]] = value


def action_log(call: Call) -> str:
    """Show a line to whoever runs the action."""
    if not call.words:
        raise ToolError("no message specified", code=2)
    call.context.results.messages.append(" ".join(call.words))
    return ""


def action_fail(call: Call) -> str:
    """Let the action fail with a message. What the action wrote stays written."""
    call.no_more(1)
    call.context.results.failure = call.words[0] if call.words else NO_REASON
    return ""


TOOLS = {
    "action-get": Tool(action_get, "format"),
    "action-set": Tool(action_set),
    "action-log": Tool(action_log),
    "action-fail": Tool(action_fail),
}
