"""One call of a hook tool: its arguments in Juju's grammar, and its output in Juju's formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.juju.standin.context import Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.model import Relation

TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
FORMATS = ("json", "smart", "yaml")


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool runs and which options it has; a flag takes no value, any other option one."""

    run: Callable[[Call], str]
    options: str = ""
    switches: str = ""
    smart: bool = True

    @property
    def flags(self) -> dict[str, bool]:
        """Return option -> whether it takes a value."""
        return dict.fromkeys(self.options.split(), True) | dict.fromkeys(self.switches.split(), False)


class Call:
    """A tool's arguments, taken apart; `words` are those that are no options."""

    def __init__(
        self,
        context: Context,
        name: str,
        flags: dict[str, bool],
        arguments: Sequence[str],
        standard_input: str,
        read: Callable[[str], str],
    ) -> None:
        """Take the arguments apart, or refuse them in Juju's words."""
        self.context = context
        self.name = name
        self.standard_input = standard_input
        self.read = read
        self.values: dict[str, str] = {}
        self.words: list[str] = []
        self._parse(flags, list(arguments))

    def _parse(self, flags: dict[str, bool], waiting: list[str]) -> None:
        """Options and words may be mixed; after `--` all are words."""
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                self.words += waiting
                return
            if not argument.startswith("-") or argument == "-":
                self.words.append(argument)
                continue
            name, equals, value = argument.lstrip("-").partition("=")
            dashes = argument[: len(argument) - len(argument.lstrip("-"))]
            if name not in flags:
                raise ToolError(f"option provided but not defined: {dashes}{name}", code=2)
            if flags[name] and not equals:
                if not waiting:
                    raise ToolError(f"option needs an argument: {dashes}{name}", code=2)
                value = waiting.pop(0)
            self.values[name] = value if flags[name] else truth(value if equals else "true", dashes + name)

    def option(self, *names: str) -> str:
        """Return the value that was given under one of these names, else an empty text."""
        return next((self.values[name] for name in names if name in self.values), "")

    def switch(self, name: str) -> bool:
        """Whether a flag is on."""
        return self.values.get(name) == "true"

    def no_more(self, count: int) -> None:
        """Refuse words after the first `count`."""
        if len(self.words) > count:
            listed = " ".join(json.dumps(word) for word in self.words[count:])
            raise ToolError(f"unrecognized args: [{listed}]", code=2)

    def relation(self) -> Relation:
        """Return the relation of `-r`, or of the hook; `endpoint:7` and `7` are the same."""
        given = self.option("r", "relation")
        name = "-r" if "r" in self.values else "--relation"
        if not given:
            if self.context.hook.relation is None:
                raise ToolError("no relation id specified", code=2)
            return self.context.relation(self.context.hook.relation)
        endpoint, _, number = given.rpartition(":")
        if not number.isdigit():
            raise ToolError(f'invalid value "{given}" for option {name}: invalid relation id', code=2)
        try:
            found = self.context.relation(int(number))
        except ToolError as gone:
            raise ToolError(f'invalid value "{given}" for option {name}: {gone}', code=2) from gone
        if endpoint and endpoint != self.context.endpoint(found):
            raise ToolError(f'invalid value "{given}" for option {name}: relation not found', code=2)
        return found

    def has_relation(self) -> bool:
        """Whether one was named, or the hook has one."""
        return bool(self.option("r", "relation")) or self.context.hook.relation is not None

    def show(self, value: Any, *, default: str = "smart") -> str:
        """Return a value in the format that was asked for."""
        kind = self.option("format") or default
        if kind not in FORMATS or (kind == "smart" and default != "smart"):
            raise ToolError(f'invalid value "{kind}" for option --format: unknown format "{kind}"', code=2)
        if kind == "json":
            return go_json(value) + "\n"
        if kind == "smart":
            return smart(value)
        return "" if value is None else yaml.safe_dump(value, default_flow_style=False)


def truth(text: str, option: str) -> str:
    """Return true or false for what Go takes as one."""
    if text in TRUE:
        return "true"
    if text in FALSE:
        return "false"
    raise ToolError(
        f'invalid boolean value "{text}" for {option}: strconv.ParseBool: parsing "{text}": invalid syntax', code=2
    )


def go_json(value: Any) -> str:
    """Return JSON as Go prints it: no blanks, sorted, and what HTML could stumble over as escapes."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def smart(value: Any) -> str:
    """Return a text bare, a list of texts line by line, a truth as Python spells it, and the rest as YAML."""
    if value is None or value in ("", []):
        return ""
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return "\n".join(value) + "\n"
    if isinstance(value, str | bool | int | float):
        return f"{value}\n"
    return str(yaml.safe_dump(value, default_flow_style=False))


def pairs(words: Sequence[str], *, empty_allowed: bool = True) -> dict[str, str]:
    """Return key=value words as a dictionary, refused in Juju's words where they are none."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ToolError(f'expected "key=value", got "{word}"', code=2)
        if key in found:
            raise ToolError(f'key "{key}" specified more than once', code=2)
        if not value and not empty_allowed:
            raise ToolError(f'expected "key=value", got "{word}"', code=2)
        found[key] = value
    return found
