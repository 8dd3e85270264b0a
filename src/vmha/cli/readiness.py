"""`masakari-manage readiness`: the production checklist. Collects the facts; `core/readiness.py` judges them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.adapters.clock import SystemClock
from vmha.adapters.db import disarming
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.durability import durability
from vmha.adapters.db.fleet import segments_with_hosts
from vmha.adapters.db.gauges import read_standing
from vmha.adapters.fencing.inventory import load_inventory
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.adapters.keystone import READERS
from vmha.adapters.nova import open_nova
from vmha.adapters.recovery_file import load_workflows
from vmha.cli.fencing import BELIEVED, ask
from vmha.core.readiness import AlertFacts, Facts, HostFacts, SegmentFacts, Verdict, judge
from vmha.errors import NovaRefused, NovaUnavailable
from vmha.ports import Deadline, PowerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from sqlalchemy.engine import Engine

    from vmha.adapters.db.fleet import Group, Member
    from vmha.adapters.fencing.inventory import Inventory
    from vmha.core.capacity import Room
    from vmha.core.model import Instance, ServiceReading
    from vmha.core.readiness import Finding
    from vmha.ports import Clock, Nova
    from vmha.settings import Settings


def add_commands(categories: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `readiness`."""
    readiness = categories.add_parser(
        "readiness", help="the production checklist, each point OK, NOT OK or UNKNOWN; exit 1 if one is NOT OK"
    )
    readiness.add_argument("--json", action="store_true", help="print JSON")
    readiness.set_defaults(command=_readiness, needs_tables=True)


def _readiness(options: argparse.Namespace, settings: Settings, database: Engine) -> int:
    """Collect, judge, print, and return the exit code."""
    findings = judge(_collect(settings, database))
    if options.json:
        print(json.dumps({"checks": [_plain(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            do = f"; {finding.do}" if finding.do else ""
            print(f"{finding.verdict.value:<8} {finding.check.value:<9} {finding.says}{do}")
    return 1 if any(finding.verdict is Verdict.NOT_OK for finding in findings) else 0


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check.value,
        "verdict": finding.verdict.value.lower().replace(" ", "-"),
        "says": finding.says,
        "do": finding.do,
    }


def _collect(settings: Settings, database: Engine) -> Facts:
    """Read database, BMCs, Nova and Placement; what does not answer becomes a trouble among the facts."""
    with transaction(database) as connection:
        groups, disarmed = segments_with_hosts(connection), tuple(disarming.standing(connection))
    clock = SystemClock()
    nova = open_nova(settings, clock=clock)
    services, trouble = _services(nova, _within(settings, clock))
    inventory = load_inventory(settings.fencing.inventory)
    power = IpmiPowerDevices(inventory, calls=settings.fencing.power_calls)
    try:
        fences = ask(settings, power, (member.name for group in groups for member in group.members))
    finally:
        power.close()

    def host(member: Member) -> HostFacts:
        return _host(member, fences[member.name], services, nova if trouble is None else None, settings, clock)

    with ThreadPoolExecutor(READERS) as pool:
        segments = tuple(_segment(group, tuple(pool.map(host, group.members)), inventory) for group in groups)
    standing = read_standing(database)
    told = AlertFacts(
        webhooks=len(settings.alerts.webhooks),
        undelivered=standing.undelivered,
        oldest_seconds=standing.oldest_undelivered_seconds,
    )
    return Facts(
        segments=segments,
        policy=settings.policy,
        durability=durability(database),
        cloud_trouble=trouble,
        disarmed=disarmed,
        strangers=load_workflows(settings.policy_file).strangers(group.name for group in groups),
        alerts=told,
    )


def _within(settings: Settings, clock: Clock) -> Deadline:
    return Deadline(at=clock.monotonic() + settings.engine_settings.read_seconds)


def _services(nova: Nova, deadline: Deadline) -> tuple[Mapping[str, ServiceReading], str | None]:
    try:
        return {service.host: service for service in nova.services(deadline=deadline)}, None
    except (NovaUnavailable, NovaRefused) as error:
        return {}, str(error)


def _host(
    member: Member,
    fence: tuple[str, str] | PowerError,
    services: Mapping[str, ServiceReading],
    nova: Nova | None,
    settings: Settings,
    clock: Clock,
) -> HostFacts:
    """Ask Nova and Placement for one host, unless Nova is known not to answer."""
    room: Room | None = None
    instances: tuple[Instance, ...] = ()
    trouble: str | None = None
    if nova is not None:
        deadline = _within(settings, clock)
        try:
            room = nova.room(member.name, deadline=deadline)
            instances = nova.instances_on(member.name, deadline=deadline)
        except (NovaUnavailable, NovaRefused) as error:
            trouble = str(error)
    return HostFacts(
        name=member.name,
        is_reserved=member.is_reserved,
        on_maintenance=member.on_maintenance,
        fence_trouble=fence.detail if isinstance(fence, PowerError) else None,
        service=services.get(member.name),
        room=room,
        instances=instances,
        trouble=trouble,
    )


def _segment(group: Group, hosts: tuple[HostFacts, ...], inventory: Inventory) -> SegmentFacts:
    if group.name in inventory.detector_segments:
        hosts = tuple(host if host.name in inventory.devices else _believed(host) for host in hosts)
    return SegmentFacts(name=group.name, method=group.method, is_enabled=group.is_enabled, hosts=hosts)


def _believed(host: HostFacts) -> HostFacts:
    """Say that the host would be recovered, and what is wrong with that."""
    return replace(host, fence_trouble=f"{host.fence_trouble}; until then {BELIEVED}")
