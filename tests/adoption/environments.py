"""Releases of upstream Masakari, each from PyPI in an environment of its own, made once and kept in the user's cache.

Debian 12's package is 14.0.2 and its modules are those of the release on PyPI, file by file. The newest release is shared with the
differential tests, which pin it. `uv pip compile` wrote the hashes of the others, as it wrote that one's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from tests.differential import environment

RELEASES = ("14.0.2", "19.0.0", environment.VERSION)
MAKE_SECONDS = 600
HERE = Path(__file__).parent


def make(release: str) -> Path:
    """Make the environment of a release unless it is there, and return its folder."""
    if release == environment.VERSION:
        environment.install(print)
        return environment.home() / "env"
    home = folder(release)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        # Another checkout may be making it at this moment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _run(sys.executable, "-m", "venv", "--clear", str(home / "env"))
            pip = (str(home / "env" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check")
            _run(*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", str(_pins(release)))
            (home / "complete").touch()
    return home / "env"


def folder(release: str) -> Path:
    """Return where the environment of a release stands, or will stand; what is in it is in its name."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    contents = "\n".join((_pins(release).read_text(), platform.python_version(), platform.machine()))
    return base / "vmha" / "upstream" / f"masakari-{release}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"


def _pins(release: str) -> Path:
    return HERE / f"masakari-{release}.txt"


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=MAKE_SECONDS, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
