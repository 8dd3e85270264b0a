"""`resume`: start the services of a paused unit again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm.workload import services

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Take the pause back, bring everything up to date that was missed, and fail where something does not run."""
    services.remember_pause(charm.machine, paused=False)
    report = charm.reconcile()
    trouble = [f"{each.what}; {each.fix}" for each in report.problems]
    if report.stopped:
        trouble.append(f"not running: {', '.join(report.stopped)}; see journalctl -u {report.stopped[0]}")
    if trouble:
        event.fail("; ".join(trouble))
        return
    event.set_results({"outcome": "resumed"})
