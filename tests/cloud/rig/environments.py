"""One virtual environment per OpenStack project, and one of old clients, made once per machine from exact pins.

They live in the user's cache, named after what is in them, so that every checkout on the machine shares them
and a changed pin makes a new one instead of a mixture.
"""

import fcntl
import hashlib
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cloud.rig import process

PROJECTS = ("nova", "keystone", "placement", "glance")


def program(project: str, name: str) -> str:
    """Return the path of a program in the environment of `project`."""
    return str(folder(project) / "env" / "bin" / name)


def folder(project: str) -> Path:
    """Return where the environment of `project` stands, or will stand."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    contents = "\n".join((_freeze(project).read_text(), platform.python_version(), platform.machine()))
    digest = hashlib.sha256(contents.encode()).hexdigest()[:12]
    return base / "vmha" / "cloud" / f"{project}-{digest}"


def missing() -> list[str]:
    """Name the projects that have no complete environment yet."""
    return [project for project in PROJECTS if not _complete(project).exists()]


def make(projects: list[str]) -> None:
    """Make the environments of `projects`, two at a time: more only wait for the same two cores."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_make, projects))


def _make(project: str) -> None:
    home = folder(project)
    home.mkdir(parents=True, exist_ok=True)
    log = home / "install.log"
    with (home / "lock").open("w") as lock:
        # Another checkout may be making the same environment at this moment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _complete(project).exists():
            return
        process.run([sys.executable, "-m", "venv", "--clear", "--prompt", project, str(home / "env")], log)
        pip = str(home / "env" / "bin" / "pip")
        # The pins are all that there is to install. What old clients need has no wheel; another package stands in for it.
        options = ["--disable-pip-version-check", "--no-deps", "--requirement", str(_freeze(project))]
        process.run([pip, "install", *options], log)
        _complete(project).touch()


def _freeze(project: str) -> Path:
    return Path(__file__).parent / "freeze" / f"{project}.txt"


def _complete(project: str) -> Path:
    return folder(project) / "complete"
