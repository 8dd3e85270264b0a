"""What came of a scenario, as it stands below the line of its file: timelines, alerts, orders, guests, and the checker's verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.kinds import kind_of, subject_of
from vmha.core.model import MoveStatus, Recovery
from vmha.sim import checker, losses
from vmha.sim.violations import OUTSIDERS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vmha.core.explain import Reason
    from vmha.core.incidents import Incident
    from vmha.sim.record import Fact
    from vmha.sim.store import MemoryStore
    from vmha.sim.violations import Violation
    from vmha.sim.world import World


def written(
    world: World,
    store: MemoryStore,
    alerts: Sequence[tuple[float, str, Reason]],
    names: Mapping[str, str],
    stopped: Sequence[str],
    returns: Sequence[str],
) -> str:
    """Write down what happened; instances are called by their `names`, `stopped` says which recoveries an engine had to stop, `returns` how
    hosts were let back."""
    lines = []
    for row in store.rows.values():
        state = row.state
        lines.append(f"recovery of {_of(state)}: {_ending(state)}, notification {store.status(state.uuid)}")
        lines += [f"  {entry.at:6.1f}  {entry.reason.sentence}" for entry in row.timeline]
        lines += _not_moved(state)
    lines.append("alerts")
    lines += [f"  {at:6.1f}  {host}: {reason.code.name.lower()}" for at, host, reason in alerts]
    lines.append("orders")
    lines += [f"  {fact['at']:6.1f}  {_order(fact)}" for fact in world.record.facts if _is_order(fact)]
    lines += returns
    lines.append("guests")
    lines += [f"  {_where(world, uuid)}" for uuid in world.nova.servers]
    lines += [_verdict(violation) for violation in checker.check(world.record.facts)]
    for row in store.rows.values():
        lines += [f"VIOLATION {claim}" for claim in losses.contradicted(row.state, world.record.facts)]
    lines += [f"STOPPED {name}" for name in stopped]
    text = "\n".join(lines) + "\n"
    for uuid, name in names.items():
        text = text.replace(f"{name} ({uuid})", name).replace(uuid, name)
    return text


def _of(state: Incident) -> str:
    return state.host if isinstance(state, Recovery) else f"{kind_of(state).name} {subject_of(state)} on {state.host}"


def _where(world: World, uuid: str) -> str:
    running = ", ".join(world.running(uuid)) or "nowhere"
    return f"{world.nova.servers[uuid].name} runs on {running}"


def _ending(state: Incident) -> str:
    return state.phase.value if state.outcome is None else f"{state.phase.value} as {state.outcome.value}"


def _not_moved(state: Incident) -> list[str]:
    """Say of each instance that was not moved how it stands and why."""
    if not isinstance(state, Recovery):
        return []
    others = [move for move in state.moves if move.status is not MoveStatus.MOVED]
    return [f"  {m.name} {m.status.value}{f': {m.reason.sentence}' if m.reason else ''}" for m in others]


def _verdict(violation: Violation) -> str:
    """Tell what no engine can know (docs/operate/limits.md) from what is a broken promise."""
    is_limit = violation.kind in (Kind.CAME_BACK, Kind.LATE_ORDER)
    return f"{'LIMIT' if is_limit else 'VIOLATION'} {violation}"


def _is_order(fact: Fact) -> bool:
    if fact["what"] == "bmc":
        return bool(fact["order"] == "off")
    return fact["what"] in ("service", "aggregate", "evacuation", "order") and fact["caller"] not in OUTSIDERS


def _order(fact: Fact) -> str:
    caller = fact["caller"]
    if fact["what"] == "bmc":
        return f"{caller}: power-off {fact['host']}: {fact['outcome']}"
    if fact["what"] == "service":
        flags = [name for name in ("forced_down", "disabled") if fact[name]]
        return f"{caller}: service of {fact['host']}: {', '.join(flags) or 'enabled'}"
    if fact["what"] == "aggregate":
        return f"{caller}: {fact['host']} {fact['deed']} aggregate {fact['aggregate']}"
    if fact["what"] == "order":
        return f"{caller}: {fact['order']} {fact['instance']} on {fact.get('host')}: {fact['outcome']}"
    source = f" from {fact['source']}" if "source" in fact else ""
    return f"{caller}: evacuate {fact['instance']}{source} to {fact['target'] or 'any'}: {fact['outcome']}"
