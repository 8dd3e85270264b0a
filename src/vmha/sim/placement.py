"""The simulated Placement: a provider per host, and who holds how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.sim.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.sim.world import World


class Placement:
    """Allocations in vcpus. As in the real cloud, those on a source stay after an evacuation until its nova-compute returns."""

    __slots__ = ("allocations", "capacity", "gate", "providers")

    def __init__(self, world: World) -> None:
        self.gate = Gate(world, "Placement")
        self.providers: dict[str, str] = {}
        self.capacity: dict[str, int] = {}
        self.allocations: dict[str, dict[str, int]] = {}

    def add_provider(self, host: str, uuid: str, vcpus: int) -> None:
        """Give a host a resource provider."""
        self.providers[host] = uuid
        self.capacity[host] = vcpus
        self.allocations[host] = {}

    def forget_provider(self, host: str) -> None:
        """Delete a host's provider; Placement refuses while somebody holds room there, and Nova says nothing of it."""
        if not self.allocations[host]:
            for table in (self.providers, self.capacity, self.allocations):
                table.pop(host)

    def delete_provider(self, host: str) -> None:
        """Delete a host's provider as an operator does who first deletes all that holds room there: else Placement refuses."""
        self.allocations[host].clear()
        self.forget_provider(host)

    def consumers(self, host: str) -> frozenset[str] | None:
        """Return the uuids that hold something of the host, None where it has no provider. Raises `NoAnswer`."""
        self.gate.read("allocations")
        allocations = self.allocations.get(host)
        return None if allocations is None else frozenset(allocations)

    def free(self, host: str) -> int:
        """Return the vcpus that nobody holds."""
        return self.capacity[host] - sum(self.allocations[host].values())

    def candidates(self, needs: Mapping[str, int]) -> list[str]:
        """Return the hosts that have as much and are not disabled; of all but vcpus every host has enough."""
        services = self.gate.world.nova.services
        disabled = {host for host, service in services.items() if service.disabled}
        return [host for host in self.providers if self.free(host) >= needs["VCPU"] and host not in disabled]

    def allocate(self, consumer: str, host: str, vcpus: int) -> None:
        """Give a consumer vcpus of a host, beside what it holds elsewhere."""
        self.allocations[host][consumer] = vcpus

    def release(self, consumer: str, host: str | None = None) -> None:
        """Take from a consumer what it holds of a host, or of all hosts."""
        for name in self.allocations if host is None else (host,):
            self.allocations.get(name, {}).pop(consumer, None)
