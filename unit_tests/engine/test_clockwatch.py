"""The database's clock beside the local one."""

from __future__ import annotations

import pytest

from vmha.engine.clockwatch import ClockWatch

AHEAD = 1_700_000_000.0


def look(watch: ClockWatch, local: float, *, off: float = 0.0, took: float = 0.01) -> float:
    """Look at a database's clock that is `off` seconds from where it began; its time is read in the middle of the look."""
    return watch.jump(local - took / 2, AHEAD + local + off, local + took / 2)


def test_the_first_look_is_no_jump() -> None:
    """Whatever the database says at first is taken for the time."""
    assert look(ClockWatch(), 50.0) == 0.0


@pytest.mark.parametrize("off", [-1800.0, -2.1, 2.1, 1800.0])
def test_a_jump_is_told_once(off: float) -> None:
    """A jump in either direction is told with its seconds, and then the new time is the time."""
    watch = ClockWatch()
    look(watch, 50.0)
    assert look(watch, 51.0) == 0.0
    assert look(watch, 52.0, off=off) == pytest.approx(off, abs=0.1)
    assert look(watch, 53.0, off=off) == 0.0


@pytest.mark.parametrize("off", [-1.5, 1.5])
def test_a_small_step_is_none(off: float) -> None:
    """What time services correct in one go, and what two servers in step differ by, gives nothing up."""
    watch = ClockWatch()
    look(watch, 50.0)
    assert look(watch, 51.0, off=off) == 0.0


def test_drift_never_adds_up() -> None:
    """A database whose clock is slewed by a second an hour does not jump, in days."""
    watch = ClockWatch()
    assert {look(watch, local, off=local / 3600.0) for local in map(float, range(0, 200_000, 5))} == {0.0}


def test_a_slow_look_is_no_jump() -> None:
    """A look that took twenty seconds says little about the time, and neither it nor the next one is a jump."""
    watch = ClockWatch()
    look(watch, 50.0)
    assert watch.jump(51.0, AHEAD + 51.0, 71.0) == 0.0
    assert look(watch, 72.0) == 0.0
    assert watch.jump(73.0, AHEAD + 93.0, 93.0) == 0.0
    assert look(watch, 94.0) == 0.0


def test_a_slow_look_forgets_nothing() -> None:
    """A step back that happens around a slow look is found by the next quick one."""
    watch = ClockWatch()
    look(watch, 50.0)
    assert watch.jump(51.0, AHEAD + 66.0 - 10.0, 71.0) == 0.0
    assert look(watch, 72.0, off=-10.0) == pytest.approx(-10.0, abs=0.1)
