"""The user that the service runs as, and its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm.plan import SYSTEM_USER
from masakari_charm.workload import files
from masakari_charm.workload.machine import explained

if TYPE_CHECKING:
    from masakari_charm.workload.machine import Machine

CONFIG_FOLDER = "/etc/masakari"
STATE_FOLDER = "/var/lib/masakari"
LOG_FOLDER = "/var/log/masakari"


def prepare(machine: Machine) -> None:
    """Make the system user and the folders that are missing."""
    if not _exists(machine):
        with explained(
            f"cannot make the user {SYSTEM_USER}", fix="see whether /etc/passwd is locked; the next hook tries again"
        ):
            machine.run(
                *("/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir", STATE_FOLDER),
                *("--shell", "/usr/sbin/nologin", SYSTEM_USER),
            )
    # The service reads its configuration and may not change it.
    files.make_folder(machine, CONFIG_FOLDER, mode=0o750, group=SYSTEM_USER)
    for folder in (STATE_FOLDER, LOG_FOLDER):
        files.make_folder(machine, folder, mode=0o750, owner=SYSTEM_USER, group=SYSTEM_USER)


def _exists(machine: Machine) -> bool:
    try:
        machine.accounts.ids(SYSTEM_USER, SYSTEM_USER)
    except KeyError:
        return False
    return True
