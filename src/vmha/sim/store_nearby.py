"""What the simulator's store knows beside the incident of an instance or a process; the SQL one's is `adapters/db/nearby.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.budgets import HOUR_SECONDS
from vmha.core.effects import DisableService, StartInstance, StopInstance
from vmha.core.incidents import InstanceRecovery, ProcessRecovery
from vmha.core.kinds import has_ended, kind_of, subject_of
from vmha.core.model import Phase, Recovery, Surroundings

if TYPE_CHECKING:
    from vmha.core.effects import Effect
    from vmha.core.incidents import Incident
    from vmha.core.model import Disarm
    from vmha.sim.store import MemoryStore, StoredHost


def read(store: MemoryStore, incident: InstanceRecovery | ProcessRecovery) -> Surroundings:
    """Read what counts beside the incident; of an instance, what its present host is about counts too."""
    if isinstance(incident, ProcessRecovery):
        return Surroundings(
            host_recovery=recovery_of(store, incident.host),
            disabled_by_us=_disabled_by_us(store, incident),
            segment_name=incident.segment,
            disarmed=disarmed(store, incident),
        )
    hosts = {incident.host} if incident.seen is None else {incident.host, incident.seen.host}
    return Surroundings(
        host_recovery=next((uuid for host in sorted(hosts) if (uuid := recovery_of(store, host))), None),
        proven_off=store.proven_off(incident),
        restarts=_restarts(store, incident),
        segment_name=incident.segment,
        disarmed=disarmed(store, incident, *sorted(hosts)),
    )


def free_reserves(store: MemoryStore, recovery: Recovery, hosts: list[StoredHost]) -> tuple[str, ...]:
    """Name the reserved hosts of these that the recovery may take: well, and nobody else's."""
    reserved = [host for host in hosts if host.is_reserved and not host.is_on_maintenance]
    if not reserved:
        return ()
    open_states = (row.state for row in store.rows.values() if not has_ended(row.state))
    failing = {state.host for state in open_states if kind_of(state).name in ("host", "process")}
    return tuple(
        host.name
        for host in reserved
        if host.name not in failing
        and store.claims.get(f"reserved:{host.name}", (recovery.uuid, None))[0] == recovery.uuid
    )


def recovery_of(store: MemoryStore, host: str) -> str | None:
    """Return the open recovery of a host."""
    return next((s.uuid for s in store.failures if s.host == host and s.phase is not Phase.ENDED), None)


def disarmed(store: MemoryStore, incident: Incident, *hosts: str) -> Disarm | None:
    """Return the order that stops the incident's orders, the one for all before its segment's, its host's and those of other hosts."""
    if not store.disarms:
        return None
    others = [store.hosts[name] for name in hosts if name in store.hosts]
    by_others = [scope for other in others for scope in (f"segment {other.segment}", f"host {other.name}")]
    for scope in ("all", f"segment {incident.segment}", f"host {incident.host}", *by_others):
        order = store.disarms.get(scope)
        if order is not None and order.until > store.now():
            return order
    return None


def is_stopped(store: MemoryStore, state: Incident, effect: Effect) -> bool:
    """Tell whether a human has paused, cancelled or disarmed the incident, or the host that an order for a guest is about."""
    if isinstance(state, Recovery) and (state.halt is not None or state.cancel is not None):
        return True
    hosts = (effect.host,) if isinstance(effect, StopInstance | StartInstance) else ()
    return disarmed(store, state, *hosts) is not None


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
