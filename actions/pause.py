"""`pause`: stop the services of this unit, and keep them stopped whatever hooks come, until `resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm import build
from masakari_charm.workload import services

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Note that the unit is paused, stop what is ours, and fail where something still runs."""
    services.remember_pause(charm.machine, paused=True)
    problems = services.pause(charm.machine, build.plan(charm.read()).services)
    charm.reconcile()
    if problems:
        event.fail("; ".join(f"{each.what}; {each.fix}" for each in problems))
        return
    event.set_results({"outcome": "paused; hooks start nothing until the action resume"})
