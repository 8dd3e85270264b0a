"""What was said of a host: by a human, and by a monitor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HumanWord:
    """What a named human said of a recovery, and why."""

    by: str
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class DetectorWord:
    """A monitor said with its notification that the host is off (host_status NORMAL): a text that nothing backs."""

    notification: str
    at: float
