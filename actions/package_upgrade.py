"""`package-upgrade`: newer versions of the distribution's packages that the charm installed, from the archive that is chosen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from masakari_charm import build
from masakari_charm.workload import packages
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm

SUMMARY = re.compile(r"^\d+ upgraded, .*$", re.MULTILINE)


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Upgrade; refuse while another release of the service waits, as these charms always did."""
    before = charm.reconcile()
    if before.waiting_release is not None:
        outcome = f"release {before.waiting_release} waits; run openstack-upgrade first, skipped package upgrade"
        event.set_results({"outcome": outcome})
        event.fail(outcome)
        return
    try:
        said = packages.upgrade(charm.machine, build.plan(charm.read()).packages)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    found = SUMMARY.search(said)
    event.set_results({"outcome": "success, package upgrade completed", "apt": found[0] if found else "said nothing"})
