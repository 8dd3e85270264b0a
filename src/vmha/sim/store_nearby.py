"""What the simulator's store knows beside the incident of an instance or a process; the SQL one's is `adapters/db/nearby.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.adapters.db.nearby import HOUR_SECONDS
from vmha.core.effects import DisableService, StartInstance
from vmha.core.incidents import InstanceRecovery, ProcessRecovery
from vmha.core.kinds import subject_of
from vmha.core.model import Phase, Surroundings

if TYPE_CHECKING:
    from vmha.core.effects import Effect
    from vmha.sim.store import MemoryStore


def read(store: MemoryStore, incident: InstanceRecovery | ProcessRecovery) -> Surroundings:
    """Read what counts beside the incident; of an instance, what its present host is about counts too."""
    if isinstance(incident, ProcessRecovery):
        return Surroundings(
            host_recovery=recovery_of(store, incident.host), disabled_by_us=_disabled_by_us(store, incident)
        )
    hosts = {incident.host} if incident.seen is None else {incident.host, incident.seen.host}
    return Surroundings(
        host_recovery=next((uuid for host in sorted(hosts) if (uuid := recovery_of(store, host))), None),
        proven_off=store.proven_off(incident),
        restarts=_restarts(store, incident),
    )


def recovery_of(store: MemoryStore, host: str) -> str | None:
    """Return the open recovery of a host."""
    return next((s.uuid for s in store.failures if s.host == host and s.phase is not Phase.ENDED), None)


def _disabled_by_us(store: MemoryStore, incident: ProcessRecovery) -> bool:
    """Tell whether the last order about the host's service that left us was to disable it."""
    sent: list[Effect] = [
        row.orders[order].effect
        for row in store.rows.values()
        if isinstance(row.state, ProcessRecovery) and row.state.host == incident.host
        for order in row.sent
    ]
    return bool(sent) and isinstance(sent[-1], DisableService)


def _restarts(store: MemoryStore, incident: InstanceRecovery) -> int:
    """Count the starts of the instance that left within the last hour, in incidents before this one."""
    since = store.now() - HOUR_SECONDS
    return sum(
        isinstance(row.orders[order].effect, StartInstance) and at > since
        for row in store.rows.values()
        if subject_of(row.state) == incident.instance and row.state.uuid != incident.uuid
        for order, at in row.sent.items()
    )
