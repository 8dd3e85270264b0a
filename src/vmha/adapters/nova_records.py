"""Nova's JSON records as our own data. What lacks a field that an administrator sees is refused, never guessed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vmha.core.capacity import Room
from vmha.core.model import Instance, Migration, ServiceReading
from vmha.errors import NovaUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

EVACUATION = "evacuation"


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn a record that lacks something into `NovaUnavailable`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NovaUnavailable(
            f"Nova's answer cannot be used: no {error} in its {what}; check that our user is an administrator"
        ) from error


def is_known(record: Mapping[str, Any]) -> bool:
    """Tell whether Nova knows how the service stands; of a cell that is down it gives the name only."""
    return "state" in record


def service(record: Mapping[str, Any]) -> ServiceReading:
    """Read a record of GET /os-services."""
    return ServiceReading(
        host=record["host"],
        heartbeat=record["updated_at"] or "",
        is_up=record["state"] == "up",
        forced_down=record["forced_down"],
        disabled=record["status"] == "disabled",
        disabled_reason=record["disabled_reason"],
        zone=record["zone"] or "",
    )


def instance(record: Mapping[str, Any]) -> Instance:
    """Read a record of GET /servers/detail. An instance that boots from a volume has an empty text for an image."""
    flavor = record["flavor"]
    return Instance(
        uuid=record["id"],
        name=record["name"],
        host=record["OS-EXT-SRV-ATTR:host"] or "",
        vm_state=record["OS-EXT-STS:vm_state"],
        task_state=record["OS-EXT-STS:task_state"],
        image_backed=bool(record["image"]),
        local_extra=bool(flavor["ephemeral"] or flavor["swap"]),
        metadata=tuple(sorted(record["metadata"].items())),
        vcpus=int(flavor["vcpus"]),
        memory_mb=int(flavor["ram"]),
        # Left out where Nova's policy keeps extra specs from us.
        extra_specs=tuple(sorted(flavor.get("extra_specs", {}).items())),
        image=str(record["image"]["id"]) if record["image"] else None,
    )


def migration(record: Mapping[str, Any]) -> Migration:
    """Read a record of GET /os-migrations.

    A destination that was only asked for stands in `dest_compute` before, and even without, a choice of the scheduler; one that was
    chosen has a `dest_node` too.
    """
    return Migration(
        id=record["id"],
        uuid=record["uuid"],
        instance=record["instance_uuid"],
        kind=record["migration_type"],
        source=record["source_compute"] or "",
        destination=record["dest_compute"] if record["dest_node"] else None,
        status=record["status"],
    )


def room(inventories: Iterable[Mapping[str, Any]], allocations: Iterable[Mapping[str, Any]]) -> Room:
    """Read what GET /resource_providers/{uuid}/inventories and …/allocations say of a host, which may have several providers."""
    size: dict[str, int] = {}
    largest: dict[str, int] = {}
    for inventory in inventories:
        for name, stock in inventory.items():
            amount = int((stock["total"] - stock["reserved"]) * stock["allocation_ratio"])
            size[name] = size.get(name, 0) + amount
            largest[name] = max(largest.get(name, 0), stock["max_unit"])
    held: dict[str, dict[str, int]] = {}
    for allocation in allocations:
        for consumer, record in allocation.items():
            mine = held.setdefault(consumer, {})
            for name, amount in record["resources"].items():
                mine[name] = mine.get(name, 0) + amount
    return Room(size=size, largest=largest, held=held)


def without_providers(record: Mapping[str, Any], providers: Iterable[str]) -> dict[str, Any] | None:
    """Make of GET /allocations/{consumer} the PUT that leaves these providers out; None where it holds nothing of them."""
    kept = {uuid: {"resources": held["resources"]} for uuid, held in record["allocations"].items()}
    gone = [kept.pop(uuid, None) for uuid in providers]
    if not any(gone):
        return None
    whose = {name: record[name] for name in ("project_id", "user_id", "consumer_generation")}
    return {"allocations": kept, **whose}
