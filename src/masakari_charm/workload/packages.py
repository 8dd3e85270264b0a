"""Distribution packages: those that are missing are installed, from the archive that `openstack-origin` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm.workload import files, origin, stamps
from masakari_charm.workload.machine import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from masakari_charm.workload.machine import Answer, Machine

APT = ("/usr/bin/apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300")
# A file that the charm wrote before the package came stays.
KEEP_OURS = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
# Without it an archive that cannot be reached is a warning, and nothing to upgrade is found in old lists.
EVERY_ARCHIVE = ("-o", "APT::Update::Error-Mode=any")
APT_SECONDS = 1800.0
"""How long apt may take: five minutes for its lock, and the rest for a slow mirror."""
FIX = "see that this unit reaches its package archive (apt-get update), or set juju's apt-http-proxy; the next hook tries again"


def install(
    machine: Machine, archive: str, names: Sequence[str], *, add_archive: Callable[[str], None] | None = None
) -> None:
    """Install the packages that are missing; with all of them there, and the archive known, nothing is done."""
    _choose(machine, archive, add_archive or origin.add)
    missing = _missing(machine, names)
    if not missing:
        return
    with explained("cannot finish what dpkg has begun", fix="run dpkg --configure -a and see what it says"):
        machine.run(
            "/usr/bin/dpkg", "--configure", "-a", "--force-confdef", "--force-confold", timeout_seconds=APT_SECONDS
        )
    # An archive that is away matters only if the lists of before do not do.
    machine.ask(*APT, "update", timeout_seconds=APT_SECONDS)
    with explained(f"cannot install {' '.join(missing)}", fix=FIX):
        _install(machine, missing)


def upgrade(machine: Machine, names: Sequence[str]) -> str:
    """Upgrade these packages within their archive, and return what apt said."""
    with explained("cannot upgrade packages", fix=FIX):
        machine.run(*APT, *EVERY_ARCHIVE, "update", timeout_seconds=APT_SECONDS)
        return _install(machine, ("--only-upgrade", *names)).out


def _install(machine: Machine, arguments: Sequence[str]) -> Answer:
    return machine.run(*APT, *KEEP_OURS, "install", "--no-install-recommends", *arguments, timeout_seconds=APT_SECONDS)


def _missing(machine: Machine, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    # Its exit code only says that some are unknown.
    answer = machine.ask("/usr/bin/dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *names)
    present = {
        name for name, _, status in (line.partition(" ") for line in answer.out.splitlines()) if status == "installed"
    }
    return [name for name in names if name not in present]


def _choose(machine: Machine, archive: str, add_archive: Callable[[str], None]) -> None:
    """Add the archive once; going back to the distribution's own leaves what was added, as apt itself would."""
    if stamps.read(machine, "archive") == archive:
        return
    wanted = origin.resolve(archive, files.read(machine, "/etc/os-release") or "")
    if wanted != origin.NO_CHANGE:
        add_archive(wanted)
        machine.ask(*APT, "update", timeout_seconds=APT_SECONDS)
    stamps.write(machine, "archive", archive)
