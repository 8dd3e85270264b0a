"""Writes only what differs, and whole: a reader sees the old file or the new one, never a half."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from masakari_charm.plan import File
    from masakari_charm.workload.machine import Machine


def write(machine: Machine, file: File) -> bool:
    """Make the file as it should be, content, mode and owner; tell whether anything had to be done."""
    path = machine.path(file.path)
    ids = machine.accounts.ids(file.owner, file.group)
    if _is_as_wanted(path, file, ids):
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.unlink(missing_ok=True)  # of a hook that died
    try:
        _fill(fresh, file, ids)
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return True


def _is_as_wanted(path: Path, file: File, ids: tuple[int, int]) -> bool:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != file.mode:
        return False
    return (found.st_uid, found.st_gid) == ids and path.read_bytes() == file.content.encode()


def _fill(path: Path, file: File, ids: tuple[int, int]) -> None:
    """Write a new file that nobody else can read before it has its owner and mode, and bring it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as opened:
        opened.write(file.content.encode())
        os.fchown(descriptor, *ids)
        os.fchmod(descriptor, file.mode)
        opened.flush()
        os.fsync(descriptor)


def read(machine: Machine, path: str) -> str | None:
    """Return the text of a file, None where there is none."""
    try:
        return machine.path(path).read_text(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def remove(machine: Machine, path: str) -> bool:
    """Remove a file, a link or a folder with all that is in it; tell whether it was there."""
    place = machine.path(path)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
        return True
    if not os.path.lexists(place):
        return False
    place.unlink()
    return True


def make_folder(machine: Machine, path: str, *, mode: int, owner: str = "root", group: str = "root") -> None:
    """Make a folder with its mode and owner, or give it these."""
    place = machine.path(path)
    place.mkdir(parents=True, exist_ok=True, mode=mode)
    found = place.stat()
    ids = machine.accounts.ids(owner, group)
    if (found.st_uid, found.st_gid) != ids:
        os.chown(place, *ids)
    if stat.S_IMODE(found.st_mode) != mode:
        place.chmod(mode)


def link(machine: Machine, path: str, target: str) -> bool:
    """Let a symbolic link lead to `target`, by renaming: there is no moment without it. Tell whether it had to be changed."""
    place = machine.path(path)
    if place.is_symlink() and os.readlink(place) == target:
        return False
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    fresh = place.with_name(f".{place.name}.fresh")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, place)
    return True
