"""Certificates that the whole system trusts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from masakari_charm.plan import File
from masakari_charm.workload import files, stamps
from masakari_charm.workload.machine import explained

if TYPE_CHECKING:
    from masakari_charm.workload.machine import Machine

FOLDER = "/usr/local/share/ca-certificates"
STAMP = "trusted"


def converge(machine: Machine, trusted: tuple[tuple[str, str], ...]) -> None:
    """Let the system trust exactly these of ours, and all others that it trusts already."""
    before = stamps.read(machine, STAMP)
    wanted = json.dumps(dict(trusted), sort_keys=True)
    if before == wanted or (before is None and not trusted):
        return
    for name in json.loads(before or "{}").keys() - dict(trusted).keys():
        files.remove(machine, _path(name))
    for name, certificate in trusted:
        files.write(machine, File(path=_path(name), content=certificate))
    with explained(
        "cannot trust the certificates", fix="see what update-ca-certificates says; the next hook tries again"
    ):
        machine.run("/usr/sbin/update-ca-certificates", "--fresh")
    stamps.write(machine, STAMP, wanted)


def _path(name: str) -> str:
    """The system reads only what ends in .crt."""
    return f"{FOLDER}/{name.removesuffix('.crt')}.crt"
