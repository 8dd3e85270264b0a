"""The real clock."""

from __future__ import annotations

import time

from vmha.adapters.clock import SystemClock


def test_time_grows_by_what_was_slept() -> None:
    """A sleep is seen on the clock, and a negative one is none."""
    clock = SystemClock()
    before = clock.monotonic()

    clock.sleep(0.02)
    clock.sleep(-1)

    assert 0.02 <= clock.monotonic() - before < 60


def test_time_counts_what_the_machine_slept() -> None:
    """The clock is the one that goes on while the machine is suspended; Python's own stands still then."""
    assert SystemClock().monotonic() >= time.monotonic() - 0.1
    assert abs(SystemClock().monotonic() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60
