"""Is this ready for production? One checklist, judged from facts that somebody else collected.

Rules:
1. Each finding is OK, NOT OK with what to do, or UNKNOWN with why. What could not be looked at is UNKNOWN, never OK.
2. NOT OK means: a host that fails as things are would not be recovered without a human, or an accepted notification could be lost, or
   humans would not be told.
3. A finding is about one segment, one host, or the whole; what is well with many hosts is one finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from vmha.core.capacity import Fits, NoRoom, Room, Unclear, place
from vmha.core.model import Disarm, Instance, RecoveryMethod, ServiceReading
from vmha.core.policy import LocalDisk, Policy
from vmha.core.targets import WITHOUT_GUEST


class Verdict(Enum):
    """What came of a check."""

    OK = "OK"
    NOT_OK = "NOT OK"
    UNKNOWN = "UNKNOWN"


class Check(Enum):
    """The points of the checklist, in their order."""

    SEGMENTS = "segments"
    FENCING = "fencing"
    CLOUD = "cloud"
    RESERVE = "reserve"
    STORAGE = "storage"
    MONITORS = "monitors"
    ALERTS = "alerts"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one check: `says` is what was seen, or why it is unknown; `do` what to do about it."""

    check: Check
    verdict: Verdict
    says: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A host of a segment. `fence_trouble` is None where its BMC gave a reading; the rest is None where Nova or Placement know nothing.

    `trouble` says why Nova or Placement could not be asked for it. Either trouble says what to do about it, too.
    """

    name: str
    is_reserved: bool
    on_maintenance: bool
    fence_trouble: str | None
    service: ServiceReading | None = None
    room: Room | None = None
    instances: tuple[Instance, ...] = ()
    trouble: str | None = None

    @property
    def may_fail(self) -> bool:
        """Tell whether there is anything to lose: a host on maintenance is out of service, whatever Placement still holds for it."""
        return not self.is_reserved and not self.on_maintenance

    @property
    def can_take_over(self) -> bool:
        """Tell whether instances can be sent here: Nova hears it, and enables it where it is a reserve."""
        service = self.service
        if service is None or self.on_maintenance or not service.is_up or service.forced_down:
            return False
        return self.is_reserved or not service.disabled


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """A segment and its hosts."""

    name: str
    method: RecoveryMethod
    is_enabled: bool
    hosts: tuple[HostFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """Whether a commit that the database acknowledged outlives a power cut; None where that is not known."""

    is_durable: bool | None
    says: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """How many webhooks there are, how many alerts are on their way to each that has some (by its name), and the age of the oldest."""

    webhooks: int = 0
    undelivered: Mapping[str, int] = field(default_factory=dict)
    oldest_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is judged. `cloud_trouble` says why Nova could not be asked for its hosts at all, `strangers` names segments that
    the recovery policy is written for and that are not there, `disarmed` is what operators let nothing be ordered for."""

    segments: tuple[SegmentFacts, ...]
    policy: Policy
    durability: Durability
    cloud_trouble: str | None = None
    strangers: tuple[str, ...] = ()
    disarmed: tuple[Disarm, ...] = ()
    alerts: AlertFacts = field(default_factory=AlertFacts)

    @property
    def hosts(self) -> tuple[HostFacts, ...]:
        """Return the hosts of all segments."""
        return tuple(host for segment in self.segments for host in segment.hosts)


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return what came of each check, in the order of the checklist."""
    return (
        *_segments(facts),
        *_fencing(facts),
        *_cloud(facts),
        *_disabled(facts),
        *_reserves(facts),
        _storage(facts),
        MONITORS,
        _alerts(facts.alerts),
        _database(facts.durability),
    )


MONITORS = Finding(
    check=Check.MONITORS,
    verdict=Verdict.UNKNOWN,
    says="monitors that are well say nothing to this service, so it cannot tell whether they run",
    do="see that a monitor runs for every host: openstack notification list shows what they reported",
)
NO_WEBHOOK = Finding(
    check=Check.ALERTS,
    verdict=Verdict.UNKNOWN,
    says="alerts are lines `alert` in the engine's log, and nothing tells whether somebody reads them",
    do="set [alerts] webhooks, or let your log collector wake somebody for each line `alert`",
)

LATE_SECONDS = 60.0
"""Age at which an alert that is still on its way says that its webhook does not take any; a few tries are over by then."""


def _alerts(facts: AlertFacts) -> Finding:
    """Alerts that lie there are the only sign of a webhook that fails; before the first one nobody knows."""
    if facts.undelivered and facts.oldest_seconds >= LATE_SECONDS:
        waiting = ", ".join(f"{count} for {name}" for name, count in sorted(facts.undelivered.items()))
        says = f"alerts are not taken: {waiting}; the oldest is {facts.oldest_seconds:.0f} s old"
        return _not_ok(Check.ALERTS, says, "masakari-manage alerts list says why")
    if not facts.webhooks:
        return NO_WEBHOOK
    webhooks = "1 webhook" if facts.webhooks == 1 else f"{facts.webhooks} webhooks"
    return _ok(Check.ALERTS, f"alerts go to {webhooks}, and none is overdue; masakari-manage alerts test tries them")


def _segments(facts: Facts) -> Iterator[Finding]:
    if not facts.hosts:
        yield _not_ok(
            Check.SEGMENTS,
            "no host is in a segment, so nothing is recovered",
            "openstack segment create, then openstack segment host create for each compute host",
        )
        return
    for segment in facts.segments:
        if not segment.is_enabled:
            yield _not_ok(
                Check.SEGMENTS,
                f"segment {segment.name} is disabled: notifications of its hosts are ignored",
                f"openstack segment update --is_enabled true {segment.name}",
            )
    if facts.strangers:
        yield _not_ok(
            Check.SEGMENTS,
            f"the recovery policy has workflows for segments that are not there: {', '.join(facts.strangers)}",
            "call them in [recovery] policy_file by their names in openstack segment list; what fails there is recovered by the default",
        )
    for order in facts.disarmed:
        yield _not_ok(
            Check.SEGMENTS,
            f"{order.scope} disarmed by {order.by} until {order.until_text}: {order.why}",
            "what fails there is only kept until then; masakari-manage arm ends it",
        )
    if all(segment.is_enabled for segment in facts.segments) and not (facts.strangers or facts.disarmed):
        yield _ok(Check.SEGMENTS, f"{_count(facts.hosts, 'host')} in {_count(facts.segments, 'segment')}")


def _fencing(facts: Facts) -> Iterator[Finding]:
    for host in facts.hosts:
        if host.fence_trouble is not None:
            yield _not_ok(Check.FENCING, host.fence_trouble, f"then: masakari-manage fencing check {host.name}")
    if facts.hosts and all(host.fence_trouble is None for host in facts.hosts):
        yield _ok(Check.FENCING, f"the BMCs of all {_count(facts.hosts, 'host')} answer")


def _cloud(facts: Facts) -> Iterator[Finding]:
    troubles = [facts.cloud_trouble, *(host.trouble for host in facts.hosts)]
    known = list(dict.fromkeys(trouble for trouble in troubles if trouble is not None))
    for trouble in known:
        yield _not_ok(
            Check.CLOUD, trouble, "see that Keystone, Nova and Placement answer, and that our user is an administrator"
        )
    if known:
        return
    strangers = [host.name for host in facts.hosts if host.service is None]
    for name in strangers:
        yield _not_ok(
            Check.CLOUD,
            f"Nova knows no compute service on {name}",
            "call the host by the name that openstack compute service list shows",
        )
    if not strangers:
        yield _ok(Check.CLOUD, "Nova and Placement answer" + (", and Nova knows every host" if facts.hosts else ""))


def _disabled(facts: Facts) -> Iterator[Finding]:
    """Name hosts whose nova-compute is back while its service is disabled by us: no monitor of upstream's ever reports that it is."""
    for host in facts.hosts:
        service = host.service
        if service is None or not service.is_up or service.forced_down or not service.disabled:
            continue
        if service.disabled_reason == facts.policy.process_disable_reason:
            yield _not_ok(
                Check.CLOUD,
                f"the compute service of {host.name} is up, and disabled by us since its nova-compute was reported stopped: Nova starts "
                "nothing there",
                "report that it runs: openstack notification create PROCESS "
                f'{host.name} "$(date -u +%FT%T)" \'{{"event": "STARTED", "process_name": "nova-compute"}}\'',
            )


def _reserves(facts: Facts) -> Iterator[Finding]:
    for segment in facts.segments:
        if any(host.trouble for host in segment.hosts) or facts.cloud_trouble:
            yield _unknown(Check.RESERVE, f"segment {segment.name}: Nova or Placement could not be asked")
        elif any(host.may_fail for host in segment.hosts):
            yield _reserve(segment)


def _reserve(segment: SegmentFacts) -> Finding:
    """Say whether those that its method sends instances to would hold any one of its hosts."""
    where = f"segment {segment.name}: "
    able = {host.name: host.room for host in takers(segment) if host.room is not None}
    loaded = {host.name: host.room for host in segment.hosts if host.may_fail and host.room is not None}
    unknown = [host.name for host in segment.hosts if host.may_fail and host.room is None]
    doubt: Finding | None = None
    for name, room in sorted(loaded.items(), key=lambda item: (-item[1].fullness, item[0])):
        others = {host: taker for host, taker in able.items() if host != name}
        if not others:
            return _not_ok(Check.RESERVE, f"{where}nobody could take over for {name}", _more_hosts(segment))
        match place(room.held, others):
            case NoRoom() as shortage:
                return _not_ok(Check.RESERVE, f"{where}{_words(name, shortage)}", _more_room(segment))
            case Unclear(consumer):
                says = f"{where}there is room for {name} in sum, but no way was found to place {consumer} too"
                doubt = doubt or _unknown(Check.RESERVE, says, "make more room, so that it does not depend on luck")
            case Fits():
                pass
    if unknown:
        says = f"{where}Placement has no resource provider for {', '.join(unknown)}"
        return _unknown(Check.RESERVE, says, "see whether its nova-compute ever reported to Placement")
    return doubt or _ok(Check.RESERVE, f"{where}{_fullest(segment, loaded)}")


def takers(segment: SegmentFacts) -> tuple[HostFacts, ...]:
    """Return the hosts that would be sent instances: `auto` never wakes a reserved host, `reserved_host` uses no other."""
    up = tuple(host for host in segment.hosts if host.can_take_over)
    match segment.method:
        case RecoveryMethod.AUTO:
            return tuple(host for host in up if not host.is_reserved)
        case RecoveryMethod.RESERVED_HOST:
            return tuple(host for host in up if host.is_reserved)
        case _:
            return up


def _words(host: str, shortage: NoRoom) -> str:
    what = shortage.resource
    if shortage.consumer is None:
        return f"{host} holds {shortage.needed} {what}, and those who would take over have {shortage.free} free"
    return f"{shortage.consumer} on {host} has {shortage.needed} {what}, and no other host has more than {shortage.free} for it"


def _more_hosts(segment: SegmentFacts) -> str:
    if segment.method is RecoveryMethod.RESERVED_HOST:
        return "add a reserved host, bring one back, or choose another recovery method: its method is reserved_host"
    return f"add a host to the segment, or see why Nova calls the others down or disabled{_idle(segment)}"


def _more_room(segment: SegmentFacts) -> str:
    if segment.method is RecoveryMethod.AUTO:
        more = "hosts of other segments, where Nova may send them too, are not counted"
        return f"add a host or take instances off; {more}{_idle(segment)}"
    return "add a reserved host that is as large as the largest, or take instances off"


def _idle(segment: SegmentFacts) -> str:
    if segment.method is RecoveryMethod.AUTO and any(host.is_reserved for host in segment.hosts):
        return "; the method auto uses no reserved host, rh_priority does"
    return ""


def _fullest(segment: SegmentFacts, loaded: Mapping[str, Room]) -> str:
    name, room = max(loaded.items(), key=lambda item: (item[1].fullness, item[0]))
    amounts = ", ".join(f"{amount} {resource}" for resource, amount in sorted(room.used.items()) if amount) or "nothing"
    able = takers(segment)
    reserves = ", ".join(sorted(host.name for host in able if host.is_reserved))
    others = "the other hosts" if any(not host.is_reserved for host in able) else ""
    who = " and ".join(part for part in (f"reserved {reserves}" if reserves else "", others) if part)
    return f"{who} would hold any host of it; the fullest is {name} with {amounts}{_idle(segment)}"


def _storage(facts: Facts) -> Finding:
    """Compare what the options declare with the disks that Nova shows."""
    if facts.cloud_trouble or any(host.trouble for host in facts.hosts):
        return _unknown(Check.STORAGE, "Nova could not be asked for the instances")
    instances = [each for host in facts.hosts for each in host.instances if each.vm_state not in WITHOUT_GUEST]
    local = sum(each.image_backed or each.local_extra for each in instances)
    some = f"{local} of {_count(instances, 'instance')}"
    if not local:
        return _ok(Check.STORAGE, f"{_count(instances, 'instance')}, none with a disk that could be on its host only")
    if facts.policy.shared_storage:
        return _unknown(
            Check.STORAGE,
            f"{some} boot from an image or have an extra disk; shared_storage = true declares these disks shared, and Nova "
            "does not show it",
            "see nova.conf of every host: images_type = rbd, or instances_path on a share of all hosts; if they are not, set "
            "[recovery] shared_storage = false",
        )
    if facts.policy.local_disk is LocalDisk.REBUILD:
        return _ok(Check.STORAGE, f"{some} would be built from their images again, as local_disk = rebuild declares")
    return _not_ok(
        Check.STORAGE,
        f"{some} have a disk that may be on their host only: they would wait for a human",
        "set [recovery] shared_storage = true if all hosts share these disks (Ceph, NFS); else boot from volumes, or accept "
        "the loss with local_disk = rebuild",
    )


def _database(durability: Durability) -> Finding:
    verdict = {True: Verdict.OK, False: Verdict.NOT_OK, None: Verdict.UNKNOWN}[durability.is_durable]
    return Finding(check=Check.DATABASE, verdict=verdict, says=durability.says, do=durability.do)


def _ok(check: Check, says: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, says=says)


def _not_ok(check: Check, says: str, do: str) -> Finding:
    return Finding(check=check, verdict=Verdict.NOT_OK, says=says, do=do)


def _unknown(check: Check, says: str, do: str = "") -> Finding:
    return Finding(check=check, verdict=Verdict.UNKNOWN, says=says, do=do)


def _count(things: tuple[object, ...] | list[Instance], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
