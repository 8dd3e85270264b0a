"""`masakari-manage plan HOST`: what would happen if this host died now. It asks Nova, Placement and the BMC, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmha.adapters.clock import SystemClock
from vmha.adapters.db import hosts as stored_hosts
from vmha.adapters.db import incidents
from vmha.adapters.db import segments as stored_segments
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.fleet import segments_with_hosts
from vmha.adapters.db.store import SqlStore
from vmha.adapters.fencing.inventory import load_inventory
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.adapters.images import open_images
from vmha.adapters.nova import open_nova
from vmha.adapters.recovery_file import load_workflows
from vmha.cli.fencing import ask
from vmha.core.effects import SurveyHost
from vmha.core.forecast import MOVED, Found, forecast, just_proven
from vmha.core.model import Phase, RecoveryMethod
from vmha.core.readiness import HostFacts, SegmentFacts, takers
from vmha.core.workflows import Failure, Workflow, why_only_reported, workflow
from vmha.engine.rooming import aggregates_of
from vmha.engine.surveying import survey
from vmha.errors import NovaRefused, NovaUnavailable, UnknownHost
from vmha.ports import Deadline, PowerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from sqlalchemy.engine import Engine

    from vmha.adapters.db.fleet import Group
    from vmha.adapters.db.hosts import Host
    from vmha.adapters.db.segments import Segment
    from vmha.core.capacity import Room
    from vmha.core.forecast import Forecast
    from vmha.core.model import Disarm, Move, ServiceReading, Surroundings
    from vmha.core.policy import Policy
    from vmha.ports import Nova
    from vmha.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the host would be proven off by: `rung` is "ipmi", "detector" (no proof), or None where a human would be waited for."""

    rung: str | None
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The host, what keeps its report from being acted on, the ground, and the forecast; None where Nova or Placement gave no answer.

    `standing` are uuid and phase of the recovery of the host that is open, None without.
    """

    host: Host
    segment: Segment
    standing: tuple[str, str] | None
    against: tuple[str, ...]
    ground: Ground
    forecast: Forecast | None
    trouble: str | None

    @property
    def is_well(self) -> bool:
        """Tell whether all instances with a guest would run elsewhere without a human."""
        seen = self.forecast
        if self.against or self.ground.rung is None or seen is None or seen.guard is not None:
            return False
        if seen.doubt is not None or seen.homeless:
            return False
        return seen.places is not None and all(m.status in MOVED or m.status.value == "skipped" for m in seen.moves)


def add_commands(categories: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `plan`."""
    plan = categories.add_parser(
        "plan", help="what would happen if this host died now; changes nothing; exit 1 if a human would be needed"
    )
    plan.add_argument("host", help="by its name in its segment")
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.set_defaults(command=_plan, needs_tables=True)


def _plan(options: argparse.Namespace, settings: Settings, database: Engine) -> int:
    """Collect, plan, print, and return the exit code."""
    made = _made(options.host, settings, database)
    if options.json:
        print(json.dumps(_plain(made), indent=2))
    else:
        for line in _lines(made):
            print(line)
    return 0 if made.is_well else 1


def _made(name: str, settings: Settings, database: Engine) -> Plan:
    with transaction(database) as connection:
        host = stored_hosts.find_by_name(connection, name)
        segment = None if host is None else stored_segments.find(connection, host.failover_segment_id)
        groups = segments_with_hosts(connection)
        standing = None if host is None else incidents.open_of_host(connection, host.uuid)
    if host is None or segment is None:
        raise UnknownHost(name)
    (group,) = (group for group in groups if group.name == segment.name)
    store = SqlStore(database)
    now = store.now()
    method = RecoveryMethod(segment.recovery_method)
    state = just_proven(
        host.name, host_uuid=host.uuid, segment=segment.uuid, method=method, now=now, policy=settings.policy
    )
    policy = replace(settings.policy, workflows=load_workflows(settings.policy_file))
    # As the report would open it: later phases have no use for all the numbers. What is open is this host's own, and counts once.
    opened = replace(state, phase=Phase.WITNESSING, uuid=standing[0] if standing else state.uuid)
    around = store.surroundings(
        opened,
        brake_window_seconds=policy.brake_window_seconds,
        quarantine_window_seconds=policy.quarantine_window_seconds,
    )
    seen, trouble = None, None
    try:
        found, rooms = _look(host.name, group, settings)
        seen = forecast(state, found, rooms, now=now, policy=policy, around=around)
    except (NovaUnavailable, NovaRefused) as error:
        trouble = str(error)
    return Plan(
        host=host,
        segment=segment,
        standing=standing,
        against=(*_against(host, segment, around.disarmed), *_chosen(host.name, around, policy)),
        ground=_ground(host.name, segment.name, settings),
        forecast=seen,
        trouble=trouble,
    )


def _against(host: Host, segment: Segment, disarmed: Disarm | None) -> tuple[str, ...]:
    """Say what would keep a report of the host from being acted on."""
    said = []
    if segment.enabled is False:
        said.append(f"segment {segment.name} is disabled: the report would be ignored")
    if host.on_maintenance:
        said.append("the host is on maintenance: the report would be refused")
    if disarmed is not None:
        said.append(f"{disarmed.by} disarmed {disarmed.scope} until {disarmed.until_text}: {disarmed.why}")
    return tuple(said)


def _chosen(host: str, around: Surroundings, policy: Policy) -> tuple[str, ...]:
    """Say what the operator chose to be done, where that is not to recover the host at once."""
    match workflow(Failure.HOST, around, policy):
        case Workflow.REPORT:
            return (why_only_reported(host, Failure.HOST, around).sentence,)
        case Workflow.POWER_OFF:
            return (
                f"the workflow for hosts of segment {around.segment_name} is power_off: nothing would be evacuated",
            )
        case Workflow.CONFIRM:
            return (f"the workflow for hosts of segment {around.segment_name} is confirm: a human would be waited for",)
        case _:
            return ()


def _ground(host: str, segment: str, settings: Settings) -> Ground:
    inventory = load_inventory(settings.fencing.inventory)
    power = IpmiPowerDevices(inventory, calls=settings.fencing.power_calls)
    try:
        answer = ask(settings, power, [host])[host]
    finally:
        power.close()
    if not isinstance(answer, PowerError):
        state, address = answer
        return Ground(rung="ipmi", says=f"its BMC {address} answers, and says {state}")
    if host not in inventory.devices and segment in inventory.detector_segments:
        return Ground(rung="detector", says="no proof: its monitor's word would be taken (policy = detector)")
    return Ground(rung=None, says=answer.detail)


def _look(host: str, group: Group, settings: Settings) -> tuple[Found, Mapping[str, Room]]:
    """Ask Nova and Placement for the host, and for the room of those that would take its instances."""
    clock = SystemClock()
    nova = open_nova(settings, clock=clock)
    deadline = Deadline(at=clock.monotonic() + 4 * settings.engine_settings.read_seconds)
    asked = SurveyHost(host, with_images=settings.policy.read_images)
    images = open_images(settings, clock=clock)
    services = {service.host: service for service in nova.services(deadline=deadline)}
    reserves = tuple(member.name for member in group.members if member.is_reserved)
    found = Found(
        survey=survey(asked, nova, images, deadline=deadline, clock=clock),
        room=nova.room(host, deadline=deadline),
        places=replace(
            aggregates_of(host, reserves, nova, deadline=deadline),
            zones=tuple((name, service.zone) for name, service in services.items()),
        ),
    )
    facts = tuple(
        _facts(member.name, group, services, nova, deadline) for member in group.members if member.name != host
    )
    able = takers(SegmentFacts(name=group.name, method=group.method, is_enabled=group.is_enabled, hosts=facts))
    return found, {each.name: each.room for each in able if each.room is not None}


def _facts(
    name: str, group: Group, services: Mapping[str, ServiceReading], nova: Nova, deadline: Deadline
) -> HostFacts:
    (member,) = (member for member in group.members if member.name == name)
    return HostFacts(
        name=name,
        is_reserved=member.is_reserved,
        on_maintenance=member.on_maintenance,
        fence_trouble=None,
        service=services.get(name),
        room=nova.room(name, deadline=deadline),
    )


def _lines(plan: Plan) -> list[str]:
    lines = [f"if {plan.host.name} of segment {plan.segment.name} ({plan.segment.recovery_method}) died now:"]
    if plan.standing is not None:
        lines.append("  open           its recovery {} is in phase {}: a report would join it".format(*plan.standing))
    lines += [f"  NOT RECOVERED  {words}" for words in plan.against]
    lines.append(f"  {'fenced' if plan.ground.rung else 'NOT FENCED':<13}  {plan.ground.says}")
    seen = plan.forecast
    if seen is None:
        return [*lines, f"  UNKNOWN        {plan.trouble}"]
    lines.append(
        f"  brake          failures of the segment that would count, with this one: {seen.failures}; {seen.allowed} may be fenced without a human"
    )
    counted = ", ".join(f"{option} {count} of {allowed}" for option, (count, allowed) in seen.guards.items())
    lines.append(f"  guards         {counted}")
    if seen.guard is not None:
        lines.append(f"  WAITS          {seen.guard}")
    if seen.reserves:
        lines.append(f"  reserve        {', '.join(seen.reserves)} would be enabled")
    if seen.doubt is not None:
        lines.append(f"  NOT ENDED      {seen.doubt}")
    if not seen.moves:
        lines.append("  instances      none")
    for number, move in enumerate(seen.moves, start=1):
        lines.append(f"  {number:>4}  {move.name:<24} {_priority(move):<15} {_fate(move, seen)}")
        if move.instance in seen.causes:
            lines += [f"{'':8}{line}" for line in seen.causes[move.instance].lines]
    lines += [f"  note           {words}" for words in seen.notes]
    return lines


def _priority(move: Move) -> str:
    return f"{move.priority} ({move.priority_from})"


def _fate(move: Move, seen: Forecast) -> str:
    if move.status not in MOVED:
        reason = f": {move.reason.sentence}" if move.reason else ""
        return f"{move.status.value}{reason}"
    if seen.places is None:
        return "moved, where Nova finds room; Placement has no provider of its host to compare with"
    place = seen.places[move.instance]
    pinned = f", only to {move.pinned}" if move.pinned else ""
    if place is not None:
        unsure = ", but possibly not movable" if move.instance in seen.bound else ""
        return f"moved{pinned}; room is on {place}{unsure}"
    return f"NO ROOM: {move.reason.sentence}" if move.reason else f"NO ROOM: moved only if Nova finds a host{pinned}"


def _plain(plan: Plan) -> dict[str, object]:
    seen = plan.forecast
    moves = [] if seen is None else seen.moves
    return {
        "host": plan.host.name,
        "segment": plan.segment.name,
        "method": plan.segment.recovery_method,
        "without_a_human": plan.is_well,
        "open_recovery": plan.standing[0] if plan.standing else None,
        "against": list(plan.against),
        "rung": plan.ground.rung,
        "power": plan.ground.says,
        "trouble": plan.trouble,
        "doubt": seen.doubt if seen else None,
        "notes": list(seen.notes) if seen else [],
        "reserves": list(seen.reserves) if seen else [],
        "brake": {"failures": seen.failures, "allowed": seen.allowed} if seen else None,
        "guards": {name: {"counted": n, "allowed": most} for name, (n, most) in seen.guards.items()} if seen else None,
        "guard": seen.guard if seen else None,
        "instances": [
            {
                "instance": move.instance,
                "name": move.name,
                "order": number,
                "priority": move.priority,
                "priority_from": move.priority_from,
                "fate": "moved" if move.status in MOVED else move.status.value,
                "room_on": seen.places.get(move.instance) if seen is not None and seen.places is not None else None,
                "reason": move.reason.sentence if move.reason else None,
                "diagnosis": seen.causes[move.instance].plain
                if seen is not None and move.instance in seen.causes
                else None,
            }
            for number, move in enumerate(moves, start=1)
        ],
    }
