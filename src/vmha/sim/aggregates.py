"""The host aggregates of the simulated Nova: who is in which, and what it refuses (nova/compute/api.py, AggregateAPI, of release 34)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.aggregates import Aggregate
from vmha.sim.gate import Refused

if TYPE_CHECKING:
    from vmha.sim.compute import Nova

DEFAULT_ZONE = "nova"


class Aggregates:
    """Aggregates by their ids. A host that joins one of a zone is shown in that zone, as long as it is in it."""

    __slots__ = ("_nova", "_rows")

    def __init__(self, nova: Nova) -> None:
        self._nova = nova
        self._rows: dict[int, Aggregate] = {}

    def listed(self) -> tuple[Aggregate, ...]:
        """List all."""
        self._nova.gate.read("aggregates")
        return tuple(self._rows.values())

    def add(self, name: str, *hosts: str, zone: str | None = None) -> int:
        """Make an aggregate with these hosts, as an operator; return its id."""
        number = len(self._rows) + 1
        self._rows[number] = Aggregate(id=number, name=name, zone=zone, hosts=frozenset(hosts))
        for host in hosts:
            self._show(host)
        return number

    def find(self, name: str) -> int:
        """Return the id of an aggregate by its name. Raises `ValueError`."""
        numbers = {each.name: each.id for each in self._rows.values()}
        if name not in numbers:
            raise ValueError(f"no aggregate is named {name}; known are: {', '.join(numbers)}")
        return numbers[name]

    def join(self, number: int, host: str, *, caller: str) -> None:
        """Add a host."""
        self._nova.gate.write("aggregate", lambda: self.put(number, host, caller))

    def leave(self, number: int, host: str, *, caller: str) -> None:
        """Take a host out."""
        self._nova.gate.write("aggregate", lambda: self._take(number, host, caller))

    def put(self, number: int, host: str, caller: str) -> None:
        """Add a host, past the gate."""
        row = self._row(number, host)
        if host in row.hosts:
            raise Refused(409, f"Aggregate {number} already has host {host}.")
        zones = {each.zone for each in self._rows.values() if each.zone is not None and host in each.hosts}
        if row.zone is not None and zones - {row.zone}:
            raise Refused(
                409, f"Cannot add host to aggregate {number}. Reason: Host already in different availability zone(s)."
            )
        if row.zone is not None and not zones and self._nova.by_host.get(host):
            raise Refused(
                409, f"Cannot add host to aggregate {number}. Reason: One or more hosts contain instances in this zone."
            )
        self._store(row, row.hosts | {host}, host, caller, "joins")

    def _take(self, number: int, host: str, caller: str) -> None:
        row = self._row(number, host)
        if host not in row.hosts:
            raise Refused(404, f"Host {host} is not in aggregate {number}.")
        others = [each for each in self._rows.values() if each.id != number and each.zone and host in each.hosts]
        if row.zone is not None and not others and self._nova.by_host.get(host):
            raise Refused(
                409,
                f"Cannot remove host from aggregate {number}. Reason: One or more hosts contain instances in this zone.",
            )
        self._store(row, row.hosts - {host}, host, caller, "leaves")

    def _row(self, number: int, host: str) -> Aggregate:
        row = self._rows.get(number)
        if row is None:
            raise Refused(404, f"Aggregate {number} could not be found.")
        if host not in self._nova.services:
            raise Refused(404, f"Compute host {host} could not be found.")
        return row

    def _store(self, row: Aggregate, hosts: frozenset[str], host: str, caller: str, deed: str) -> None:
        self._rows[row.id] = replace(row, hosts=hosts)
        self._show(host)
        self._nova.world.note("aggregate", host=host, deed=deed, aggregate=row.name, caller=caller)

    def _show(self, host: str) -> None:
        zones = [each.zone for each in self._rows.values() if each.zone is not None and host in each.hosts]
        if any(each.zone is not None for each in self._rows.values()):
            self._nova.services[host].zone = zones[0] if zones else DEFAULT_ZONE
