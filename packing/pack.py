"""One pack from beginning to end."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packing import charmcraft, even, library, tree, wheels
from packing.commands import CannotPack

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_FILES = ("charmcraft.yaml", "metadata.yaml", "config.yaml", "actions.yaml")
"""What charmcraft reads itself."""

CHARM_FILES = (
    *("dispatch", "icon.svg", "LICENSE", "README.md"),
    *("src/charm.py", "src/masakari_charm", "actions", "templates"),
    # The table of options, which is all that the charm knows of the service.
    *("src/vmha/__init__.py", "src/vmha/options.py"),
)
"""What goes into the charm as it is."""

LARGEST_BYTES = 80_000_000


@dataclass(frozen=True, slots=True)
class Packed:
    """What one pack made."""

    charm: Path
    wheels: Path
    release: str


def pack(source: Path, output: Path, *, work: Path) -> Packed:
    """Pack the charm of a tree; packs that share `work` wait for each other. Raises `CannotPack`."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _pack(source, output, work)


def _pack(source: Path, output: Path, work: Path) -> Packed:
    project = work / "project"
    shutil.rmtree(project, ignore_errors=True)
    charm = project / "charm"
    charm.mkdir(parents=True)
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or tree.commit_seconds(source))
    tree.copy_files(source, project, PROJECT_FILES)
    tree.copy_files(source, charm, CHARM_FILES)
    library.lay_out(source, charm / "lib")
    release = wheels.lay_out(source, charm / "wheels", work=work)
    packed = charmcraft.pack(project, source / "requirements" / "packing.txt", work=work)
    output.mkdir(parents=True, exist_ok=True)
    made = Packed(output / "masakari.charm", output / f"wheels-{release}.tar", release)
    even.rewrite_zip(packed, made.charm, seconds=seconds)
    even.write_tar(charm / "wheels", made.wheels, first=("release.json",))
    shutil.rmtree(project)
    size = made.charm.stat().st_size
    if size > LARGEST_BYTES:
        raise CannotPack(
            f"{made.charm} has {size / 1e6:.1f} MB, more than {LARGEST_BYTES / 1e6:.0f}; leave something out"
        )
    return made
