"""`restart-services`: stop the services of this unit, then start them. What Pacemaker runs is left to Pacemaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm import build
from masakari_charm.workload import services
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Restart all services, or those that the parameter `services` names."""
    state = charm.read()
    plan = build.plan(state)
    ours = [service.name for service in plan.services if service.is_ours]
    asked = str(event.params.get("services", "")).replace(",", " ").split() or ours
    if state.is_paused:
        event.fail("this unit is paused; run the action resume")
        return
    unknown = sorted(set(asked) - set(ours))
    if unknown:
        event.fail(f"no service of this unit: {', '.join(unknown)}; there are {', '.join(ours)}")
        return
    if not plan.is_complete:
        event.fail("relations or options are missing, so that nothing is started; juju status says which")
        return
    try:
        services.restart(charm.machine, [service for service in plan.services if service.name in asked])
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    finally:
        charm.reconcile()
    event.set_results({"outcome": f"restarted {', '.join(asked)}"})
