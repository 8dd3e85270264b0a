"""How everything stands now, read in a few statements for whoever measures: recoveries, waits, engines, leases, alerts, hosts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from vmha.adapters.db import disarming
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.schema import alert_deliveries, alerts, engines, failover_segments, hosts, recoveries
from vmha.core.model import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Engine

LEASE_STATES = ("held", "expired", "free")
"""Of open recoveries: an engine may write it, the engine's time is over, or no engine has it."""

MOST_WAITS = 500
"""Waiting recoveries whose state is read for their age: more than anybody's cloud has hosts that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything at one moment of the database's clock; ages are seconds.

    `hosts` are those that would be recovered, each with the name of its segment: that is enabled, and they are not on maintenance.
    `undelivered` counts alerts by the webhook's name, `disarms` orders of operators that nothing is ordered.
    """

    phases: Mapping[Phase, int]
    oldest_wait_seconds: float
    engines: Mapping[str, float]
    leases: Mapping[str, int]
    undelivered: Mapping[str, int]
    oldest_undelivered_seconds: float
    hosts: tuple[tuple[str, str], ...]
    disarms: int = 0


def read_standing(database: Engine) -> Standing:
    """Read it in one transaction. Raises `StoreUnavailable`."""
    with transaction(database) as connection:
        now = float(connection.execute(select(func.database_now())).scalar_one())
        undelivered, oldest = _undelivered(connection, now)
        return Standing(
            phases=_phases(connection),
            oldest_wait_seconds=_oldest_wait(connection, now),
            engines={
                name: now - seen_at for name, seen_at in connection.execute(select(engines.c.name, engines.c.seen_at))
            },
            leases=_leases(connection, now),
            undelivered=undelivered,
            oldest_undelivered_seconds=oldest,
            hosts=_hosts(connection),
            disarms=len(disarming.standing(connection)),
        )


def _phases(connection: Connection) -> dict[Phase, int]:
    """Count the open recoveries by phase; a phase that only a newer version knows is left out."""
    is_open = recoveries.c.open_key.is_not(None)
    rows = connection.execute(select(recoveries.c.phase, func.count()).where(is_open).group_by(recoveries.c.phase))
    found = {phase: int(count) for phase, count in rows}
    return {phase: found.get(phase.value, 0) for phase in Phase if phase is not Phase.ENDED}


def _oldest_wait(connection: Connection, now: float) -> float:
    """Return how long the recovery that waits longest has been in its phase."""
    waits = [phase.value for phase in Phase if phase.is_wait]
    waiting = select(recoveries.c.state).where(recoveries.c.open_key.is_not(None), recoveries.c.phase.in_(waits))
    states = connection.scalars(waiting.order_by(recoveries.c.id).limit(MOST_WAITS))
    since = (json.loads(state)["phase_since"] for state in states)
    return max((now - began for began in since), default=0.0)


def _leases(connection: Connection, now: float) -> dict[str, int]:
    until = recoveries.c.lease_until
    state = case((until.is_(None), "free"), (until > now, "held"), else_="expired")
    query = select(state.label("state"), func.count()).where(recoveries.c.open_key.is_not(None)).group_by(state)
    return dict.fromkeys(LEASE_STATES, 0) | {name: int(count) for name, count in connection.execute(query)}


def _undelivered(connection: Connection, now: float) -> tuple[Counter[str], float]:
    """Count what is on its way to each webhook, and return the age of the oldest of it."""
    is_open = alert_deliveries.c.next_at.is_not(None)
    query = select(alert_deliveries.c.name, func.count(), func.min(alerts.c.made_at)).join(
        alerts, alerts.c.uuid == alert_deliveries.c.alert_uuid
    )
    rows = connection.execute(query.where(is_open).group_by(alert_deliveries.c.name)).all()
    oldest = max((now - made_at for _, _, made_at in rows), default=0.0)
    return Counter({name: int(count) for name, count, _ in rows}), oldest


def _hosts(connection: Connection) -> tuple[tuple[str, str], ...]:
    segments = failover_segments
    query = select(hosts.c.name, segments.c.name).join(segments, segments.c.uuid == hosts.c.failover_segment_id)
    live = (hosts.c.deleted == 0, segments.c.deleted == 0)
    wanted = (hosts.c.on_maintenance.is_not(True), segments.c.enabled.is_not(False))
    return tuple((host, segment) for host, segment in connection.execute(query.where(*live, *wanted)))
