"""Upstream Masakari 22.0.0 in an environment of its own, made once per machine. `make bench` uses it too.

upstream.txt holds masakari 22.0.0, pyuwsgi, PyMySQL, psycopg and python-memcached with all that they need, one version each and with
hashes: `uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url` wrote it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "22.0.0"
PINS = Path(__file__).with_name("upstream.txt")


def install(say: Callable[[str], None]) -> None:
    """Make the environment where it is missing. Raises `RuntimeError`."""
    home().mkdir(parents=True, exist_ok=True)
    with (home() / "lock").open("w") as lock:
        # Another checkout may be making the same environment at this moment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home() / "complete").exists():
            return
        say(f"installing masakari {VERSION} from PyPI")
        run([sys.executable, "-m", "venv", "--clear", str(home() / "env")])
        run(
            [
                program("pip"),
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "--requirement",
                str(PINS),
            ]
        )
        (home() / "complete").touch()


def home() -> Path:
    """Return the environment's folder beside those of the cloud, named after what is in it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    contents = "\n".join((PINS.read_text(), platform.python_version(), platform.machine()))
    return base / "vmha" / "cloud" / f"masakari-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"


def program(name: str) -> str:
    """Return the path of one of its programs."""
    return str(home() / "env" / "bin" / name)


def paste_config() -> Path:
    """Return upstream's own api-paste.ini."""
    return home() / "env" / "etc" / "masakari" / "api-paste.ini"


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a program to its end. Raises `RuntimeError`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
