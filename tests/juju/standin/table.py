"""The status of the model as a table, in the columns of `juju status --relations`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.juju.standin.model import VERSION, Model, Unit, shown

TITLE = "a stand-in for Juju, no controller"


def table(model: Model) -> str:
    """Return the whole status."""
    parts = [
        columns([("Model", "Controller", "Version", "Remark"), (model.name, "none", VERSION, TITLE)]),
        columns([("App", "Version", "Status", "Scale", "Charm", "Message"), *applications(model)]),
        columns([("Unit", "Workload", "Agent", "Machine", "Address", "Ports", "Message"), *units(model)]),
        columns([("Integration provider", "Requirer", "Interface", "Type"), *relations(model)]),
    ]
    return "\n\n".join(parts) + "\n"


def applications(model: Model) -> Iterator[tuple[str, ...]]:
    """Yield a row per application."""
    for name, application in sorted(model.applications.items()):
        status = model.application_status(name)
        scale = str(len(model.units_of(name)))
        charm = application.charm.name + ("" if application.charm.folder else " (scripted)")
        yield name, application.version, status.word, scale, charm, status.message


def units(model: Model) -> Iterator[tuple[str, ...]]:
    """Yield a row per unit, its subordinates below it; a star marks the leader."""
    for unit in sorted(model.units.values(), key=lambda unit: (unit.application, unit.number)):
        if unit.principal in model.units:
            continue
        yield row(model, unit, "")
        for other in sorted(model.units.values(), key=lambda other: other.name):
            if other.principal == unit.name:
                yield row(model, other, "  ")


def row(model: Model, unit: Unit, indent: str) -> tuple[str, ...]:
    """Return a unit's row."""
    status = shown(unit)
    leads = "*" if model.applications[unit.application].leader == unit.name else ""
    address, _ = model.address(unit, "")
    machine = "" if unit.principal else str(unit.machine)
    agent = "lost" if unit.is_lost else "idle" if unit.agent.word == "error" else unit.agent.word
    ports = ",".join(sorted(unit.ports))
    return f"{indent}{unit.name}{leads}", status.word, agent, machine, address, ports, status.message


def relations(model: Model) -> Iterator[tuple[str, ...]]:
    """Yield a row per relation, the provider first; what scripted units have among themselves is nobody's business."""
    for relation in model.relations.values():
        if relation.is_peer and not any(model.applications[name].charm.folder for name in relation.ends):
            continue
        ends = sorted(
            relation.ends.items(), key=lambda end: model.applications[end[0]].charm.endpoint(end[1]).role != "provides"
        )
        provider, requirer = ends[0], ends[-1]
        kind = "peer" if relation.is_peer else "subordinate" if relation.scope == "container" else "regular"
        yield ":".join(provider), ":".join(requirer), relation.interface, kind


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as columns, two blanks apart."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
