"""The wheels of a release, in the layout that the charm's workload reads (see src/masakari_charm/workload/release.py)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packing.commands import run
from packing.even import FIRST_ZIP_TIME
from packing.requirements import Pin, pins
from packing.tree import copy_files

if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHONS = ("3.11", "3.12")
"""Debian 12's and Ubuntu 24.04's."""

# The newest that both of them run is 2.36, of Debian 12; the oldest is what a wheel may have been built for.
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
)

# What `pip wheel` needs of the tree to build vmha.
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "requirements/service.in", "src/vmha", "src/masakari")
DIGEST_CHARACTERS = 12


def lay_out(tree: Path, target: Path, *, work: Path) -> str:
    """Fill `target` with the wheels of the service of `tree` and all that it needs; return the release's name."""
    service = (tree / "requirements" / "service.txt").read_text()
    shutil.copytree(_fetched(service, work), target)
    wheel = _build(tree, target / "any", work=work)
    version = wheel.name.split("-")[1]
    own = Pin("vmha", version, (f"sha256:{_sha256(wheel)}",))
    (target / "requirements.txt").write_text(service.rstrip("\n") + f"\n{own}\n")
    name = f"{version}-{digest_of(target)[:DIGEST_CHARACTERS]}"
    described = {"name": name, "version": version, "pythons": list(PYTHONS)}
    (target / "release.json").write_text(json.dumps(described, indent=2) + "\n")
    return name


def digest_of(folder: Path) -> str:
    """Return one digest of all files of a folder, by path and content."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)} {_sha256(path)}\n".encode())
    return found.hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fetched(service: str, work: Path) -> Path:
    """Fetch the wheels of the pins, once for each state of the pins."""
    kept = work / f"wheels-{hashlib.sha256(service.encode()).hexdigest()[:DIGEST_CHARACTERS]}"
    if kept.is_dir():
        return kept
    fresh = work / "wheels-fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    for python in PYTHONS:
        _fetch(pins(service, python=python), fresh / tag(python), python=python)
    (fresh / "any").mkdir()
    for file, folder in shared(fresh):
        (fresh / folder / file).replace(fresh / "any" / file)
        for python in PYTHONS:
            (fresh / tag(python) / file).unlink(missing_ok=True)
    fresh.replace(kept)
    return kept


def shared(folder: Path) -> Iterable[tuple[str, str]]:
    """Yield each wheel that every Python got, with one folder that has it."""
    found = [{path.name for path in (folder / tag(python)).iterdir()} for python in PYTHONS]
    return [(name, tag(PYTHONS[0])) for name in sorted(set.intersection(*found))]


def tag(python: str) -> str:
    """Return how wheels call a Python: cp312."""
    return f"cp{python.replace('.', '')}"


def _fetch(wanted: Iterable[Pin], target: Path, *, python: str) -> None:
    target.mkdir(parents=True)
    listed = target.with_suffix(".txt")
    listed.write_text("".join(f"{pin}\n" for pin in wanted))
    run(
        (
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(target), "-r", str(listed)),
            *("--implementation", "cp", "--python-version", python),
            *(part for abi in (tag(python), "abi3", "none") for part in ("--abi", abi)),
            *(part for platform in PLATFORMS for part in ("--platform", platform)),
        ),
        why=f"cannot fetch the service's wheels for Python {python}; packing needs a package index the first time",
    )
    listed.unlink()


def _build(tree: Path, target: Path, *, work: Path) -> Path:
    """Build the wheel of vmha from a copy of its sources: a build leaves files behind, and packs what it finds."""
    copy = work / "vmha"
    shutil.rmtree(copy, ignore_errors=True)
    copy_files(tree, copy, BUILT_FROM)
    built = work / "vmha-wheel"
    shutil.rmtree(built, ignore_errors=True)
    run(
        (
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-build-isolation", "--no-index", "--wheel-dir", str(built), str(copy)),
        ),
        why="cannot build the wheel of vmha",
        # Not the commit's time: a commit that leaves the service alone makes no other release of it.
        environment=dict(os.environ) | {"SOURCE_DATE_EPOCH": str(FIRST_ZIP_TIME)},
    )
    (wheel,) = built.glob("vmha-*.whl")
    return Path(shutil.move(wheel, target / wheel.name))
