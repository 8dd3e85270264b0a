"""The hook tools: arguments in, Juju's output and error text out.

Rules:
1. A tool is a function of a `Call`. It returns what is to be printed, or raises `ToolError` with Juju's words.
2. Wrong arguments end with code 2, a failed command with code 1, both with `ERROR ...` on standard error.
3. What is printed and said follows Juju 3.6, as far as its documentation, its answers and the ops framework show it. The
   contract tests in `test_tools_*.py` say tool by tool what is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.juju.standin.context import Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.tools import actions, others, relations, secrets, statuses
from tests.juju.standin.tools.call import Call, Tool

TOOLS: dict[str, Tool] = {
    **relations.TOOLS,
    **secrets.TOOLS,
    **statuses.TOOLS,
    **actions.TOOLS,
    **others.TOOLS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool leaves: an exit code and two texts."""

    code: int = 0
    output: str = ""
    errors: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A tool as it was started; `read` returns a file of the unit, by its path there."""

    name: str
    arguments: Sequence[str]
    standard_input: str = ""
    read: Callable[[str], str] = field(default=lambda path: "")


def answer(context: Context | None, request: Request) -> Answer:
    """Run a tool for a hook and return what its process prints and how it ends."""
    if context is None:
        return Answer(code=1, errors="ERROR no hook runs: the tools of Juju work inside one only\n")
    tool = TOOLS.get(request.name)
    if tool is None or (request.name.startswith("action-") and context.hook.kind != "action"):
        kind = "action" if request.name.startswith("action-") else "hook"
        return Answer(code=1, errors=f'ERROR bad request: unknown {kind} command: "{request.name}"\n')
    try:
        call = Call(context, request.name, tool.flags, request.arguments, request.standard_input, request.read)
        output = tool.run(call)
    except ToolError as refused:
        return Answer(code=refused.code, errors=f"ERROR {refused}\n")
    return Answer(output=output)


__all__ = ["TOOLS", "Answer", "Call", "Request", "answer"]
