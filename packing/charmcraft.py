"""charmcraft, in an environment of its own: it comes from the package index, and needs Debian's or Ubuntu's python3-apt beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from packing.commands import CannotPack, run

# The system's own: python3-apt is built for no other.
PYTHON = "/usr/bin/python3"

# Prints what python3-apt consists of. Only that is lent to the environment: the system's other packages do not fit charmcraft's.
APT = """\
import apt, apt_inst, apt_pkg, aptsources, ensurepip, os, venv
for module in (apt, aptsources):
    print(os.path.dirname(module.__file__))
for module in (apt_inst, apt_pkg):
    print(module.__file__)
"""

# Nothing is compiled while it packs, so the system that packs does not matter; charmcraft looks at its name all the same.
UBUNTU = """\
NAME="Ubuntu"
PRETTY_NAME="Ubuntu 24.04 LTS"
ID=ubuntu
ID_LIKE=debian
VERSION_ID="24.04"
VERSION_CODENAME=noble
"""


def pack(project: Path, requirements: Path, *, work: Path) -> Path:
    """Let charmcraft pack a project folder, and return the file that it made."""
    program = _program(requirements, work)
    system = work / "system"
    system.mkdir(exist_ok=True)
    (system / "os-release").write_text(UBUNTU)
    home = work / "home"
    home.mkdir(exist_ok=True)
    # Its own notes and caches stay below the working folder.
    places = {"HOME": str(home), "UNIXCONFDIR": str(system), "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    run(
        (str(program), "pack", "--destructive-mode", "--verbosity=brief"),
        why="charmcraft cannot pack the charm",
        cwd=project,
        environment={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | places,
    )
    (packed,) = project.glob("*.charm")
    return packed


def _program(requirements: Path, work: Path) -> Path:
    """Make the environment, once for each state of the pins."""
    text = requirements.read_text()
    place = work / f"charmcraft-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    program = place / "bin" / "charmcraft"
    done = place / "complete"
    if done.exists():
        return program
    needs = "install Debian's or Ubuntu's python3-apt and python3-venv: apt-get install python3-apt python3-venv"
    apt = run((PYTHON, "-c", APT), why=f"charmcraft cannot run here; {needs}").stdout.splitlines()
    shutil.rmtree(place, ignore_errors=True)
    run((PYTHON, "-m", "venv", str(place)), why=f"cannot make an environment; {needs}")
    pip = (
        str(place / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    )
    run(
        (*pip, "--no-compile", "--only-binary", ":all:", "--require-hashes", "-r", str(requirements)),
        why="cannot install charmcraft; packing needs a package index the first time",
    )
    (packages,) = place.glob("lib/python3*/site-packages")
    for part in map(Path, apt):
        (packages / part.name).symlink_to(part)
    if not program.exists():
        raise CannotPack(f"charmcraft was installed and brought no {program}")
    done.touch()
    return program
