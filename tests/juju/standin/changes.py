"""Changes of the model that an operator orders: relations, options, secrets, leadership. What they may not be, they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.juju.standin.charm import Charm, Endpoint
from tests.juju.standin.errors import JujuError
from tests.juju.standin.model import Application, Model, Relation, Unit


def relate(model: Model, one: str, other: str) -> Relation:
    """Relate `app:endpoint` to `app:endpoint`, where interface, role and limit allow it."""
    (name, first), (far, second) = (find_end(model, end) for end in (one, other))
    if first.interface != second.interface or {first.role, second.role} != {"provides", "requires"}:
        raise JujuError(
            f"cannot relate {one} ({first.role} {first.interface}) to {other} ({second.role} {second.interface})"
        )
    if name == far:
        raise JujuError(f"cannot relate {name} to itself")
    for application, endpoint in ((name, first), (far, second)):
        taken = [r for r in model.relations_of(application) if r.ends[application] == endpoint.name]
        if endpoint.limit and len(taken) >= endpoint.limit:
            raise JujuError(f"{application}:{endpoint.name} allows {endpoint.limit} relations")
    scope = "container" if "container" in (first.scope, second.scope) else "global"
    return model.add_relation({name: first.name, far: second.name}, interface=first.interface, scope=scope)


def find_end(model: Model, end: str) -> tuple[str, Endpoint]:
    """Return an application's name and the endpoint of it that `app:endpoint` means."""
    application, _, endpoint = end.partition(":")
    return application, model.application(application).charm.endpoint(endpoint)


def unrelate(model: Model, one: str, other: str) -> None:
    """Let a relation go. Subordinates that stood beside their principal because of it go with it."""
    wanted = dict((one.split(":"), other.split(":")))
    relation = next((relation for relation in model.relations.values() if relation.ends == wanted), None)
    if relation is None:
        raise JujuError(f"no relation between {one} and {other}")
    relation.is_dying = True
    if relation.scope != "container":
        return
    for application in relation.ends:
        if model.applications[application].charm.is_subordinate:
            for unit in model.units_of(application):
                unit.is_dying = True


def set_options(application: Application, values: Mapping[str, Any]) -> None:
    """Set options; None takes one back to its default. Nothing changes where they have these values already."""
    unknown = sorted(set(values) - set(application.charm.options))
    if unknown:
        raise JujuError(f"unknown option {', '.join(unknown)} of {application.name}")
    settings = {name: value for name, value in (application.settings | dict(values)).items() if value is not None}
    if settings != application.settings:
        application.settings = settings
        application.settings_version += 1


def replace_charm(model: Model, application: Application, charm: Charm) -> None:
    """Give an application another charm, unless a relation of it would lose its endpoint."""
    for relation in model.relations_of(application.name):
        endpoint = relation.ends[application.name]
        if endpoint not in charm.endpoints:
            raise JujuError(f"cannot refresh {application.name}: {endpoint} is related and not in the new charm")
    application.charm = charm
    application.revision += 1
    add_peers(model, application)


def add_peers(model: Model, application: Application) -> None:
    """Make the peer relations that the charm names and that are not there yet."""
    there = {relation.ends[application.name] for relation in model.relations_of(application.name)}
    for endpoint in application.charm.endpoints.values():
        if endpoint.role == "peers" and endpoint.name not in there:
            model.add_relation({application.name: endpoint.name}, interface=endpoint.interface, scope="global")


def without_subordinate(model: Model, relation: Relation) -> list[tuple[str, Unit]]:
    """Return the subordinate's application and each principal that has no unit of it beside itself yet."""
    if relation.scope != "container" or relation.is_peer or relation.is_dying:
        return []
    found = []
    for name in relation.ends:
        if not model.applications[name].charm.is_subordinate:
            continue
        have = {unit.principal for unit in model.units_of(name) if not unit.is_dying}
        principals = model.units_of(relation.other(name))
        found += [(name, unit) for unit in principals if unit.name not in have and not unit.is_dying]
    return found


def let_go(model: Model, unit: Unit) -> None:
    """Let a unit go, with what is subordinate to it; it leads no more."""
    for other in model.units.values():
        if other.principal == unit.name:
            other.is_dying = True
    unit.is_dying = True
    hand_over(model, model.applications[unit.application])


def hand_over(model: Model, application: Application) -> None:
    """Give leadership to the first unit that is there, unless the one that has it is."""
    able = [unit.name for unit in model.units_of(application.name) if not unit.is_dying and not unit.is_lost]
    if application.leader not in able:
        application.leader = able[0] if able else None


def drop_empty_relations(model: Model) -> None:
    """Forget a relation that goes once the last of its members has left it."""
    for number, relation in list(model.relations.items()):
        if relation.is_dying and not relation.members:
            del model.relations[number]


def forget(model: Model, unit: Unit) -> None:
    """Take a unit that is gone out of the model."""
    model.units.pop(unit.name, None)
    application = model.applications[unit.application]
    if application.leader == unit.name:
        application.leader = None
        hand_over(model, application)
