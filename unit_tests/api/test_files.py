"""Runs the cases of the YAML files beside it: requests to the API and what must come back.

A file is a list of cases, each with a database of its own: `holds` says what the case shows, `world` changes how the API is
set up, `steps` happen in order. A step is a request or a statement:

    do: POST /v1/segments         the request; {name} stands for a value that an earlier step kept
    below: /instance-ha           what a web server took off the path;
    version: "1.2"                microversion;  `headers`: further headers;  `send`: JSON body;  `raw`: body as it is
    status: 201                   what must come back;  `body`: exactly this JSON;  `has`: at least this;  `text`: this text
    fault: {badRequest: "..."}    an error's envelope, its code being the status
    shows: {Vary: "..."}          headers of the answer, null for none
    keep: {segment: segment.uuid} names parts of the answer for later steps
    cases: [...]                  the step is done once with each of these added to it

    sql: select ...               a statement to the database;  `rows`: what it must return, a truth value being 0 or 1

In what is expected <uuid>, <time>, <now> (a time in whole seconds), <int> and <text> stand for any such value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from unit_tests.api.world import World

Note = Callable[[str, str, Any], None]
KINDS = {
    "<uuid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}",
    "<now>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000",
    "<int>": r"\d+",
    "<text>": r".+",
}


def cases() -> list[Any]:
    """Return every case of every file."""
    return [
        pytest.param(case, id=f"{path.stem}: {case['holds']}")
        for path in sorted(Path(__file__).parent.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())
    ]


@pytest.mark.parametrize("case", cases())
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    """What the case says holds."""
    play(case, tmp_path)


def play(case: dict[str, Any], folder: Path, note: Note = lambda method, path, answer: None) -> None:
    """Do the steps of a case in a world of its own; `note` is told each answer."""
    world = World(folder, **case.get("world", {}))
    kept: dict[str, str] = {}
    for step in case["steps"]:
        for added in step.get("cases", [{}]):
            run({name: value for name, value in step.items() if name != "cases"} | added, world, kept, note)
    world.engine.dispose()


def run(step: dict[str, Any], world: World, kept: dict[str, str], note: Note) -> None:
    """Do one step, compare, and keep what was asked for."""
    step = filled(step, kept)
    if "sql" in step:
        with world.engine.begin() as connection:
            result = connection.execute(text(step["sql"]))
            rows = list(result) if result.returns_rows else []
            found = [[int(each) if isinstance(each, bool) else each for each in row] for row in rows]
        assert matches(found, step.get("rows", found)), f"{step['sql']} returned {found}"
        return
    answer = request(step, world)
    note(*step["do"].split(" ", 1), answer)
    shown = f"{step['do']} with {step.get('send', step.get('raw'))} answered {answer.status} {dict(answer.headers)} {answer.text}"
    assert answer.status_int == step["status"], shown
    for name, value in step.get("shows", {}).items():
        assert answer.headers.get(name) == value if value is None else matches(answer.headers.get(name), value), shown
    if "text" in step:
        assert answer.text == step["text"], shown
    if "body" in step:
        assert matches(answer.json, step["body"]), shown
    if "has" in step:
        assert contains(answer.json, step["has"]), shown
    if "fault" in step:
        ((name, message),) = step["fault"].items()
        assert matches(answer.json, {name: {"code": step["status"], "message": message}}), shown
    for name, path in step.get("keep", {}).items():
        kept[name] = str(part(answer.json, path))


def request(step: dict[str, Any], world: World) -> Any:
    """Send a step's request."""
    method, path = step["do"].split(" ", 1)
    headers = dict(step.get("headers", {}))
    if "version" in step:
        headers["OpenStack-API-Version"] = f"instance-ha {step['version']}"
    raw = step["raw"].encode("latin-1") if "raw" in step else None
    return world.call(method, path, send=step.get("send"), raw=raw, headers=headers, below=step.get("below", ""))


def filled(value: Any, kept: dict[str, str]) -> Any:
    """Put kept values where their names stand in braces."""
    if isinstance(value, dict):
        return {name: each if name == "keep" else filled(each, kept) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, kept) for each in value]
    return re.sub(r"\{(\w+)\}", lambda name: kept.get(name[1], name[0]), value) if isinstance(value, str) else value


def matches(found: Any, wanted: Any) -> bool:
    """Compare, letting a placeholder stand for any value of its kind. The order of keys is part of the contract."""
    if isinstance(wanted, dict):
        same = isinstance(found, dict) and list(found) == list(wanted)
        return same and all(matches(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(matches(*pair) for pair in zip(found, wanted, strict=True))
    if isinstance(wanted, str) and wanted in KINDS:
        return not isinstance(found, bool) and re.fullmatch(KINDS[wanted], str(found), re.DOTALL) is not None
    return type(found) is type(wanted) and bool(found == wanted)


def contains(found: Any, wanted: Any) -> bool:
    """Compare only those keys that are wanted."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(contains(found.get(name), wanted[name]) for name in wanted)
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        return all(contains(*pair) for pair in zip(found, wanted, strict=True))
    return matches(found, wanted)


def part(found: Any, path: str) -> Any:
    """Follow a dotted path of keys and positions."""
    for step in path.split("."):
        found = found[int(step)] if step.isdigit() else found[step]
    return found


def test_every_request_says_what_must_come_back() -> None:
    """No request of the files goes by without a look at its status."""
    for parameter in cases():
        for step in parameter.values[0]["steps"]:
            for added in step.get("cases", [{}]):
                assert "sql" in step or "status" in step | added, step
