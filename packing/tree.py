"""The sources: which files belong to them, and when they were committed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from packing.commands import CannotPack
from packing.even import FIRST_ZIP_TIME, even_mode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def copy_files(tree: Path, target: Path, places: Iterable[str]) -> None:
    """Copy files, and folders with all that belongs to the sources in them; a place that is missing is an error."""
    known = sources(tree)
    for place in places:
        found = [name for name in known if name == place or name.startswith(f"{place}/")]
        if not found:
            raise CannotPack(f"there is no {place} in {tree}; pack a whole tree")
        for name in found:
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree / name, copy)
            copy.chmod(even_mode((tree / name).stat().st_mode))


def sources(tree: Path) -> list[str]:
    """List the files of a tree, as git knows them where it does; what tools leave behind is none of them."""
    if (tree / ".git").exists():
        command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        answer = subprocess.run(command, cwd=tree, capture_output=True, check=True, timeout=60)
        names = {name for name in answer.stdout.decode().split("\0") if name}
        return sorted(name for name in names if (tree / name).is_file())
    found = (path for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(str(path.relative_to(tree)) for path in found)


def digest(folder: Path) -> str:
    """Return one checksum of all files of a folder: paths, what can be executed, contents."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(folder)} {even_mode(path.stat().st_mode):o} {content}\n".encode())
    return found.hexdigest()


def commit_seconds(tree: Path) -> int:
    """Return when the tree was committed; without git, a time that is the same for everybody."""
    if not (tree / ".git").exists():
        return FIRST_ZIP_TIME
    command = ("git", "log", "-1", "--format=%ct")
    answer = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True, timeout=60)
    return int(answer.stdout or FIRST_ZIP_TIME)
