"""What the database knows beside the incident of an instance or a process: whether its host is being recovered, whether it is disarmed,
and what we did before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from vmha.adapters.db import disarming, hosts, schema
from vmha.core.budgets import HOUR_SECONDS
from vmha.core.effects import DisableService, EnableService, StartInstance
from vmha.core.incidents import ProcessRecovery
from vmha.core.model import Surroundings

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection

    from vmha.core.incidents import InstanceRecovery

_hosts = schema.recoveries.alias("recoveries_of_hosts")


def read(connection: Connection, incident: InstanceRecovery | ProcessRecovery) -> Surroundings:
    """Read what `decide()` needs to know beside the incident; of an instance, what its present host is about counts too."""
    if isinstance(incident, ProcessRecovery):
        return Surroundings(
            host_recovery=connection.execute(_recovery_of(incident.host)).scalar(),
            disabled_by_us=_disabled_by_us(connection, incident),
            disarmed=disarming.standing_for(connection, incident),
        )
    names = {incident.host} if incident.seen is None else {incident.host, incident.seen.host}
    open_ones = (connection.execute(_recovery_of(host)).scalar() for host in sorted(names))
    elsewhere = (hosts.find_by_name(connection, name) for name in sorted(names - {incident.host}))
    return Surroundings(
        host_recovery=next((uuid for uuid in open_ones if uuid is not None), None),
        restarts=_restarts(connection, incident),
        disarmed=disarming.standing_for(connection, incident, *(host for host in elsewhere if host is not None)),
    )


def _restarts(connection: Connection, incident: InstanceRecovery) -> int:
    """Count the starts of the instance that left within the last hour, in incidents before this one."""
    recoveries, effects = schema.recoveries.c, schema.effects.c
    count = select(func.count()).where(
        recoveries.subject == incident.instance,
        recoveries.kind == "instance",
        recoveries.uuid != incident.uuid,
        effects.recovery_uuid == recoveries.uuid,
        effects.kind == StartInstance.__name__,
        effects.sent_at > func.database_now() - HOUR_SECONDS,
    )
    return int(connection.execute(count).scalar_one())


def is_recovering(host: str) -> ColumnElement[bool]:
    """Return the condition that a recovery of the host itself is open."""
    return _recovery_of(host).exists()


def _recovery_of(host: str) -> Select[str]:
    # Keys of open recoveries are few and have an index; names have none.
    return select(_hosts.c.uuid).where(_hosts.c.open_key.like("host:%"), _hosts.c.host_name == host)


def _disabled_by_us(connection: Connection, incident: ProcessRecovery) -> bool:
    """Tell whether the last order about the service that left us, in any incident of this process, was to disable it."""
    recoveries, effects = schema.recoveries.c, schema.effects.c
    newest = (
        select(effects.kind)
        .where(
            recoveries.host_uuid == incident.host_uuid,
            recoveries.kind == "process",
            effects.recovery_uuid == recoveries.uuid,
            effects.kind.in_((DisableService.__name__, EnableService.__name__)),
            effects.sent_at.is_not(None),
        )
        .order_by(effects.id.desc())
        .limit(1)
    )
    return connection.execute(newest).scalar() == DisableService.__name__
