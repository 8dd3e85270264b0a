"""What a storm came to: what occurred how often, and what must not have happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmha.core.incidents import ProcessRecovery
from vmha.core.kinds import has_ended
from vmha.core.model import Outcome, Recovery
from vmha.sim import checker, losses
from vmha.sim.violations import Kind

if TYPE_CHECKING:
    from vmha.sim.rig import Rig
    from vmha.sim.violations import Violation
    from vmha.sim.world import World

END_SECONDS = 700.0
STUCK_SECONDS = 150.0
"""Longer than the longest pause between two steps of a recovery that goes on: a move's time is 120 s here."""


@dataclass(slots=True)
class Result:
    """What one run, or many, came to."""

    runs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Add the other's counts to this one's."""
        self.runs += other.runs
        self.faults += other.faults
        self.reasons += other.reasons
        self.endings += other.endings
        self.violations += other.violations


def judge(seed: int, result: Result, world: World, rig: Rig) -> None:
    """Count what happened in a run, and blame it for what must not have."""
    found = checker.check(world.record.facts)
    blamed = [str(violation) for violation in found if not is_beyond_us(violation, world, rig)]
    for actor in rig.actors.values():
        held = actor.engine.held.values() if actor.engine else ()
        blamed += [f"promise broken: {one.state.reason.sentence}" for one in held if one.is_stopped]
    for row in rig.memory.rows.values():
        state = row.state
        result.endings[state.outcome.value if state.outcome else state.phase.value] += 1
        result.reasons.update(entry.reason.code.name for entry in row.timeline)
        if isinstance(state, Recovery):
            result.reasons.update(move.reason.code.name for move in state.moves if move.reason)
        blamed += losses.contradicted(state, world.record.facts)
        quiet_seconds = END_SECONDS - row.timeline[-1].at
        if not has_ended(state) and not state.phase.is_wait and quiet_seconds > STUCK_SECONDS:
            blamed.append(f"recovery of {state.host} stuck in {state.phase.value} for {quiet_seconds:.0f} s")
    blamed += _disabled_for_nothing(world, rig)
    result.violations = [f"seed {seed}: {sentence}" for sentence in blamed]


def _disabled_for_nothing(world: World, rig: Rig) -> list[str]:
    """Say which service stands disabled by us although its process is back: an order that was taken late, after all."""
    states = (row.state for row in rig.memory.rows.values())
    newest = {state.host: state for state in states if isinstance(state, ProcessRecovery)}
    return [
        f"the service of {host} is disabled by us, and its process was enabled"
        for host, state in newest.items()
        if state.outcome is Outcome.ENABLED
        and world.nova.services[host].disabled_reason == rig.policy.process_disable_reason
    ]


def is_beyond_us(violation: Violation, world: World, rig: Rig) -> bool:
    """Tell whether no engine could have known (docs/operate/limits.md).

    The order left while the host was off and Nova took it late; or somebody powered the host on after the reading, or the human's
    word, that the proof stood on, and within its validity. Two guests of one instance are never excused.
    """
    if violation.kind is not Kind.SOURCE_WAS_ON:
        return violation.kind in (Kind.LATE_ORDER, Kind.CAME_BACK)
    facts = [f for f in world.record.facts if f.get("host") == violation.host and f["at"] <= violation.at]
    on_at = max((fact["at"] for fact in facts if fact["what"] == "power" and fact["on"]), default=None)
    policy = rig.policy
    bases = [f["at"] + policy.proof_valid_seconds for f in facts if f["what"] == "bmc" and f["outcome"] == "off"]
    bases += [f["at"] + policy.human_word_valid_seconds for f in facts if f["what"] == "word"]
    return on_at is not None and any(on_at < valid_until for valid_until in bases)
