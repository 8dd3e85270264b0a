"""The rows of the `Store` in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmha.adapters.db import records

if TYPE_CHECKING:
    from vmha.core.events import Event
    from vmha.core.incidents import Incident
    from vmha.core.model import Recovery
    from vmha.ports import Change, Lease, Order, TimelineEntry


@dataclass(slots=True, kw_only=True)
class StoredHost:
    """A row of the hosts table, as far as engines look at it."""

    name: str
    uuid: str
    segment: str
    is_reserved: bool = False
    is_on_maintenance: bool = False


@dataclass(slots=True)
class Row:
    """A row of the recoveries table, and everything that hangs on it."""

    state: Incident
    version: int = 1
    epoch: int = 0
    lease: Lease | None = None
    owner: str | None = None
    lease_until: float = 0.0
    claimable_at: float = 0.0
    notifications: list[str] = field(default_factory=list)
    inbox: dict[int, Event] = field(default_factory=dict)
    timeline: list[TimelineEntry] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    sent: dict[str, float] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)


def host_on(segment: str, name: str, *, is_reserved: bool = False) -> StoredHost:
    """Build a host's row; its uuid is made of its name, since only equality matters."""
    return StoredHost(name=name, uuid=f"uuid-of-{name}", segment=segment, is_reserved=is_reserved)


def set_flags(hosts: dict[str, StoredHost], change: Change[Recovery]) -> None:
    """Store the flags of hosts that a change of a recovery sets."""
    before, after = change.before, change.after
    if records.is_on_maintenance(after):
        hosts[after.host].is_on_maintenance, hosts[after.host].is_reserved = True, False
    for name in set(after.given_back) - set(before.given_back):
        hosts[name].is_reserved = not hosts[name].is_on_maintenance
    for name in set(records.spent_reserves(after)) - set(records.spent_reserves(before)):
        hosts[name].is_reserved = False
