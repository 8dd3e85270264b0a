"""Reads recovery.yaml: what is done about which failure, for all segments and for some.

The file, by default /etc/masakari/recovery.yaml:

    default:                # every segment that says nothing else
      host: recover         # recover, power_off, report or confirm
      instance: recover     # recover, report or confirm
      process: recover      # recover, report or confirm
    segments:               # optional
      rack-1:               # the segment by its name
        host: confirm

Rules
1. A file with a fault is not used at all, and the engine does not start. Every fault is reported, with file, line and what to do.
2. A part that is empty says nothing: what stands under it may be commented out.
3. No file means that everything is recovered. A file that an option names and that does not exist is a fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmha.adapters.yaml_file import YamlFile, is_null
from vmha.core.workflows import Choice, Failure, Workflow, Workflows
from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    import yaml

USUAL_PLACE = Path("/etc/masakari/recovery.yaml")
FAILURES = tuple(failure.value for failure in Failure)


def load_workflows(path: Path) -> Workflows:
    """Read and check the file. Raises `ConfigurationError`, which names every fault of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if path == USUAL_PLACE:
            return Workflows()
        raise ConfigurationError(
            f"there is no {path}, which [recovery] policy_file names; write it, or leave the option out: everything is recovered then"
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise ConfigurationError(f"cannot read {path}: {why}; make it readable for the user of this service") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot use {path}: it is not UTF-8; write it anew") from error
    reader = _Reader(path, "recovery policy")
    choices = reader.read(text)
    if reader.faults:
        raise ConfigurationError(reader.complaint())
    return Workflows(choices)


class _Reader(YamlFile):
    """Makes choices of the nodes."""

    def read(self, text: str) -> tuple[Choice, ...]:
        """Return the choices without fault; an empty text has none."""
        root = self.compose(text)
        if root is None or is_null(root):
            return ()
        top = self.keys(root, "the file", known=("default", "segments"))
        choices = self._choices(top["default"], "default", None) if "default" in top else []
        if "segments" in top and not is_null(top["segments"]):
            for name, node in self.keys(top["segments"], "segments", known=None).items():
                choices += self._choices(node, f"segment {name}", name)
        return tuple(choices)

    def _choices(self, node: yaml.Node, where: str, segment: str | None) -> list[Choice]:
        entries = {} if is_null(node) else self.keys(node, where, known=FAILURES)
        found = [(Failure(name), self._workflow(node, entries, name, where)) for name in entries]
        return [Choice(segment, failure, workflow) for failure, workflow in found if workflow is not None]

    def _workflow(self, node: yaml.Node, entries: dict[str, yaml.Node], name: str, where: str) -> Workflow | None:
        known = [each.value for each in Workflow if name == "host" or each is not Workflow.POWER_OFF]
        text = self.text(node, entries, name, where)
        if text is None or text in known:
            return None if text is None else Workflow(text)
        self.fault(
            entries[name], where, f'{name} "{text}" is no workflow; write {", ".join(known[:-1])} or {known[-1]}'
        )
        return None
