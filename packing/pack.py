"""One pack from beginning to end.

Rules:
1. What is packed is a copy, taken at the start: whoever edits the tree meanwhile changes nothing of it.
2. A pack is named after the checksum of that copy and of this folder's code. The youngest ones stay below `work`, so that the suites of
   one tree pack it once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packing import charmcraft, even, library, tree, wheels
from packing.commands import CannotPack

PROJECT_FILES = ("charmcraft.yaml", "metadata.yaml", "config.yaml", "actions.yaml")
"""What charmcraft reads itself."""

CHARM_FILES = (
    *("dispatch", "icon.svg", "LICENSE"),
    *("src/charm.py", "src/masakari_charm", "actions", "templates"),
    # The table of options, which is all that the charm knows of the service.
    *("src/vmha/__init__.py", "src/vmha/options.py"),
)
"""What goes into the charm as it is."""

README = "docs/charm/README.md"
"""The charm's own, which it carries as README.md; the repository's is the service's."""

PINS = tuple(f"requirements/{name}.txt" for name in ("charm", "packing", "service"))
SOURCES = (*PROJECT_FILES, *CHARM_FILES, README, *PINS, *wheels.BUILT_FROM)
"""All that packing reads of a tree: a copy of this much can be packed too."""

LARGEST_BYTES = 80_000_000
KEPT = 4
"""Packs that stay: this tree's, the later release that the suite `systemd` makes of it, and the two of the tree before."""

CHARM = "masakari.charm"
_WHEELS = re.compile(rf"wheels-\d[\w.+]*-[0-9a-f]{{{wheels.DIGEST_CHARACTERS}}}\.tar")


@dataclass(frozen=True, slots=True)
class Packed:
    """What one pack made."""

    charm: Path
    wheels: Path
    release: str


def pack(source: Path, output: Path, *, work: Path) -> Packed:
    """Pack the charm of a tree into `output`, where older wheels of ours go. Packs that share `work` wait for each other.

    Raises `CannotPack`.
    """
    with _copied(source, work) as copy:
        made = _pack(copy, work=work, seconds=_seconds(source))
        output.mkdir(parents=True, exist_ok=True)
        for path in output.iterdir():
            if _WHEELS.fullmatch(path.name) and path.name != made.wheels.name:
                path.unlink()
        shutil.copyfile(made.charm, output / CHARM)
        shutil.copyfile(made.wheels, output / made.wheels.name)
    return Packed(output / CHARM, output / made.wheels.name, made.release)


def kept(source: Path, *, work: Path) -> Packed:
    """Return the pack of the tree as it is now, and make it only where nobody did. Its times may be those of a commit before.

    Raises `CannotPack`.
    """
    with _copied(source, work) as copy:
        return _find(_place(copy, work)) or _pack(copy, work=work, seconds=_seconds(source))


def lay_out(source: Path, charm: Path) -> None:
    """Copy what goes into the charm as it is."""
    tree.copy_files(source, charm, CHARM_FILES)
    shutil.copyfile(source / README, charm / "README.md")
    (charm / "README.md").chmod(0o644)


@contextmanager
def _copied(source: Path, work: Path) -> Iterator[Path]:
    """Copy the sources, and keep others away for as long as the block lasts."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        copy = work / "sources"
        shutil.rmtree(copy, ignore_errors=True)
        tree.copy_files(source, copy, SOURCES)
        yield copy


def _seconds(source: Path) -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH") or tree.commit_seconds(source))


def _place(copy: Path, work: Path) -> Path:
    """Say where the pack of these sources, made by this code, stays."""
    found = hashlib.sha256(tree.digest(copy).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return work / "packed" / found.hexdigest()


def _find(place: Path) -> Packed | None:
    if not place.is_dir():
        return None
    os.utime(place)
    (tar,) = place.glob("wheels-*.tar")
    return Packed(place / CHARM, tar, tar.stem.removeprefix("wheels-"))


def _pack(copy: Path, *, work: Path, seconds: int) -> Packed:
    project, fresh, place = work / "project", work / "fresh", _place(copy, work)
    for folder in (project, fresh, place):
        shutil.rmtree(folder, ignore_errors=True)
    charm = project / "charm"
    for folder in (charm, fresh, place.parent):
        folder.mkdir(parents=True, exist_ok=True)
    tree.copy_files(copy, project, PROJECT_FILES)
    lay_out(copy, charm)
    library.lay_out(copy, charm / "lib", work=work)
    release = wheels.lay_out(copy, charm / "wheels", work=work)
    packed = charmcraft.pack(project, copy / "requirements" / "packing.txt", work=work)
    even.rewrite_zip(packed, fresh / CHARM, seconds=seconds)
    even.write_tar(charm / "wheels", fresh / f"wheels-{release}.tar", first=("release.json",))
    shutil.rmtree(project)
    size = (fresh / CHARM).stat().st_size
    if size > LARGEST_BYTES:
        raise CannotPack(f"the charm has {size / 1e6:.1f} MB, more than {LARGEST_BYTES / 1e6:.0f}; leave something out")
    fresh.replace(place)
    _prune(place.parent)
    return Packed(place / CHARM, place / f"wheels-{release}.tar", release)


def _prune(packed: Path) -> None:
    """Remove all but the packs that were made or used last."""
    found = sorted(packed.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT:]:
        shutil.rmtree(path)
