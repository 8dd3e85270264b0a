"""Host aggregates of Nova: which reserved hosts are near a failed host, and which aggregates they are added to.

Rules:
1. One of the failed host's zone comes before others, then the one that shares more of its aggregates without a zone: what is bound to
   them can run nowhere else.
2. With `[host_failure] add_reserved_host_to_aggregate` a reserved host is added to those of the failed host that it is not in, none of
   another zone than its own. What is to be added is stored with the order, before it is sent; what was there already is not ours.
3. What we added is taken away when the host goes back to the reserve, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from vmha.core.explain import Code, because, names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.draft import Draft
    from vmha.core.explain import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """An aggregate of Nova. `zone` is the availability zone that it makes of its hosts, None for one that makes none."""

    id: int
    name: str
    zone: str | None
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Membership:
    """An aggregate that a reserved host is added to for a failed one: Nova's id, and the name for humans."""

    id: int
    name: str


class Joined(Enum):
    """What came of adding a host to an aggregate."""

    ADDED = "added"
    THERE = "there"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What came of adding a host to one aggregate, with Nova's words where it did not."""

    to: Membership
    came: Joined
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where hosts belong: availability zones by host, and the aggregates. `trouble` says why the aggregates could not be read."""

    zones: tuple[tuple[str, str], ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    trouble: str | None = None


UNSAID = Places()
"""Where nobody said where hosts belong."""


def nearness(places: Places, host: str, spare: str) -> tuple[bool, int]:
    """Order reserved hosts by how near they are to a failed host, the nearest first."""
    zones = dict(places.zones)
    shared = [each for each in places.aggregates if each.zone is None and {host, spare} <= each.hosts]
    return zones.get(spare) != zones.get(host), -len(shared)


def to_join(draft: Draft, places: Places, spare: str) -> tuple[Membership, ...]:
    """Return the aggregates that a reserved host is to be added to, and say which it cannot be added to."""
    host = draft.state.host
    if not draft.policy.add_reserved_host_to_aggregate:
        return ()
    if places.trouble is not None:
        draft.say(Code.AGGREGATES_UNREADABLE, reserved=spare, host=host, detail=places.trouble)
    own = dict(places.zones).get(spare) or "none that Nova names"
    lacking = [each for each in places.aggregates if host in each.hosts and spare not in each.hosts]
    for each in lacking:
        if each.zone not in (None, own):
            draft.say(Code.AGGREGATE_OF_ANOTHER_ZONE, reserved=spare, aggregate=each.name, zone=each.zone, own=own)
    return tuple(Membership(each.id, each.name) for each in lacking if each.zone in (None, own))


def ours(draft: Draft, spare: str, joinings: Iterable[Joining], *, was_ordered_before: bool) -> tuple[Membership, ...]:
    """Say what came of adding it, and return what is to be taken away some day.

    Where it is a member already somebody else added it, unless an earlier order of ours may have. What Nova did not answer counts as done.
    """
    found = tuple(joinings)
    counts = {Joined.ADDED, Joined.UNKNOWN} | ({Joined.THERE} if was_ordered_before else set())
    mine = tuple(each.to for each in found if each.came in counts)
    if added := [each.to.name for each in found if each.came is not Joined.UNKNOWN and each.to in mine]:
        draft.say(Code.AGGREGATES_JOINED, reserved=spare, names=names(added), host=draft.state.host)
    for each in found:
        if each.came in (Joined.REFUSED, Joined.UNKNOWN):
            draft.say(Code.AGGREGATE_NOT_JOINED, reserved=spare, aggregate=each.to.name, detail=each.detail)
    return mine


def left(spare: str, memberships: Iterable[Membership], stuck: Iterable[tuple[Membership, str]]) -> tuple[Reason, ...]:
    """Say what a reserved host was taken out of when it went back, and what it is in still."""
    still = dict(stuck)
    gone = [each.name for each in memberships if each not in still]
    told = [because(Code.AGGREGATES_LEFT, reserved=spare, names=names(gone))] if gone else []
    told += [
        because(Code.AGGREGATE_NOT_LEFT, reserved=spare, aggregate=to.name, detail=why) for to, why in still.items()
    ]
    return tuple(told)
