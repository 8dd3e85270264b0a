"""What one unit's agent runs next: Juju's order of events, from the model and what the unit knows of it.

Rules, in the order in which they bind:
1. A hook that failed or was killed runs again before any other; nothing else does until it has succeeded.
2. First install, then a relation-created per relation, leader-elected or leader-settings-changed, config-changed, start.
3. After that, in any order that the world brings about: a new charm (upgrade-charm, then config-changed), leadership,
   settings, secrets, and per relation joined for each unit, changed once after it, and changed for each later change.
4. A relation that goes: departed for each unit, then broken. A unit that goes: that for each relation, then stop, remove.

`due` returns every hook that may run next, the one that Juju most likely takes first. Tests with a seed take another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.juju.standin.context import Hook
from tests.juju.standin.model import Model, Relation, Secret, Unit


@dataclass(slots=True)
class Known:
    """What a unit was told of a relation: versions of its units' bags, of the application's, and who is to follow."""

    is_created: bool = False
    units: dict[str, int] = field(default_factory=dict)
    application: int = 0
    changed_next: str = ""


@dataclass(slots=True)
class Memory:
    """What an agent keeps: how far its unit came, and what it was told."""

    is_installed: bool = False
    is_started: bool = False
    is_stopped: bool = False
    is_removed: bool = False
    pending: Hook | None = None
    revision: int = 0
    settings: int | None = None
    leads: bool | None = None
    relations: dict[int, Known] = field(default_factory=dict)
    secrets: dict[str, int] = field(default_factory=dict)
    obsolete: set[tuple[str, int]] = field(default_factory=set)
    asked: list[Hook] = field(default_factory=list)


def due(model: Model, unit: Unit, memory: Memory) -> list[Hook]:
    """Return the hooks that may run next; none when the unit has nothing to do."""
    if memory.pending:
        return [memory.pending]
    application = model.applications[unit.application]
    if memory.is_removed or (unit.is_dying and not memory.is_installed):
        return []
    if not memory.is_installed:
        return [Hook(kind="install")]
    if memory.revision != application.revision and not unit.is_dying:
        return [Hook(kind="upgrade-charm")]
    enter_scopes(model, unit, memory)
    if not memory.is_started and not unit.is_dying:
        return starting(model, unit, memory)
    if unit.is_dying:
        return leaving(model, unit, memory)
    return running(model, unit, memory)


def enter_scopes(model: Model, unit: Unit, memory: Memory) -> None:
    """Let the unit enter the relations that it does not know yet; its bag then holds what Juju puts there."""
    for relation in model.relations_of(unit.application):
        if unit.is_dying or relation.is_dying or relation.id in memory.relations or not model.belongs(relation, unit):
            continue
        memory.relations[relation.id] = Known()
        relation.members.add(unit.name)
        address, _ = model.address(unit, relation.ends[unit.application])
        given = {"private-address": address, "ingress-address": address, "egress-subnets": f"{address}/32"}
        relation.write(unit.name, given | relation.bags.get(unit.name, {}))


def starting(model: Model, unit: Unit, memory: Memory) -> list[Hook]:
    """Return what comes between install and start."""
    application = model.applications[unit.application]
    if created := created_hooks(model, unit, memory):
        return created
    leads = application.leader == unit.name
    if memory.leads is None or (leads and not memory.leads):
        return [Hook(kind="leader-elected" if leads else "leader-settings-changed")]
    if memory.settings != application.settings_version:
        return [Hook(kind="config-changed")]
    return [Hook(kind="start")]


def running(model: Model, unit: Unit, memory: Memory) -> list[Hook]:
    """Return what may come after start."""
    application = model.applications[unit.application]
    found: list[Hook] = []
    leads = application.leader == unit.name
    if leads and not memory.leads:
        found.append(Hook(kind="leader-elected"))
    if memory.leads and not leads:
        memory.leads = False
    if memory.settings != application.settings_version:
        found.append(Hook(kind="config-changed"))
    found += created_hooks(model, unit, memory)
    for number in list(memory.relations):
        if memory.relations[number].is_created:
            found += relation_hooks(model, unit, memory, model.relations[number])
    found += secret_hooks(model, unit, memory)
    return found + memory.asked[:1]


def created_hooks(model: Model, unit: Unit, memory: Memory) -> list[Hook]:
    """Return the relation-created hooks that are due."""
    return [
        about(model.relations[number], unit, "relation-created")
        for number, known in memory.relations.items()
        if not known.is_created
    ]


def relation_hooks(model: Model, unit: Unit, memory: Memory, relation: Relation) -> list[Hook]:
    """Return what is due in one relation. Who has just joined is heard before anything else in it."""
    known = memory.relations[relation.id]
    if relation.is_dying:
        return parting(relation, unit, known)
    if known.changed_next:
        return [about(relation, unit, "relation-changed", known.changed_next)]
    seen = model.seen_by(relation, unit)
    found = [
        about(relation, unit, "relation-departed", name, departing=name) for name in known.units if name not in seen
    ]
    found += [about(relation, unit, "relation-joined", name) for name in seen if name not in known.units]
    far = relation.other(unit.application)
    if relation.versions.get(far, 0) != known.application:
        if relation.is_peer and model.applications[far].leader == unit.name:
            known.application = relation.versions[far]
        else:
            found.append(about(relation, unit, "relation-changed"))
    found += [
        about(relation, unit, "relation-changed", name)
        for name in seen
        if name in known.units and relation.versions.get(name, 0) != known.units[name]
    ]
    return found


def parting(relation: Relation, unit: Unit, known: Known) -> list[Hook]:
    """Return departed for each unit that is left, then broken."""
    if known.units:
        return [
            about(relation, unit, "relation-departed", name, departing=unit.name if unit.is_dying else name)
            for name in known.units
        ]
    return [about(relation, unit, "relation-broken")]


def leaving(model: Model, unit: Unit, memory: Memory) -> list[Hook]:
    """Return what a unit that goes has still to run."""
    for number, known in list(memory.relations.items()):
        if not known.is_created:
            memory.relations.pop(number)
            model.relations[number].members.discard(unit.name)
            continue
        return parting(model.relations[number], unit, known)
    if any(other.principal == unit.name for other in model.units.values()):
        return []
    if memory.is_started and not memory.is_stopped:
        return [Hook(kind="stop")]
    return [Hook(kind="remove")]


def secret_hooks(model: Model, unit: Unit, memory: Memory) -> list[Hook]:
    """Return secret-changed for what the unit follows, secret-remove for what nobody follows any more."""
    found: list[Hook] = []
    for secret in model.secrets.values():
        if owned(model, unit, secret):
            found += [
                Hook(
                    kind="secret-remove",
                    secret=f"secret:{secret.id}",
                    secret_label=secret.label,
                    secret_revision=number,
                )
                for number in secret.revisions
                if number < secret.latest
                and number not in secret.tracked.values()
                and (secret.id, number) not in memory.obsolete
            ]
        elif unit.name in secret.tracked and secret.latest > max(
            secret.tracked[unit.name], memory.secrets.get(secret.id, 0)
        ):
            label = secret.labels.get(unit.name, "")
            found.append(Hook(kind="secret-changed", secret=f"secret:{secret.id}", secret_label=label))
    return found


def owned(model: Model, unit: Unit, secret: Secret) -> bool:
    """Whether the unit looks after the secret."""
    if secret.owner == unit.name:
        return True
    return secret.owner == unit.application and model.applications[unit.application].leader == unit.name


def about(relation: Relation, unit: Unit, kind: str, remote: str = "", *, departing: str = "") -> Hook:
    """Return a hook of a relation."""
    return Hook(
        kind=kind,
        relation=relation.id,
        endpoint=relation.ends[unit.application],
        remote_app=relation.other(unit.application),
        remote_unit=remote,
        departing=departing,
    )


@dataclass(slots=True)
class Beginning:
    """What was true when a hook began: it learns only of that, however long it runs."""

    revision: int
    settings: int
    leads: bool
    versions: dict[str, int]
    secrets: dict[str, int]


def begin(model: Model, unit: Unit, memory: Memory, hook: Hook) -> Beginning:
    """Note what is true now, and keep the hook as pending until it has succeeded."""
    application = model.applications[unit.application]
    if hook.kind != "action":
        memory.pending = hook
    relation = model.relations.get(hook.relation) if hook.relation is not None else None
    return Beginning(
        revision=application.revision,
        settings=application.settings_version,
        leads=application.leader == unit.name,
        versions=dict(relation.versions) if relation else {},
        secrets={secret.id: secret.latest for secret in model.secrets.values()},
    )


# What a hook that succeeded makes true for good.
MILESTONES = {"install": "is_installed", "start": "is_started", "stop": "is_stopped", "remove": "is_removed"}


def succeed(model: Model, unit: Unit, memory: Memory, hook: Hook, beginning: Beginning) -> None:
    """Remember what a hook that succeeded was told."""
    memory.pending = None
    if hook in memory.asked:
        memory.asked.remove(hook)
    if hook.kind in MILESTONES:
        setattr(memory, MILESTONES[hook.kind], True)
    if hook.kind in ("install", "upgrade-charm"):
        # Juju lets config-changed follow both.
        memory.revision, memory.settings = beginning.revision, None
    if hook.kind in ("leader-elected", "leader-settings-changed"):
        memory.leads = beginning.leads
    if hook.kind == "config-changed":
        memory.settings = beginning.settings
    number = hook.secret.removeprefix("secret:")
    if hook.kind == "secret-changed":
        memory.secrets[number] = beginning.secrets[number]
    if hook.kind == "secret-remove":
        memory.obsolete.add((number, hook.secret_revision or 0))
    if hook.relation is not None:
        remember_relation(model, unit, memory, hook, beginning)


def remember_relation(model: Model, unit: Unit, memory: Memory, hook: Hook, beginning: Beginning) -> None:
    """Remember what a relation's hook told, and let a unit that has had `broken` leave the scope."""
    assert hook.relation is not None
    known, kind, remote = memory.relations[hook.relation], hook.kind, hook.remote_unit
    if kind == "relation-created":
        known.is_created = True
    elif kind == "relation-joined":
        known.units[remote] = 0
        known.changed_next = remote
    elif kind == "relation-changed" and remote:
        known.units[remote] = beginning.versions.get(remote, 0)
        known.changed_next = ""
    elif kind == "relation-changed":
        known.application = beginning.versions.get(hook.remote_app, 0)
    elif kind == "relation-departed":
        known.units.pop(remote, None)
    else:
        memory.relations.pop(hook.relation)
        model.relations[hook.relation].members.discard(unit.name)
