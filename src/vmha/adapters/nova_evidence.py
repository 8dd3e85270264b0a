"""What Nova and Placement say of an instance that could not be moved: its fault, the events of its evacuation, where there is room.

Nova shows a fault only while the instance is in error, and an event's details since microversion 2.84. A fault's details are a traceback,
shown to administrators; its last line names what was raised where the message gives a class alone.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vmha.adapters.keystone import Service
from vmha.adapters.nova_records import reading
from vmha.core.causes import MOST_NAMED, ActionEvent, Findings
from vmha.core.diagnosis import shares_no_cpus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vmha.adapters.keystone import Cloud
    from vmha.ports import Deadline

    Record = Mapping[str, Any]

PLACEMENT = Service("Placement", "placement", {"OpenStack-API-Version": "placement 1.31"})
"""Since 1.29 a provider's root is named, since 1.31 candidates may be asked for below one root."""

ACTIONS = 20
"""Newest actions of an instance among which its last evacuation is looked for."""

CANDIDATES = 100
"""Hosts with room that Placement is asked for: more of them say no more."""

SECONDS = len("2026-11-21T10:00:00")
"""Nova writes times of actions with microseconds, those of faults without."""


def evacuation(cloud: Cloud, compute: Service, instance: str, deadline: Deadline) -> Record | None:
    """Read the newest evacuation among an instance's actions, with its events; None where it has none."""
    path = f"servers/{quote(instance, safe='')}/os-instance-actions"
    listed = cloud.read(compute, path, {"limit": ACTIONS}, deadline=deadline)
    with reading("server actions"):
        newest = max(
            (each for each in listed["instanceActions"] if each["action"] == "evacuate"),
            key=lambda each: str(each["start_time"]),
            default=None,
        )
        if newest is None:
            return None
        request = quote(str(newest["request_id"]), safe="")
    body = cloud.read(compute, f"{path}/{request}", {}, deadline=deadline)
    with reading("server actions"):
        found: Record = body["instanceAction"]
        return found


def needs(server: Record) -> dict[str, int]:
    """Sum up what the flavor asks of any host: Nova's own arithmetic, without what its extra specs add or change."""
    flavor = server["flavor"]
    root = flavor["disk"] if server["image"] else 0
    amounts = {
        "VCPU": 0 if shares_no_cpus(flavor.get("extra_specs") or {}) else flavor["vcpus"],
        "MEMORY_MB": flavor["ram"],
        "DISK_GB": root + flavor["ephemeral"] + ceil((flavor["swap"] or 0) / 1024),
    }
    return {name: int(amount) for name, amount in amounts.items() if amount}


def candidates(cloud: Cloud, amounts: Mapping[str, int], root: str | None, deadline: Deadline) -> tuple[str, ...]:
    """Ask Placement for the root providers, all or one, that have these amounts and are not disabled."""
    query: dict[str, str | int | None] = {
        "resources": ",".join(f"{name}:{amount}" for name, amount in amounts.items()),
        "required": "!COMPUTE_STATUS_DISABLED",
        "limit": CANDIDATES,
        "in_tree": root,
    }
    body = cloud.read(PLACEMENT, "allocation_candidates", query, deadline=deadline)
    with reading("allocation candidates"):
        return tuple(dict.fromkeys(str(each["root_provider_uuid"]) for each in body["provider_summaries"].values()))


def names(cloud: Cloud, providers: Collection[str], deadline: Deadline) -> tuple[str, ...]:
    """Name a few providers."""
    found = []
    for uuid in sorted(providers)[:MOST_NAMED]:
        body = cloud.read(PLACEMENT, f"resource_providers/{quote(uuid, safe='')}", {}, deadline=deadline)
        with reading("resource providers"):
            found.append(str(body["name"]))
    return tuple(sorted(found))


def findings(
    server: Record, action: Record | None, amounts: Mapping[str, int], room: tuple[str, ...] | None, count: int
) -> Findings:
    """Put together what was read."""
    flavor = server["flavor"]
    return Findings(
        vm_state=server["OS-EXT-STS:vm_state"],
        task_state=server["OS-EXT-STS:task_state"],
        is_locked=bool(server.get("locked")),
        zone=server.get("OS-EXT-AZ:availability_zone") or "",
        fault=_fault(server.get("fault"), action),
        events=_events(action),
        flavor=str(flavor.get("original_name", "")),
        extra_specs=tuple(sorted((flavor.get("extra_specs") or {}).items())),
        needs=tuple(amounts.items()),
        room_on=room,
        room_count=count,
    )


def _fault(fault: Record | None, action: Record | None) -> str | None:
    """Return what was raised; None for a fault of before the evacuation."""
    if fault is None or action is None or fault["created"][:SECONDS] < action["start_time"][:SECONDS]:
        return None
    message = str(fault["message"])
    lines = [line.strip() for line in str(fault.get("details") or "").splitlines() if line.strip()]
    # Of what is not Nova's own the message gives the class alone, and the last line of the traceback its value too.
    return lines[-1] if lines and " " not in message and message in lines[-1] else message


def _events(action: Record | None) -> tuple[ActionEvent, ...]:
    if action is None:
        return ()
    events = sorted(action.get("events") or (), key=lambda event: str(event["start_time"]))
    return tuple(
        ActionEvent(name=event["event"], host=event.get("host"), result=event["result"], details=event.get("details"))
        for event in events
    )
