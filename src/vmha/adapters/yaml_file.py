"""A YAML file of an operator's as nodes, which know their lines: every fault is collected, with the line and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_TAG = "tag:yaml.org,2002:"


class YamlFile:
    """Walks the nodes of one file and collects faults. `what` is what the file is, in a sentence."""

    def __init__(self, path: Path, what: str) -> None:
        self.faults: set[tuple[int, str]] = set()
        self._path = path
        self._what = what

    def complaint(self) -> str:
        """Return every fault in the order of the file, one per line."""
        lines = [f"{self._path}:{line}: {text}" for line, text in sorted(self.faults)]
        many = f"{len(lines)} faults" if len(lines) > 1 else "1 fault"
        return "\n  ".join([f"cannot use the {self._what} {self._path}, {many}:", *lines])

    def fault(self, node: yaml.Node, where: str, text: str) -> None:
        """Remember a fault."""
        self.faults.add((node.start_mark.line + 1, f"{where}: {text}"))

    def compose(self, text: str) -> yaml.Node | None:
        """Return the root, None where there is none; a text that is no YAML is a fault."""
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            # YAML's own words may quote the file, and what stands there may be a password.
            if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
                line = error.problem_mark.line + 1
            else:
                line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            advice = "check indentation and colons, and put values with special characters in quotes"
            self.faults.add((line, f"this is not YAML; {advice}"))
            return None
        except RecursionError:
            self.faults.add((1, "brackets or levels are nested deeper than this file needs; look for one too many"))
            return None

    def keys(self, node: yaml.Node, where: str, *, known: tuple[str, ...] | None) -> dict[str, yaml.Node]:
        """Return the entries of a mapping; unknown and repeated keys are faults, `known` None allows any."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, where, "must be a mapping of keys to values")
            return {}
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                self.fault(key, where, "a key must be a plain name")
            elif name in entries:
                self.fault(key, where, f'"{name}" stands here twice; remove one')
            elif known is not None and name not in known:
                self.fault(key, where, f'unknown key "{name}"; known keys are {", ".join(known)}')
            else:
                entries[name] = value
        return entries

    def text(self, section: yaml.Node, entries: dict[str, yaml.Node], key: str, where: str) -> str | None:
        """Return a scalar as it is written."""
        node = entries.get(key)
        if node is None:
            self.fault(section, where, f"{key} is missing; add it")
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.fault(node, where, f"{key} must be one value; if it is one, put it in quotes")
        elif not node.tag.startswith(_TAG):
            self.fault(node, where, f"{key} begins with a sign of YAML's own; put it in quotes")
        elif is_null(node) or not node.value:
            self.fault(node, where, f"{key} is empty; write it, in quotes where it begins with a special sign")
        else:
            return str(node.value)
        return None


def is_null(node: yaml.Node) -> bool:
    """Tell whether nothing stands there."""
    return bool(node.tag == f"{_TAG}null")
