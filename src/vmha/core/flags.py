"""The flags of a nova-compute service that keep instances away from its host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.core.model import ServiceReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFlags:
    """Flags that somebody set and somebody may clear. Who it was, only the reason tells; forced_down has none."""

    forced_down: bool = False
    disabled: bool = False
    disabled_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OurReasons:
    """What Nova shows for a service that we disabled, because its host failed or its nova-compute stopped."""

    host: str
    process: str

    def are_shown(self, service: ServiceReading) -> bool:
        """Tell whether we disabled the service."""
        return service.disabled and service.disabled_reason in (self.host, self.process)


def flags_of(service: ServiceReading) -> ServiceFlags:
    """Return the flags that Nova shows."""
    return ServiceFlags(
        forced_down=service.forced_down, disabled=service.disabled, disabled_reason=service.disabled_reason
    )
