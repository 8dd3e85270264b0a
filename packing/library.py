"""The charm's own libraries: pure Python, in one folder, the same on every machine that packs."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packing.commands import CannotPack, run
from packing.requirements import Pin, pins
from packing.wheels import DIGEST_CHARACTERS, PLATFORMS, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHON = "3.12"
"""The Python of the charm's base. Whatever is pure runs on 3.11 too."""

# They come as sources only, and are pure.
SOURCES_ONLY = ("charmhelpers",)
# What charmhelpers is built with, or imports only in its part that is left out below: that one runs apt as soon as it is imported.
NOT_NEEDED = ("setuptools", "pbr", "netaddr")
# Compiled parts that their packages do without, programs, and notes of pip's about this machine.
LEFT_OUT = ("**/*.so", "**/*.pyi", "**/*.exe", "bin", "**/__pycache__", "*.dist-info/RECORD", "*.dist-info/REQUESTED")
LEFT_OUT_TOO = ("*.dist-info/INSTALLER", "*.dist-info/direct_url.json", "charmhelpers/contrib")


def lay_out(tree: Path, target: Path, *, work: Path) -> None:
    """Fill `target` with the libraries that requirements/charm.txt pins; they are made once for each state of pins and this file."""
    text = (tree / "requirements" / "charm.txt").read_text()
    state = hashlib.sha256(text.encode() + Path(__file__).read_bytes()).hexdigest()
    kept = work / f"library-{state[:DIGEST_CHARACTERS]}"
    if not kept.is_dir():
        fresh = work / "library-fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        _make(text, fresh)
        fresh.replace(kept)
    shutil.copytree(kept, target)


def _make(text: str, target: Path) -> None:
    wanted = tuple(pin for pin in pins(text, python=PYTHON) if pin.name not in NOT_NEEDED)
    platforms = (part for platform in PLATFORMS for part in ("--platform", platform))
    abis = (part for abi in (tag(PYTHON), "abi3", "none") for part in ("--abi", abi))
    binary = ("--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON, *abis, *platforms)
    _install((pin for pin in wanted if pin.name not in SOURCES_ONLY), target, binary)
    source = ("--no-binary", ":all:", "--no-build-isolation")
    _install((pin for pin in wanted if pin.name in SOURCES_ONLY), target, source)
    for pattern in (*LEFT_OUT, *LEFT_OUT_TOO):
        for path in list(target.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    compiled = [path for path in target.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    if compiled:
        raise CannotPack(f"the charm's libraries are not pure Python: {', '.join(map(str, compiled))}")


def _install(wanted: Iterable[Pin], target: Path, options: tuple[str, ...]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    listed = target.with_name("library.txt")
    listed.write_text("".join(f"{pin}\n" for pin in wanted))
    run(
        (
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-deps", "--no-compile", "--require-hashes", "--target", str(target), "-r", str(listed), *options),
        ),
        why="cannot install the charm's libraries; packing needs a package index",
    )
    listed.unlink()
