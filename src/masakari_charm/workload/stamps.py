"""What the charm remembers about this machine: small files, each with the digest of what was last done.

Rules:
1. A stamp is written after the act. A hook that dies in between finds the old stamp, and the next one acts again.
2. Where the stamp says that nothing changed, nothing is done.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from masakari_charm.plan import File
from masakari_charm.workload import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from masakari_charm.workload.machine import Machine

FOLDER = "/var/lib/masakari-charm"


def digest(parts: Iterable[str]) -> str:
    """Return one digest of all parts in their order."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode()
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()


def read(machine: Machine, name: str) -> str | None:
    """Return what was stamped, None where nothing was."""
    return files.read(machine, f"{FOLDER}/{name}")


def write(machine: Machine, name: str, text: str) -> None:
    """Remember what was done."""
    files.make_folder(machine, FOLDER, mode=0o700)
    files.write(machine, File(path=f"{FOLDER}/{name}", content=text, mode=0o600))


def drop(machine: Machine, name: str) -> None:
    """Forget it."""
    files.remove(machine, f"{FOLDER}/{name}")


def names(machine: Machine, prefix: str) -> list[str]:
    """List the stamps whose names begin with a prefix, without it."""
    found = machine.path(FOLDER).glob(f"{prefix}*")
    return sorted(path.name.removeprefix(prefix) for path in found)
