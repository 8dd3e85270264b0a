"""What counts for the brake in the simulator's store; the SQL one counts the same by queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.guards import stands_in
from vmha.core.model import Outcome, Phase, Recovery

if TYPE_CHECKING:
    from vmha.sim.store import MemoryStore

NO_FAILURE = (Outcome.REJECTED, Outcome.FALSE_ALARM)


def failures(store: MemoryStore, recovery: Recovery, window_seconds: float) -> int:
    """Count the segment's failures: this one, and others opened within the window or undecided since, or slots for a power-off still held."""
    now = store.now()
    mine = (s for s in store.failures if s.segment == recovery.segment and s.uuid != recovery.uuid)
    recent = (s for s in mine if stands_in(s).is_undecided or s.opened_at > now - window_seconds)
    others = sum(s.outcome not in NO_FAILURE for s in recent)
    slots = sum(
        key.startswith(f"power-off:{recovery.segment}:") and owner != recovery.uuid and (until or 0.0) > now
        for key, (owner, until) in store.claims.items()
    )
    return 1 + max(others, slots)


def is_braked(store: MemoryStore, recovery: Recovery) -> bool:
    """Tell whether another recovery of the segment stands at the brake, or is halted there."""
    others = (s for s in store.failures if s.segment == recovery.segment and s.uuid != recovery.uuid)
    return any(stands_in(s) is Phase.BRAKED for s in others)
