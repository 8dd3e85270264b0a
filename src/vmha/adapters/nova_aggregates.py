"""Nova's host aggregates: GET /os-aggregates, and the actions add_host and remove_host (compute API 2.1, unchanged to 2.94)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.adapters import nova_records
from vmha.core.aggregates import Aggregate

if TYPE_CHECKING:
    from vmha.adapters.keystone import Cloud, Service
    from vmha.ports import Deadline


def listed(cloud: Cloud, compute: Service, deadline: Deadline) -> tuple[Aggregate, ...]:
    """Read all of them: Nova gives them in one answer."""
    body = cloud.read(compute, "os-aggregates", {}, deadline=deadline)
    with nova_records.reading("aggregates"):
        return tuple(
            Aggregate(
                id=int(record["id"]),
                name=str(record["name"]),
                zone=(record.get("metadata") or {}).get("availability_zone") or record.get("availability_zone"),
                hosts=frozenset(map(str, record["hosts"])),
            )
            for record in body["aggregates"]
        )


def act(cloud: Cloud, compute: Service, aggregate: int, action: str, host: str, deadline: Deadline) -> None:
    """Add a host to an aggregate (`add_host`), or take it out (`remove_host`)."""
    path = f"os-aggregates/{aggregate}/action"
    cloud.order(compute, "POST", path, {action: {"host": host}}, deadline=deadline)
