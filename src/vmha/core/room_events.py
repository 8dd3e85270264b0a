"""Facts about room: what the instances of a host need, what others have, and reserved hosts that were not needed."""

from __future__ import annotations

from dataclasses import dataclass

from vmha.core.aggregates import UNSAID, Membership, Places
from vmha.core.capacity import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRead:
    """Placement said what the host's instances hold (None: it knows no provider of it) and what the hosts have that may take them.

    `places` are zones and aggregates of those hosts.
    """

    answers: str
    room: Room | None
    rooms: tuple[tuple[str, Room], ...]
    places: Places = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomUnreadable:
    """Nova or Placement did not answer; `places` are what Nova said before."""

    answers: str
    detail: str
    places: Places = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedReturned:
    """A reserved host that was not needed is disabled again, and nothing is on it. `stuck` are aggregates that it is in still, and why."""

    answers: str
    host: str
    stuck: tuple[tuple[Membership, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedKept:
    """It stays in service; where that `is_unclear` nobody knows whether it was disabled."""

    answers: str
    host: str
    detail: str
    is_unclear: bool = False
