"""Takes the charm's traces from a machine.

Gone afterwards: services, unit files, configuration with all its secrets, releases, links, and what the charm remembered.
What stays: logs (/var/log/masakari), the service's own files (/var/lib/masakari, with the database where it is SQLite), the user that
they belong to, and packages, which others may need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm.workload import accounts, candidate, converge, files, release, services, stamps, trust
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    from masakari_charm.plan import Problem
    from masakari_charm.workload.machine import Machine


def remove(machine: Machine) -> tuple[Problem, ...]:
    """Remove what the charm made. May be called again; what cannot be stopped is returned, and then nothing was taken away."""
    try:
        services.stop_all(machine)
        trust.converge(machine, ())
    except Trouble as trouble:
        return (trouble.problem,)
    for path in (stamps.read(machine, converge.MANIFEST) or "").split():
        files.remove(machine, path)
    for path in release.linked_programs(machine):
        files.remove(machine, path)
    for path in (accounts.CONFIG_FOLDER, release.TOP, candidate.FOLDER, stamps.FOLDER):
        files.remove(machine, path)
    machine.ask(services.SYSTEMCTL, "daemon-reload")
    return ()
