"""The real clock."""

from __future__ import annotations

import time


class SystemClock:
    """Local time. It grows while the machine sleeps too, so that an engine that woke knows that its orders are late."""

    def monotonic(self) -> float:
        """Return seconds since the machine started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(max(0.0, seconds))
