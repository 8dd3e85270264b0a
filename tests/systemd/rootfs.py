"""The root file system of the machine: Debian 12 with systemd, made once from Debian's packages and kept in the user's cache.

What the charm installs itself (python3-venv, logrotate, haproxy) lies in apt's own cache in it, fetched and not installed: the charm's
hook has to install it, and there is no network then.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

SUITE = "bookworm"
INSTALLED = ("systemd", "systemd-sysv", "dbus", "iproute2", "procps", "python3")
FETCHED = ("ca-certificates", "haproxy", "logrotate", "python3-venv")
MIRROR = "http://deb.debian.org/debian"
MAKE_SECONDS = 900

# apt keeps what it fetched for the first half too; only the second half is wanted.
FETCH = (
    'rm -f "$1"/var/cache/apt/archives/*.deb; '
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get install --yes --no-install-recommends --download-only '
    + " ".join(FETCHED)
)


def folder() -> Path:
    """Return where the root file system stands, or will stand; what it is made of is in its name."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(repr((SUITE, INSTALLED, FETCH)).encode()).hexdigest()[:12]
    return base / "vmha" / "systemd" / f"{SUITE}-{digest}"


def make() -> Path:
    """Make it unless it is there, and return its path."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        # Another checkout may be making it at this moment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _make(home / "root", home / "make.log")
            (home / "complete").touch()
    return home / "root"


def _make(root: Path, log: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    command = (
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--skip=cleanup/apt"),
        *(f"--include={','.join(INSTALLED)}", f"--customize-hook={FETCH}", SUITE, str(root), mirror()),
    )
    with log.open("wb") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, timeout=MAKE_SECONDS
        )
    if done.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise AssertionError(f"cannot make a root file system of {SUITE}, see {log}:\n{last}")


def mirror() -> str:
    """Return the mirror that this machine itself uses for the suite, else Debian's own."""
    filters = ("Created-By: Packages", "Origin: Debian", f"Codename: {SUITE}")
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI)", *filters)
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    found = [line for line in answer.stdout.split() if line.startswith(("http://", "https://"))]
    return found[0] if found else MIRROR
