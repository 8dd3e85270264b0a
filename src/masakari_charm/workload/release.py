"""Releases of the service: virtual environments side by side, one of which `current` points to.

    /opt/masakari/releases/0.1.0-1a2b3c4d5e6f/     one environment, made from wheels without any index
    /opt/masakari/current  -> releases/…           switched by renaming; what runs goes on in its own environment
    /opt/masakari/previous -> releases/…           the way back

Rules:
1. An environment holds absolute paths of itself, so it is made in its place. The file `complete` comes last: one without it is
   half-made, is never switched to, and is made anew.
2. A release that is there is not made again: going back to an older one is a switch.
3. The wheels lie in a folder, or in a tar file of it:

    release.json          {"name": "0.1.0-1a2b3c4d5e6f", "pythons": ["3.11", "3.12"]}
    requirements.txt      every wheel with its hash
    any/ cp311/ cp312/    wheels for every Python, and for one
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from masakari_charm.plan import RELEASES, File
from masakari_charm.workload import files
from masakari_charm.workload.machine import MAKE_ROOM, Trouble, explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from masakari_charm.workload.machine import Machine

TOP = str(Path(RELEASES).parent)
CURRENT = f"{TOP}/current"
PREVIOUS = f"{TOP}/previous"
COMPLETE = "complete"
DESCRIPTION = "release.json"
PROGRAMS = "/usr/local/bin"
FULL_BYTES = 16_000_000
"""A disk that has less left, while a release is made, is full: one takes ten times as much."""

KEPT = 3
"""Releases that stay: the one that runs, the one before, and one more."""

VENV_SECONDS = 300.0
PIP_SECONDS = 900.0
"""Far longer than it takes (half a minute on one slow core), and short enough for a hook."""

VENV_BYTES = 20_000_000
UNPACKED_TIMES = 5
"""What an environment takes with pip alone, and how much larger wheels are when they are unpacked and compiled."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,99}")
FIX_WHEELS = "attach wheels that `make charms` packed as the resource wheels, or an empty file for the charm's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A release that can be made: its name, the Pythons that it has wheels for, and where they are."""

    name: str
    pythons: tuple[str, ...]
    wheels: str
    is_tar: bool


def offered(machine: Machine, wheels: str) -> Offer:
    """Read which release a folder or tar file holds. Raises `Trouble`."""
    place = machine.path(wheels)
    is_tar = not place.is_dir()
    try:
        text = _from_tar(place) if is_tar else (place / DESCRIPTION).read_text()
        described = json.loads(text)
        name, pythons = described["name"], tuple(described["pythons"])
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name")
    except (OSError, EOFError, KeyError, TypeError, ValueError, tarfile.TarError) as error:
        raise Trouble(f"cannot use the wheels in {wheels}: {type(error).__name__}: {error}", FIX_WHEELS) from error
    return Offer(name=name, pythons=pythons, wheels=wheels, is_tar=is_tar)


def _from_tar(place: Path) -> str:
    """Read the description, which is the first file of the tar: nothing else is unpacked for it."""
    with tarfile.open(place) as tar:
        first = tar.next()
        opened = tar.extractfile(first) if first is not None and first.name == DESCRIPTION else None
        if opened is None:
            raise ValueError(f"its first file is not {DESCRIPTION}")
        return opened.read().decode()


def make(machine: Machine, offer: Offer) -> None:
    """Make the environment of a release, unless it is there. Raises `Trouble`; the next call begins anew."""
    target = f"{RELEASES}/{offer.name}"
    if machine.path(f"{target}/{COMPLETE}").exists():
        return
    files.make_folder(machine, RELEASES, mode=0o755)
    files.remove(machine, target)
    unpacked = f"{RELEASES}/.wheels"
    try:
        _fill(machine, offer, target, _unpack(machine, offer, unpacked) if offer.is_tar else offer.wheels)
    except (Trouble, OSError) as error:
        is_full = shutil.disk_usage(machine.path(RELEASES)).free < FULL_BYTES
        # On a full disk the half of it would be in the way of everything else.
        files.remove(machine, target)
        if is_full and isinstance(error, Trouble):
            # Not every program says that this was why: venv does not.
            raise Trouble(error.problem.what, MAKE_ROOM) from error
        raise
    finally:
        files.remove(machine, unpacked)


def _unpack(machine: Machine, offer: Offer, folder: str) -> str:
    files.remove(machine, folder)
    files.make_folder(machine, folder, mode=0o700)
    try:
        with tarfile.open(machine.path(offer.wheels)) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(machine.path(folder), members=_plain(tar))  # noqa: S202 (`_plain` looks at each)
    except (EOFError, tarfile.TarError) as error:
        raise Trouble(f"cannot unpack the wheels in {offer.wheels}: {error}", FIX_WHEELS) from error
    return folder


def _plain(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield what may be unpacked: the Python 3.11.2 of Debian 12 has no filter that would see to it."""
    for member in tar:
        path = Path(member.name)
        if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{member.name} is no plain file of it")
        yield member


def _fill(machine: Machine, offer: Offer, target: str, wheels: str) -> None:
    version = _python_version(machine)
    if version not in offer.pythons:
        known = " and ".join(offer.pythons)
        raise Trouble(
            f"release {offer.name} has wheels for Python {known}, and this unit has {version}",
            "deploy on ubuntu@24.04, or attach wheels for this Python as the resource wheels",
        )
    place, found = machine.path(target), machine.path(wheels)
    _see_to_room(offer, place.parent, [found / "any", found / f"cp{version.replace('.', '')}"])
    with explained("cannot make an environment", fix="see that python3-venv is installed; the next hook tries again"):
        machine.run(machine.python, "-m", "venv", str(place), timeout_seconds=VENV_SECONDS)
    folders = [part for each in ("any", f"cp{version.replace('.', '')}") for part in ("-f", str(found / each))]
    with explained(f"cannot install release {offer.name}", fix=FIX_WHEELS):
        machine.run(
            *(str(place / "bin/python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-cache-dir"),
            *(*folders, "--only-binary", ":all:", "--require-hashes", "-r", str(found / "requirements.txt")),
            timeout_seconds=PIP_SECONDS,
        )
    os.sync()  # so that a machine that loses power does not keep the mark and lose what it stands for
    files.write(machine, File(path=f"{target}/{COMPLETE}", content=f"{version}\n"))


def _see_to_room(offer: Offer, place: Path, folders: Iterable[Path]) -> None:
    """Refuse to begin where it cannot be finished: `venv` itself does not say that a disk is full."""
    packed = sum(wheel.stat().st_size for folder in folders for wheel in folder.glob("*.whl"))
    needed, free = VENV_BYTES + UNPACKED_TIMES * packed, shutil.disk_usage(place).free
    if free < needed:
        raise Trouble(
            f"no space left for release {offer.name}: {TOP} has {free // 10**6} MB, and {needed // 10**6} MB are needed",
            MAKE_ROOM,
        )


def _python_version(machine: Machine) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    with explained("cannot run python3", fix="install python3 and python3-venv"):
        return machine.run(machine.python, "-I", "-c", program).out.strip()


def current(machine: Machine) -> str | None:
    """Name the release that is switched to, None before the first."""
    return _leads_to(machine, CURRENT)


def previous(machine: Machine) -> str | None:
    """Name the release before it."""
    return _leads_to(machine, PREVIOUS)


def _leads_to(machine: Machine, link: str) -> str | None:
    place = machine.path(link)
    return Path(os.readlink(place)).name if place.is_symlink() else None


def program(machine: Machine, name: str, release: str) -> str:
    """Return the path of one of a release's programs."""
    return str(machine.path(f"{RELEASES}/{release}/bin/{name}"))


def switch(machine: Machine, name: str) -> bool:
    """Let `current` lead to a release that is complete, and `previous` to the one before; tell whether it had to be changed."""
    before = current(machine)
    if before is not None and before != name:
        files.link(machine, PREVIOUS, f"releases/{before}")
    changed = files.link(machine, CURRENT, f"releases/{name}")
    _link_programs(machine, name)
    _prune(machine)
    return changed


def _link_programs(machine: Machine, name: str) -> None:
    """Give the operator the programs of the current release, and take away those that it has no more."""
    wanted = {path.name for path in machine.path(f"{RELEASES}/{name}/bin").glob("masakari-*")}
    for each in sorted(wanted):
        files.link(machine, f"{PROGRAMS}/{each}", f"{CURRENT}/bin/{each}")
    for each in linked_programs(machine):
        if Path(each).name not in wanted:
            files.remove(machine, each)


def linked_programs(machine: Machine) -> list[str]:
    """List the links that lead into the current release."""
    links = [path for path in machine.path(PROGRAMS).glob("masakari-*") if path.is_symlink()]
    return [f"{PROGRAMS}/{path.name}" for path in links if os.readlink(path).startswith(f"{CURRENT}/")]


def _prune(machine: Machine) -> None:
    """Remove all but the youngest releases; the current one and the one before stay in any case."""
    needed = {current(machine), previous(machine)}
    others = [path for path in machine.path(RELEASES).iterdir() if path.is_dir() and path.name not in needed]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[max(KEPT - len(needed - {None}), 0) :]:
        files.remove(machine, f"{RELEASES}/{path.name}")
