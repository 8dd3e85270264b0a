"""Runs `openstack` as often as it is told, each time in a fork of this process, which has loaded the client's code once.

A fork calls what the program itself calls, `openstackclient.shell.main`. Loading takes longer than all the rest of a command.
The Python of the environment that the client is installed in runs this file; it imports nothing of the project.

Standard input and output carry a JSON object per line. The first is ours: what each command of python-masakariclient can be
told. Then each request `{"arguments", "environment", "stdout", "stderr"}` is answered with `{"code"}`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import re
import signal
import sys
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

# A command that has not ended by then is killed; its code is then that of SIGALRM.
COMMAND_SECONDS = 60
# What the client itself loads as late as it can.
LATE = (
    *(
        "cliff.formatters.json_format",
        "cliff.lister",
        "cliff.show",
        "keystoneauth1.identity.generic",
        "openstack.connection",
    ),
    *("openstack.instance_ha.v1._proxy", "osc_lib.command.command"),
)


def serve() -> None:
    """Answer until standard input ends."""
    from openstackclient import shell

    for name in LATE:
        importlib.import_module(name)
    print(json.dumps(describe()), flush=True)
    for line in sys.stdin:
        print(json.dumps({"code": fork(shell.main, json.loads(line))}), flush=True)


def describe() -> dict[str, list[dict[str, Any]]]:
    """Return what each command of the plugin can be told, and under "" what the plugin lets any command be told.

    How to print belongs to every command of `openstack` and is left out.
    """
    from masakariclient import plugin

    anywhere = plugin.build_option_parser(argparse.ArgumentParser(add_help=False))
    found = {"": [_describe(each) for each in anywhere._actions]}
    for entry in distribution("python-masakariclient").entry_points:
        if entry.group.startswith("openstack.ha."):
            kind = entry.load()
            command = kind(None, None)
            inherited = {_name(action) for action in super(kind, command).get_parser(entry.name)._actions}
            actions = command.get_parser(entry.name)._actions
            found[entry.name.replace("_", " ")] = [_describe(each) for each in actions if _name(each) not in inherited]
    return found


def _describe(action: argparse.Action) -> dict[str, Any]:
    keys = re.search(r"valid (sort|filter)\s+keys\s+are:\s+\[(.*)", action.help or "", re.DOTALL)
    return {
        "name": _name(action),
        "choices": list(action.choices or ()),
        "is_list": action.nargs == "+" or isinstance(action, argparse._AppendAction),
        "keys": re.findall(r"[a-z][a-z_-]+", keys.group(2)) if keys else [],
    }


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else action.dest


def fork(main: Callable[[list[str]], int], request: dict[str, Any]) -> int:
    """Run the command in a process of its own and return its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        _become(main, request)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(main: Callable[[list[str]], int], request: dict[str, Any]) -> NoReturn:
    code: object = 1
    try:
        signal.alarm(COMMAND_SECONDS)
        os.environ.clear()
        os.environ.update(request["environment"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            with open(request[name], "wb") as file:
                os.dup2(file.fileno(), number)
        code = main(request["arguments"])
    except SystemExit as end:
        code = end.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve()
