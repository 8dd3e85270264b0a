"""The Debian packages of the cloud, installed so that no daemon of theirs ever starts."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.cloud.rig.errors import RigError

# Package -> a program that only it brings: asking the file system is faster than asking dpkg.
PACKAGES = {
    "mariadb-server": "/usr/sbin/mariadbd",
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "memcached": "/usr/bin/memcached",
    "openipmi": "/usr/bin/ipmi_sim",
    "ipmitool": "/usr/bin/ipmitool",
}
POLICY = Path("/usr/sbin/policy-rc.d")
LISTS = Path("/var/lib/apt/lists")
DAY_SECONDS = 86400


def missing() -> list[str]:
    """Name the packages that are not installed."""
    names = [package for package, program in PACKAGES.items() if not Path(program).exists()]
    # Debian's own Python comes without the part that puts pip into a virtual environment.
    if find_spec("ensurepip") is None:
        names.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    return names


def install(names: list[str]) -> None:
    """Install the packages. Raises RigError where this is no Debian or we are not root."""
    if not names:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise RigError(f"these packages are missing and only root can install them: {' '.join(names)}")
    if _lists_are_old():
        _apt("update")
    with _no_daemon_starts():
        _apt("install", "--yes", "--no-install-recommends", *names)


def _lists_are_old() -> bool:
    """Say whether the package lists were last fetched more than a day ago, or never."""
    if not any(LISTS.glob("*Packages*")):
        return True
    # A list carries the server's date; the folder changes when apt works in it.
    return time.time() - (LISTS / "partial").stat().st_mtime > DAY_SECONDS


@contextlib.contextmanager
def _no_daemon_starts() -> Iterator[None]:
    """Forbid the packages' scripts to start daemons, and take back only what we wrote ourselves."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    finished = subprocess.run(
        ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=600", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        lines = (finished.stdout + finished.stderr).splitlines()[-8:]
        raise RigError(f"apt-get {' '.join(arguments)} failed:\n    " + "\n    ".join(lines))
