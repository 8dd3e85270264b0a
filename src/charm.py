#!/usr/bin/env python3
"""The masakari charm's events. Every one but actions and removal does the same: read, publish, plan, converge, show.

For the modules in actions/, which have one function `run(event, charm)` each: `charm.machine` is the machine, `charm.read()` the state,
`build.plan(state)` the plan, and `charm.reconcile()` does what any hook does and returns the machine's report. Whoever calls it has
the unit's status shown afterwards.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import ops

from masakari_charm import build, status
from masakari_charm.networks import API_PORT
from masakari_charm.plan import Plan, Report
from masakari_charm.publish import ENDPOINTS, publish, tell_schema
from masakari_charm.state import State, read
from masakari_charm.workload import converge, removal, services
from masakari_charm.workload.machine import Machine

logger = logging.getLogger(__name__)

ACTIONS = {
    "answer-recovery": "actions.answer_recovery",
    "check-readiness": "actions.check_readiness",
    "confirm-host-down": "actions.confirm_host_down",
    "fencing-check": "actions.fencing_check",
    "list-recoveries": "actions.list_recoveries",
    "openstack-upgrade": "actions.openstack_upgrade",
    "package-upgrade": "actions.package_upgrade",
    "pause": "actions.pause",
    "restart-services": "actions.restart_services",
    "resume": "actions.resume",
    "return-host": "actions.return_host",
    "show-recovery": "actions.show_recovery",
}
"""Which module has the function `run(event, charm)` of an action."""

PROXIES = {
    "JUJU_CHARM_HTTP_PROXY": "http_proxy",
    "JUJU_CHARM_HTTPS_PROXY": "https_proxy",
    "JUJU_CHARM_NO_PROXY": "no_proxy",
}
"""How Juju names its model's proxies, and how apt does."""


class MasakariCharm(ops.CharmBase):
    """Takes Juju's events. Tests give another machine, and another way to make it match a plan."""

    converge: ClassVar[Callable[[Plan, Machine], Report]] = staticmethod(converge.converge)

    def __init__(self, framework: ops.Framework) -> None:
        """Watch every event."""
        super().__init__(framework)
        self.machine = self.make_machine()
        self._shown: tuple[State, Report] | None = None
        for event in (
            self.on.install,
            self.on.upgrade_charm,
            self.on.config_changed,
            self.on.start,
            self.on.update_status,
            self.on.leader_elected,
            self.on.secret_changed,
        ):
            framework.observe(event, self._on_change)
        for endpoint in ENDPOINTS:
            events = self.on[endpoint]
            for event in (
                events.relation_created,
                events.relation_joined,
                events.relation_changed,
                events.relation_departed,
                events.relation_broken,
            ):
                framework.observe(event, self._on_change)
        for name in ACTIONS:
            framework.observe(self.on[name].action, self._on_action)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    def make_machine(self) -> Machine:
        """Return the machine that this unit runs on, with the model's proxies for apt."""
        proxies = {name: os.environ[juju] for juju, name in PROXIES.items() if os.environ.get(juju)}
        return Machine(environment=proxies)

    def read(self) -> State:
        """Read everything that Juju says now."""
        return read(self, is_paused=services.is_paused(self.machine))

    def reconcile(self, *, may_switch: bool = False) -> Report:
        """Publish our requests and make the machine match. `may_switch` lets a release that waits for the operator come."""
        state = self.read()
        publish(self.model, state)
        plan = build.plan(state)
        report = type(self).converge(replace(plan, may_switch=True) if may_switch else plan, self.machine)
        tell_schema(self.model, state, report)
        if plan.is_complete:
            self.unit.set_ports(API_PORT)
        if report.release is not None:
            self.unit.set_workload_version(report.release)
        for missing in state.missing:
            if missing.is_joined:
                logger.info("%s has not answered yet: %s", missing.relation, ", ".join(missing.keys))
        for problem in (*state.problems, *state.warnings, *report.problems):
            logger.warning("%s; %s", problem.what, problem.fix)
        self._shown = (state, report)
        return report

    def _on_change(self, event: ops.EventBase) -> None:
        if isinstance(event, ops.InstallEvent):
            self.unit.status = ops.MaintenanceStatus(status.INSTALLING)
        self.reconcile()
        if isinstance(event, ops.ConfigChangedEvent) and self._shown is not None:
            self._tell_operator(self._shown[0])

    def _tell_operator(self, state: State) -> None:
        """Name what has no effect, and what is left out, once per change of the configuration."""
        dead = state.config.without_effect
        if dead:
            logger.warning(
                "options without effect on this service are set: %s; see docs/charm/config.md", ", ".join(dead)
            )
        for hint in status.hints(state):
            logger.warning("%s", hint)
        if state.config.vip and not state.ha.is_related:
            logger.warning("vip is set without hacluster: something else has to carry %s", " ".join(state.config.vip))

    def _on_action(self, event: ops.ActionEvent) -> None:
        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        root = str(Path(__file__).resolve().parents[1])
        if root not in sys.path:
            sys.path.append(root)  # actions/ lies beside src/, as in other charms of this field
        importlib.import_module(ACTIONS[name]).run(event, self)

    def _on_remove(self, _event: ops.RemoveEvent) -> None:
        problems = removal.remove(self.machine)
        if problems:
            # Juju shows the failed hook and tries again; a unit that goes with its services running could not be mended.
            raise RuntimeError("; ".join(f"{each.what}; {each.fix}" for each in problems))

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self._shown is not None:
            event.add_status(status.unit_status(*self._shown))


if __name__ == "__main__":
    ops.main(MasakariCharm)
