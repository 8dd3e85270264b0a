"""hacluster's end of `ha`, and what it does to its principal's machine.

It is a subordinate and reads its own principal's unit bag: json_resources, json_resource_params, json_groups, json_clones, ...
Nothing is configured before `cluster_count` units have asked. What they ask must be JSON that names no resource that is not there,
and the same on each, or the hook fails. Then every unit writes `clustered=yes`. Of an lsb resource it takes the service out of the
hands of systemd, and Pacemaker starts it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from tests.juju.peers.base import Bag, Peer
from tests.juju.standin.context import Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Application, Relation, Unit

AGENTS = ("ocf:heartbeat:", "ocf:maas:", "lsb:", "systemd:", "stonith:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crm:
    """What would be configured in Pacemaker: name -> agent, name -> parameters, groups and clones with their members."""

    resources: Mapping[str, str]
    parameters: Mapping[str, str]
    groups: Mapping[str, str] = field(default_factory=dict)
    clones: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()

    def virtual_ips(self) -> list[str]:
        """Return the addresses that Pacemaker would hold."""
        texts = (
            self.parameters[name] for name, agent in self.resources.items() if agent.startswith("ocf:heartbeat:IP")
        )
        return sorted(text.split('"')[1] for text in texts)


def parse(bag: Bag) -> Crm:
    """Return what a principal asks for, or refuse what hacluster could not configure."""
    crm = Crm(
        resources=mapping(bag, "json_resources"),
        parameters=mapping(bag, "json_resource_params"),
        groups=mapping(bag, "json_groups"),
        clones=mapping(bag, "json_clones"),
        deleted=tuple(json.loads(bag.get("json_delete_resources") or "[]")),
    )
    for name, agent in crm.resources.items():
        if not agent.startswith(AGENTS):
            raise ToolError(f"crm: resource {name} has no agent that there is: {agent}")
    members = [name for names in crm.groups.values() for name in names.split()]
    members += [names.split()[0] for names in crm.clones.values()]
    for name in (*crm.parameters, *members, *mapping(bag, "json_init_services")):
        if name not in crm.resources:
            raise ToolError(f"crm: {name} is not among the resources")
    return crm


def mapping(bag: Bag, key: str) -> dict[str, str]:
    """Return a key's JSON mapping, an empty one where it is not there."""
    try:
        found = json.loads(bag.get(key) or "{}")
    except ValueError as wrong:
        raise ToolError(f"{key} is no JSON: {wrong}") from wrong
    if not isinstance(found, dict):
        raise ToolError(f"{key} is no mapping")
    return found


class Hacluster(Peer):
    """One unit of hacluster."""

    endpoint = "ha"
    interface = "hacluster"
    needs = ("json_resources", "json_resource_params", "corosync_bindiface")
    is_subordinate = True
    options: ClassVar = {"cluster_count": 3}

    def __init__(self, unit: Unit, juju: Juju) -> None:
        """Stand beside a principal, whose machine it may touch."""
        super().__init__(unit)
        self._juju = juju

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Form the cluster once enough principals have asked for the same."""
        ((principal, bag),) = asking.items()
        crm = parse(bag)
        principals = context.model.units_of(relation.other(context.unit.application))
        asked = [relation.bags.get(unit.name, {}) for unit in principals]
        ready = [other for other in asked if all(other.get(key) for key in self.needs)]
        if len(ready) < int(str(context.application.config()["cluster_count"])):
            return {}
        differing = [other for other in ready if parse(other) != crm]
        if differing and not any(unit.is_dying for unit in principals):
            # The real one takes its leader's principal for all: others would be configured wrongly, silently.
            return {}
        self._take_over(principal, crm)
        return {"clustered": "yes"}

    def _take_over(self, principal: str, crm: Crm) -> None:
        """Do to the machine what hacluster does for an lsb resource, and what Pacemaker does then."""
        if self._juju.agents[principal].machine is None:
            return
        machine = self._juju.machine(principal)
        for agent in crm.resources.values():
            if not agent.startswith("lsb:"):
                continue
            service = machine.service(agent.removeprefix("lsb:"))
            service.is_enabled = False
            if not service.is_active:
                service.is_active = True
                service.starts += 1

    def spoil(self, reply: dict[str, str], mode: str) -> dict[str, str]:
        """Not say that there is a cluster, or say it in a word that is none."""
        if mode == "incomplete":
            return reply | {"clustered": ""}
        if mode == "wrong":
            return reply | {"clustered": "perhaps"}
        return reply


def deploy(juju: Juju, name: str, _: int) -> Application:
    """Add hacluster to a model; its units come when it is related."""
    return juju.deploy_script(Hacluster.charm("hacluster"), lambda unit: Hacluster(unit, juju), name)
