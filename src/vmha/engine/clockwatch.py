"""Notices that the database's clock jumped: set by hand, by a time service, or because another server answers now."""

from __future__ import annotations

from dataclasses import dataclass

from vmha.core.model import CLOCK_TOLERANCE_SECONDS


@dataclass(slots=True)
class ClockWatch:
    """Compares the database's clock with the local one, which never jumps.

    What is kept is by how much the first is ahead of the second, between two bounds: a look at the database takes a while, and its time
    was read somewhen in between. The bounds follow, so that clocks that merely drift apart never add up to a jump.
    """

    least: float | None = None
    most: float | None = None

    def jump(self, before: float, now: float, after: float) -> float:
        """Take in that the database said `now` between the local times `before` and `after`; return the seconds that it jumped, or 0."""
        least, most = now - after, now - before
        known_least, known_most = self.least, self.most
        if known_least is None or known_most is None:
            self.least, self.most = least, most
            return 0.0
        overlap = max(least, known_least), min(most, known_most)
        self.least, self.most = overlap if overlap[0] <= overlap[1] else (least, most)
        if least > known_most + CLOCK_TOLERANCE_SECONDS:
            return least - known_most
        if most < known_least - CLOCK_TOLERANCE_SECONDS:
            return most - known_least
        return 0.0
