"""`cluster` (peers, openstack-ha): where the other units are, for haproxy.

Unit bag: `private-address`, `public-address`, `internal-address`, `admin-address`. Today's charm writes the last three; its units are read
as well while a charm is being switched. Application bag: nothing. Who brings up the schema is decided by a lock in the database.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from masakari_charm.relations.bags import Bag, Bags, address, text

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
