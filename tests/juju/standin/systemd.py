"""The recorder of systemctl: systemd's answers and exit codes, as far as a charm asks for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.juju.standin.machine import Machine, Service, full
from tests.juju.standin.tools import Answer


def systemctl(machine: Machine, arguments: list[str]) -> Answer:
    """Start, stop, enable, mask and ask, as systemd would report it."""
    options = [word for word in arguments if word.startswith("-")]
    words = [word for word in arguments if not word.startswith("-")]
    if not words:
        return Answer()
    verb, names = words[0], words[1:]
    if verb in ("show", "cat", "status"):
        return SHOWS[verb](machine, names, arguments)
    if verb in ASKS:
        return ask(machine, verb, names, quiet="--quiet" in options or "-q" in options)
    if verb not in CHANGES:
        return Answer()
    answers = [CHANGES[verb](machine, name) for name in names]
    if verb in ("enable", "disable", "mask") and "--now" in options:
        answers += [CHANGES["start" if verb == "enable" else "stop"](machine, name) for name in names]
    return next((answer for answer in answers if answer.code), Answer())


def start(machine: Machine, name: str) -> Answer:
    """Start a unit that is there, not masked, and has its program."""
    service = machine.service(name)
    if service.is_active:
        return Answer()
    return restart(machine, name)


def restart(machine: Machine, name: str) -> Answer:
    """Start it anew."""
    service, path = machine.service(name), machine.unit_file(name)
    if service.is_masked:
        return Answer(code=1, errors=f"Failed to start {full(name)}: Unit {full(name)} is masked.\n")
    if path is None:
        return Answer(code=5, errors=f"Failed to start {full(name)}: Unit {full(name)} not found.\n")
    program = program_of(path)
    if program and not exists(machine.root(), program):
        service.is_active = False
        return Answer(
            code=1,
            errors=f"Job for {full(name)} failed because the control process exited with error code.\n"
            f"{full(name)}: Failed to locate executable {program}: No such file or directory\n",
        )
    service.is_active = True
    service.starts += 1
    return Answer()


def program_of(unit_file: Path) -> str:
    """Return the program that a unit starts, without what systemd lets stand before it."""
    found = re.search(r"^ExecStart=[-@:+!]*(\S+)", unit_file.read_text(), re.MULTILINE)
    return found[1] if found else ""


def exists(root: Path, path: str, *, hops: int = 20) -> bool:
    """Whether a file is there inside a root, where links that are absolute stay inside."""
    here = Path()
    parts = list(Path(path).parts[1:])
    while parts:
        part = parts.pop(0)
        here = here.parent if part == ".." else here / part
        place = root / here
        if place.is_symlink():
            hops -= 1
            target = place.readlink()
            if hops < 0:
                return False
            here = Path() if target.is_absolute() else here.parent
            parts = [word for word in target.parts if word != "/"] + parts
        elif not place.exists():
            return False
    return True


def stop(machine: Machine, name: str) -> Answer:
    """Stop a unit; one that is not there cannot be stopped."""
    if machine.unit_file(name) is None and full(name) not in machine.services:
        return Answer(code=5, errors=f"Failed to stop {full(name)}: Unit {full(name)} not loaded.\n")
    machine.service(name).is_active = False
    return Answer()


def reload(machine: Machine, name: str) -> Answer:
    """Let a running unit read its files again."""
    service = machine.service(name)
    if not service.is_active:
        return Answer(code=1, errors=f"{full(name)} is not active, cannot reload.\n")
    service.reloads += 1
    return Answer()


def reload_or_restart(machine: Machine, name: str) -> Answer:
    """Reload what runs, start what does not."""
    return reload(machine, name) if machine.service(name).is_active else start(machine, name)


def try_restart(machine: Machine, name: str) -> Answer:
    """Restart what runs."""
    return restart(machine, name) if machine.service(name).is_active else Answer()


def enable(machine: Machine, name: str) -> Answer:
    """Enable a unit that is there and not masked."""
    service = machine.service(name)
    if service.is_masked:
        return Answer(code=1, errors=f"Failed to enable unit: Unit file {full(name)} is masked.\n")
    if machine.unit_file(name) is None:
        return Answer(code=1, errors=f"Failed to enable unit: Unit file {full(name)} does not exist.\n")
    service.is_enabled = True
    return Answer()


def disable(machine: Machine, name: str) -> Answer:
    """Disable a unit."""
    if machine.unit_file(name) is None and full(name) not in machine.services:
        return Answer(code=1, errors=f"Failed to disable unit: Unit file {full(name)} does not exist.\n")
    machine.service(name).is_enabled = False
    return Answer()


def mask(machine: Machine, name: str) -> Answer:
    """Mask a unit: nothing starts it until it is unmasked."""
    machine.service(name).is_masked = True
    return Answer()


def unmask(machine: Machine, name: str) -> Answer:
    """Unmask a unit."""
    machine.service(name).is_masked = False
    return Answer()


CHANGES: dict[str, Callable[[Machine, str], Answer]] = {
    "start": start,
    "stop": stop,
    "restart": restart,
    "reload": reload,
    "reload-or-restart": reload_or_restart,
    "try-restart": try_restart,
    "try-reload-or-restart": lambda machine, name: (
        reload(machine, name) if machine.service(name).is_active else Answer()
    ),
    "enable": enable,
    "disable": disable,
    "mask": mask,
    "unmask": unmask,
}
ASKS = ("is-active", "is-enabled", "is-failed")
# What systemctl ends with when the answer is no.
NO = {"is-active": 3, "is-enabled": 1, "is-failed": 1}


def ask(machine: Machine, verb: str, names: list[str], *, quiet: bool) -> Answer:
    """Print a word for each unit; one yes is a yes."""
    said = [word_for(machine, verb, name) for name in names]
    yes = any(word in ("active", "enabled", "failed") for word in said)
    if verb == "is-enabled" and "not-found" in said:
        missing = names[said.index("not-found")]
        return Answer(code=1, errors=f"Failed to get unit file state for {full(missing)}: No such file or directory\n")
    return Answer(code=0 if yes else NO[verb], output="" if quiet else "".join(f"{word}\n" for word in said))


def word_for(machine: Machine, verb: str, name: str) -> str:
    """Return systemd's word for a unit's state."""
    service = machine.services.get(full(name), Service())
    if verb != "is-enabled":
        return "active" if service.is_active else "inactive"
    if service.is_masked:
        return "masked"
    if machine.unit_file(name) is None:
        return "not-found"
    return "enabled" if service.is_enabled else "disabled"


def show(machine: Machine, names: list[str], arguments: Sequence[str]) -> Answer:
    """Print properties as name=value; only those that a charm asks for are known."""
    line = " ".join(arguments)
    wanted = [group.split(",") for group in re.findall(r"(?:-p|--property)[= ]?(\S+)", line)]
    properties = [name for group in wanted for name in group] or ["ActiveState", "LoadState", "UnitFileState"]
    values_of_options = {",".join(group) for group in wanted}
    is_value_only = "--value" in arguments
    printed = ""
    for name in (name for name in names if name not in values_of_options):
        service = machine.services.get(full(name), Service())
        loaded = "loaded" if machine.unit_file(name) else "not-found"
        known = {
            "Id": full(name),
            "ActiveState": "active" if service.is_active else "inactive",
            "SubState": "running" if service.is_active else "dead",
            "LoadState": "masked" if service.is_masked else loaded,
            "UnitFileState": word_for(machine, "is-enabled", name),
            "MainPID": "1" if service.is_active else "0",
            "NRestarts": "0",
        }
        values = [(key, known.get(key, "")) for key in properties]
        printed += "".join(f"{value}\n" if is_value_only else f"{key}={value}\n" for key, value in values)
    return Answer(output=printed)


def cat(machine: Machine, names: list[str], _: Sequence[str]) -> Answer:
    """Print the unit files."""
    paths = [machine.unit_file(name) for name in names]
    if None in paths:
        return Answer(code=1, errors=f"No files found for {full(names[paths.index(None)])}.\n")
    return Answer(output="".join(path.read_text() for path in paths if path))


def status(machine: Machine, names: list[str], _: Sequence[str]) -> Answer:
    """Print one line per unit; 3 where one does not run, 4 where one is not there."""
    words = [word_for(machine, "is-active", name) for name in names]
    output = "".join(f"{full(name)} {word}\n" for name, word in zip(names, words, strict=True))
    missing = any(machine.unit_file(name) is None for name in names)
    return Answer(code=4 if missing else 3 if "inactive" in words else 0, output=output)


SHOWS = {"show": show, "cat": cat, "status": status}
