"""A store that tells who plays a scenario what reaches the timelines, and keeps what humans are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmha.core.effects import Alert
from vmha.sim.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.explain import Reason
    from vmha.ports import Change, Lease


@dataclass(slots=True)
class ListeningStore(MemoryStore):
    """Tells the player which reasons reach the timeline, and keeps what humans are told."""

    listen: Callable[[str], None] = field(default=lambda _code: None)
    alerts: list[tuple[float, str, Reason]] = field(default_factory=list)

    def commit(self, lease: Lease, version: int, change: Change[Any]) -> int:
        """Store, then tell."""
        stored = MemoryStore.commit(self, lease, version, change)
        for entry in change.timeline:
            self.listen(entry.reason.code.name)
        told = (order.effect for order in change.orders if isinstance(order.effect, Alert))
        self.alerts += [(change.now, alert.host, alert.reason) for alert in told]
        return stored
