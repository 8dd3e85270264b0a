"""What makes a host a reserve, and when one that was spent may go back to it: nothing is on it, or on its way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.explain import names
from vmha.core.targets import TERMINAL

if TYPE_CHECKING:
    from vmha.core.flags import ServiceFlags
    from vmha.core.model import ServiceReading
    from vmha.core.returning import Known, Left, Seen

RESERVE_REASON = "Masakari keeps this host in reserve."
"""What Nova shows for a host that we disabled to make it a reserve."""


def why_kept(known: Known | None, seen: Seen) -> str | None:
    """Say why a spent reserved host cannot go back to the reserve now, None where nothing runs on it and nothing is on its way."""
    if known is None:
        return "it is in no segment any more"
    if known.open is not None:
        return f"its own recovery {known.open[0]} is open"
    if known.claimed_by is not None:
        return f"it stands in for another host, whose recovery {known.claimed_by} is open"
    if known.on_maintenance:
        return "it is on maintenance"
    if seen.trouble is not None:
        return f"what is on it cannot be seen: {seen.trouble}"
    if seen.service is None or seen.left is None:
        return "Nova has no compute service on it"
    if seen.service.forced_down:
        return "it is forced down"
    if seen.left.consumers is None:
        return "Placement knows no resource provider of it"
    on_it = holders(seen.left)
    return f"{len(on_it)} instances are on it, or on their way ({names(on_it)})" if on_it else None


def holders(left: Left) -> frozenset[str]:
    """Return what is on the host, on its way, or holds room there.

    Any room counts: an evacuation that has just begun holds some before its record names the host, and Nova lists its instance elsewhere.
    """
    on_it = {instance.uuid for instance in left.instances}
    on_it |= {record.instance for record in left.migrations if record.status not in TERMINAL}
    return frozenset(on_it) | (left.consumers or frozenset())


def reserve_flags(flags: ServiceFlags) -> ServiceFlags:
    """Return the flags of a reserve: one that somebody disabled keeps the reason that they gave."""
    return flags if flags.disabled else replace(flags, disabled=True, disabled_reason=RESERVE_REASON)


def is_half_reserved(known: Known, service: ServiceReading) -> bool:
    """Tell whether a host is disabled as a reserve and is none: a return that broke off leaves this behind."""
    return service.disabled and service.disabled_reason == RESERVE_REASON and not known.is_reserved
