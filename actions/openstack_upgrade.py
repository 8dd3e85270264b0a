"""`openstack-upgrade`: switch this unit to the release that waits, where `action-managed-upgrade` made it wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ops

from masakari_charm import status

if TYPE_CHECKING:
    from charm import MasakariCharm
    from masakari_charm.plan import Report

# What the actions of this name answer in OpenStack's other charms.
SKIPPED = "action-managed-upgrade config is False, skipped upgrade."
NOTHING = "no upgrade available"
DONE = "success, upgrade completed"


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Switch; fail where it could not be done. Where the release is older than the one that runs, this is the way back."""
    state = charm.read()
    if not state.config.is_action_managed:
        event.set_results({"outcome": SKIPPED})
        return
    if state.wheels is None:
        event.fail(status.NO_ANSWER)
        return
    before = charm.reconcile()
    if before.problems:
        event.fail(_words(before))
        return
    if before.waiting_release is None:
        event.set_results({"outcome": NOTHING})
        return
    charm.unit.status = ops.MaintenanceStatus(status.UPGRADING)
    after = charm.reconcile(may_switch=True)
    if after.release != before.waiting_release or after.problems:
        event.fail(f"release {before.release} still runs, and {before.waiting_release} waits: {_words(after)}")
        return
    event.set_results({"outcome": DONE, "release": after.release, "previous-release": before.release or "none"})


def _words(report: Report) -> str:
    """Say what is in the way."""
    if report.problems:
        return "; ".join(f"{each.what}; {each.fix}" for each in report.problems)
    if report.waits_for_schema:
        return "the schema has to be brought up first; run the action on the leader, then again here"
    return "relations or options are missing; juju status says which"
