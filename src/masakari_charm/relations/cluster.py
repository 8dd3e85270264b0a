"""`cluster` (peers, openstack-ha): where the other units are, for haproxy, and what the leader tells them.

Unit bag: `private-address`, `public-address`, `internal-address`, `admin-address`. Today's charm writes the last three; its units are read
as well while a charm is being switched.
Application bag, written by the leader: `schema` = the release whose schema a database has, and that database's fingerprint. Nobody reads
it: it calls those who looked before the schema was there. Who brings it up is decided by a lock in the database.
`ha-resources` = JSON [name of each resource that hacluster was ever asked for], so that all units know what has to be deleted, also one
that came after it was dropped.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from masakari_charm.relations.bags import Bag, Bags, address, dump, json_list, text

ENDPOINT = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another unit, where its haproxy can be reached."""

    unit: str
    address: str


def request(*, private: str, public: str, internal: str, admin: str) -> dict[str, str]:
    """Tell the peers our addresses."""
    return {
        "private-address": private,
        "public-address": public,
        "internal-address": internal,
        "admin-address": admin,
    }


def tell_schema(*, release: str, fingerprint: str) -> dict[str, str]:
    """Say, as the leader, that a database has the schema of a release."""
    return {"schema": f"{release} {fingerprint}"}


def tell_resources(names: Collection[str]) -> dict[str, str]:
    """Note, as the leader, what hacluster was ever asked for."""
    return {"ha-resources": dump(sorted(names)) if names else ""}


def told_resources(bag: Bag) -> frozenset[str]:
    """Return what the leader noted of it."""
    return frozenset(name for name in json_list(bag, "ha-resources") if isinstance(name, str))


def parse(bags: Bags) -> tuple[Peer, ...]:
    """Return the peers that have an address, in the order of their numbers."""
    found = [(unit, _address(bag)) for unit, bag in bags.items()]
    peers = [Peer(unit=unit, address=address) for unit, address in found if address]
    return tuple(sorted(peers, key=lambda peer: (_number(peer.unit), peer.unit)))


def _address(bag: Bag) -> str | None:
    value = address(bag) or text(bag, "internal-address") or ""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return None


def _number(unit: str) -> int:
    digits = unit.rpartition("/")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
