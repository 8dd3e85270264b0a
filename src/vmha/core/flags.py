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


def flags_of(service: ServiceReading) -> ServiceFlags:
    """Return the flags that Nova shows."""
    return ServiceFlags(
        forced_down=service.forced_down, disabled=service.disabled, disabled_reason=service.disabled_reason
    )
