"""Asks Placement for the room of a failed host's instances, and of the hosts that may take them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.aggregates import Places
from vmha.core.events import RoomRead, RoomUnreadable
from vmha.errors import VmhaError

if TYPE_CHECKING:
    from collections.abc import Collection

    from vmha.core.capacity import Room
    from vmha.core.effects import ReadRoom
    from vmha.core.model import ServiceReading
    from vmha.ports import Deadline, Nova

MOST_HOSTS = 64
"""Of a segment that are asked for: two calls each. What that many have is enough to say what is missing."""


def read_room(effect: ReadRoom, nova: Nova, *, deadline: Deadline) -> RoomRead | RoomUnreadable:
    """Read the room of those that are up and that Nova's scheduler may use, or that a recovery may enable."""
    places = Places()
    try:
        services = {service.host: service for service in nova.services(deadline=deadline)}
        # The reserved ones first: what they have decides, what the others have is only said.
        able = [host for host in effect.reserves if _is_up(services.get(host), enabled=False)]
        able += [host for host in effect.enabled if _is_up(services.get(host), enabled=True)]
        zones = tuple((host, services[host].zone) for host in (effect.host, *able) if host in services)
        places = replace(aggregates_of(effect.host, effect.reserves, nova, deadline=deadline), zones=zones)
        found = ((host, nova.room(host, deadline=deadline)) for host in able[:MOST_HOSTS])
        rooms: tuple[tuple[str, Room], ...] = tuple((host, room) for host, room in found if room is not None)
        room = nova.room(effect.host, deadline=deadline)
        return RoomRead(answers=effect.key, room=room, rooms=rooms, places=places)
    except VmhaError as error:
        return RoomUnreadable(answers=effect.key, detail=str(error), places=places)


def aggregates_of(host: str, reserves: Collection[str], nova: Nova, *, deadline: Deadline) -> Places:
    """Read the aggregates of a failed host, where reserved hosts are weighed; without them they are weighed all the same."""
    if not reserves:
        return Places()
    try:
        found = nova.aggregates(deadline=deadline)
    except VmhaError as error:
        return Places(trouble=str(error))
    weighed = frozenset((host, *reserves))
    mine = (each for each in found if host in each.hosts)
    return Places(aggregates=tuple(replace(each, hosts=each.hosts & weighed) for each in mine))


def _is_up(service: ServiceReading | None, *, enabled: bool) -> bool:
    return service is not None and service.is_up and not service.forced_down and not (enabled and service.disabled)
