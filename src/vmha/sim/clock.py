"""The world's time as a local clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.sim.world import World


class SimClock:
    """The world's time as a local clock; to sleep is to let the world go on."""

    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        """Return the world's time."""
        return self._world.now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass in the world."""
        self._world.advance(self._world.now + seconds)
