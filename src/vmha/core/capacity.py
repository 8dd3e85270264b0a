"""Room on hosts by resource class, and whether the instances of one host would find room on others.

Rules:
1. Only amounts are compared. Traits, aggregates, affinity and the scheduler's other filters are Nova's business.
2. `Fits` names a way that works; `NoRoom` is certain. What is neither is `Unclear`: the amounts would do, and no way was found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

Amounts = Mapping[str, int]
"""So much of each resource class, such as {"VCPU": 4, "MEMORY_MB": 8192}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a host has in Placement.

    `size` is what may be given away, overcommitment included; `largest` the most that one consumer may have of it; `held` what each
    consumer has.
    """

    size: Amounts
    largest: Amounts
    held: Mapping[str, Amounts]

    @property
    def used(self) -> dict[str, int]:
        """Return the sum of what consumers hold."""
        return _sum(self.held.values())

    @property
    def free(self) -> dict[str, int]:
        """Return what nobody holds; never less than nothing, though a host may be overbooked."""
        used = self.used
        return {name: max(size - used.get(name, 0), 0) for name, size in self.size.items()}

    @property
    def fullness(self) -> float:
        """Return the share of that resource of which most is used."""
        return max((amount / max(self.size.get(name, 0), 1) for name, amount in self.used.items()), default=0.0)


@dataclass(frozen=True, slots=True)
class Fits:
    """Every consumer finds room: `where` says on which host."""

    where: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """There is not enough of `resource`: `free` of what is needed. `consumer` is named where it alone fits on no host."""

    resource: str
    needed: int
    free: int
    consumer: str | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """The amounts would do, but for `consumer` no room was left by the order in which the others were placed."""

    consumer: str


def place(load: Mapping[str, Amounts], rooms: Mapping[str, Room]) -> Fits | NoRoom | Unclear:
    """Try to give every consumer of `load` room, the big ones first, each on the first host that has it."""
    return _shortage(load, rooms) or _first_fit(load, rooms)


def _shortage(load: Mapping[str, Amounts], rooms: Mapping[str, Room]) -> NoRoom | None:
    """Find what no order of placing could mend: too little in sum, or nowhere enough for one."""
    free = _sum(room.free for room in rooms.values())
    for name, needed in sorted(_sum(load.values()).items()):
        if needed > free.get(name, 0):
            return NoRoom(resource=name, needed=needed, free=free.get(name, 0))
    for consumer, amounts in sorted(load.items()):
        for name, needed in sorted(amounts.items()):
            most = max((_most(room, name) for room in rooms.values()), default=0)
            if needed > most:
                return NoRoom(resource=name, needed=needed, free=most, consumer=consumer)
    return None


def first_fit(load: Mapping[str, Amounts], rooms: Mapping[str, Room]) -> dict[str, str | None]:
    """Give each consumer the first host that has room for it, the big ones first; None where none has any left."""
    sizes = _sum(room.size for room in rooms.values())
    big_first = sorted(load.items(), key=lambda item: (-_share(item[1], sizes), item[0]))
    return fit_in_order(dict(big_first), rooms)


def fit_in_order(
    load: Mapping[str, Amounts], rooms: Mapping[str, Room], shut: Mapping[str, Collection[str]] | None = None
) -> dict[str, str | None]:
    """Give each consumer, as they stand in `load`, the first host that has room for it; None where none has any left.

    `shut` names for a consumer the hosts that are out of the question for it.
    """
    left = {host: dict(room.free) for host, room in rooms.items()}
    where: dict[str, str | None] = {}
    for consumer, amounts in load.items():
        open_hosts = (host for host in left if host not in (shut or {}).get(consumer, ()))
        host = next((host for host in open_hosts if _takes(rooms[host], left[host], amounts)), None)
        where[consumer] = host
        if host is not None:
            for name, amount in amounts.items():
                left[host][name] = left[host].get(name, 0) - amount
    return where


def _first_fit(load: Mapping[str, Amounts], rooms: Mapping[str, Room]) -> Fits | Unclear:
    where: dict[str, str] = {}
    for consumer, host in first_fit(load, rooms).items():
        if host is None:
            return Unclear(consumer)
        where[consumer] = host
    return Fits(where)


def _takes(room: Room, left: Amounts, amounts: Amounts) -> bool:
    return all(
        amount <= min(left.get(name, 0), room.largest.get(name, 0)) for name, amount in amounts.items() if amount
    )


def _most(room: Room, name: str) -> int:
    return min(room.free.get(name, 0), room.largest.get(name, 0))


def _share(amounts: Amounts, sizes: Amounts) -> float:
    return max((amount / max(sizes.get(name, 0), 1) for name, amount in amounts.items()), default=0.0)


def _sum(many: Iterable[Amounts]) -> dict[str, int]:
    total: dict[str, int] = {}
    for amounts in many:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount
    return total
