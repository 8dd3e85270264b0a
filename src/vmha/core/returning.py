"""May a host that failed be let back, and what is to be done for it? Judged from facts that somebody else collected (P7).

Rules:
1. Never while a recovery of it is open, while an evacuation from it is not over, while Nova shows copies that its nova-compute has
   not removed, or before that nova-compute has reported; and never on what could not be seen.
2. Every reason against it is given at once, each with what to do.
3. Only flags that we set are cleared. What somebody else set is left alone, and said.
4. Where a word stood for the proof, a human's or a monitor's, a census or a human's look stands for its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmha.core.explain import Code, Reason, because, names
from vmha.core.flags import OurReasons, ServiceFlags, flags_of
from vmha.core.model import Power, Rung
from vmha.core.reserve import RESERVE_REASON, holders, is_half_reserved, reserve_flags
from vmha.core.targets import CLEANED_UP, TERMINAL, UNNAMED, holds_room, suspects
from vmha.errors import VmhaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.core.aggregates import Membership
    from vmha.core.model import Instance, Migration, ServicePrior, ServiceReading

AWAITS_CLEAN_UP = "done"
"""Nova's word for an evacuation whose source has not come back yet: what it left there is still on the disk, or even runs."""

WORDS = frozenset({Rung.HUMAN, Rung.DETECTOR})
"""Rungs on which nothing was read: somebody said that the host is off."""


class ReturnRefused(VmhaError):
    """The host is not let back; nothing was ordered, or what was ordered is said in the reasons."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__("; ".join(reason.sentence for reason in reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a named human wants, and why. `inspected`: that human looked on the host, and no guest of before is left there."""

    by: str
    why: str
    as_reserved: bool = False
    inspected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A recovery of the host that has ended.

    `was_proven_off` marked the host as on maintenance. `by_word` says that nothing but a word was the proof, a human's or its
    monitor's, `ordered` that evacuations were ordered. `reserved` names the reserved hosts that it spent, `given_back` those that a
    return gave back to the reserve and told so on its timeline. `joins` names by reserved host the aggregates that the recovery added it
    to. `is_returned`: the host was let back since.
    """

    uuid: str
    ended_at: float
    was_proven_off: bool = False
    prior: ServicePrior | None = None
    by_word: bool = False
    ordered: bool = False
    reserved: tuple[str, ...] = ()
    given_back: frozenset[str] = frozenset()
    joins: tuple[tuple[str, tuple[Membership, ...]], ...] = ()
    is_returned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knows of a host at `now`: `open` is uuid and phase of its open recovery, `past` the others, youngest first.

    `claimed_by` is the open recovery of another host for which this one stands in.
    """

    host: str
    uuid: str
    now: float
    is_reserved: bool = False
    on_maintenance: bool = False
    open: tuple[str, str] | None = None
    claimed_by: str | None = None
    past: tuple[Past, ...] = ()

    @property
    def failures(self) -> tuple[Past, ...]:
        """Return the recoveries that proved the host off since the return before, youngest first.

        The youngest of all is among them in any case: a return may be done again.
        """
        proven = [past for past in self.past if past.was_proven_off]
        older = next((n for n, past in enumerate(proven) if n > 0 and past.is_returned), len(proven))
        return tuple(proven[:older])

    def joins_of(self, spare: str) -> tuple[Membership, ...]:
        """Name the aggregates that its recoveries added a reserved host to."""
        mine = (joins for past in self.failures for name, joins in past.joins if name == spare)
        return tuple(dict.fromkeys(each for joins in mine for each in joins))

    @property
    def spares(self) -> tuple[str, ...]:
        """Name the reserved hosts that stood in for this one at these failures, and were not given back yet."""
        back = {name for past in self.failures for name in past.given_back}
        return tuple(dict.fromkeys(name for past in self.failures for name in past.reserved if name not in back))


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What Nova and Placement hold for a host; see `vmha.ports.HostSurvey`."""

    instances: tuple[Instance, ...] = ()
    migrations: tuple[Migration, ...] = ()
    consumers: frozenset[str] | None = frozenset()
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a host. `trouble` says why Nova or Placement could not be asked; then service and `left` may be missing.

    `was_heard`: its heartbeat changed within the `watched_seconds`, which are 0 where nobody waited for it, since something else
    was against the return. `power` is None where the BMC gave no reading, `power_detail`
    says why. `census` are the uuids of the guests that run there, None where nothing reports them.
    """

    service: ServiceReading | None
    left: Left | None
    was_heard: bool = False
    watched_seconds: float = 0.0
    power: Power | None = None
    power_detail: str = ""
    address: str = ""
    census: frozenset[str] | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be done, or every reason `against` it. `notes` are what an operator should know beside it.

    `flags` are those that the service is to have, None where it has them; `changes` names all that will be otherwise. `record` is the
    recovery on whose timeline it is told, and `is_told` says that it was, or that there is none.
    """

    against: tuple[Reason, ...]
    notes: tuple[Reason, ...]
    flags: ServiceFlags | None
    ends_maintenance: bool
    becomes_reserved: bool
    changes: tuple[str, ...]
    spares: tuple[str, ...]
    record: str | None
    is_told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What was done, or would be done (`is_dry`), and what an operator should know beside it."""

    host: str
    done: tuple[Reason, ...]
    notes: tuple[Reason, ...] = ()
    is_dry: bool = False


def judge(known: Known, seen: Seen, wish: Wish, *, our_reasons: OurReasons, settle_seconds: float) -> Verdict:
    """Say what may be done. `our_reasons` are what Nova shows for a service that we disabled.

    `settle_seconds` is how long an order of a recovery that has ended may still be on its way.
    """
    before = None if seen.service is None else flags_of(seen.service)
    after = None if seen.service is None else _wanted(known, seen.service, wish, our_reasons)
    ends = known.on_maintenance and _is_our_maintenance(known, seen.service, our_reasons)
    becomes_reserved = wish.as_reserved and not known.is_reserved
    told = next(iter(known.failures or known.past), None)
    return Verdict(
        against=(*unfinished(known, settle_seconds), *_unseen(known, seen), *_not_gone(known, seen, wish, our_reasons)),
        notes=tuple(_notes(known, seen, wish, our_reasons)),
        flags=None if after == before else after,
        ends_maintenance=ends,
        becomes_reserved=becomes_reserved,
        changes=tuple(_changes(before, after, ends_maintenance=ends, becomes_reserved=becomes_reserved)),
        spares=known.spares,
        record=told.uuid if told else None,
        is_told=told is None or told.is_returned,
    )


def _changes(
    before: ServiceFlags | None, after: ServiceFlags | None, *, ends_maintenance: bool, becomes_reserved: bool
) -> Iterator[str]:
    """Name what will be otherwise."""
    if before is not None and after is not None and after.forced_down != before.forced_down:
        yield "no longer forced down"
    if before is not None and after is not None and after.disabled != before.disabled:
        yield "disabled" if after.disabled else "enabled"
    if ends_maintenance:
        yield "no longer on maintenance"
    if becomes_reserved:
        yield "reserved"


def unfinished(known: Known, settle_seconds: float) -> Iterator[Reason]:
    """Name the recovery that is open, or that ended a moment ago: an order of it may be taken after ours."""
    if known.open is not None:
        recovery, phase = known.open
        yield because(Code.RETURN_RECOVERY_OPEN, host=known.host, recovery=recovery, phase=phase)
    latest = max(known.past, key=lambda past: past.ended_at, default=None)
    if latest is not None and 0 <= known.now - latest.ended_at < settle_seconds:
        since = known.now - latest.ended_at
        wait = settle_seconds - since
        yield because(Code.RETURN_TOO_SOON, host=known.host, recovery=latest.uuid, seconds=since, wait=wait)


def _unseen(known: Known, seen: Seen) -> Iterator[Reason]:
    """Name what could not be seen, or shows that the host is not there."""
    host = known.host
    if seen.trouble is not None:
        yield because(Code.RETURN_NOVA_AWAY, host=host, detail=seen.trouble)
    elif seen.service is None:
        yield because(Code.RETURN_NO_SERVICE, host=host)
    is_pointless = seen.watched_seconds == 0 and (known.open is not None or seen.power is Power.OFF)
    if seen.service is not None and not seen.was_heard and not is_pointless:
        yield because(Code.RETURN_SILENT, host=host, seconds=seen.watched_seconds)
    if seen.power is Power.OFF:
        yield because(Code.RETURN_READS_OFF, host=host, address=seen.address)
    if seen.left is not None and seen.left.consumers is None:
        yield because(Code.RETURN_NO_PROVIDER, host=host)


def _not_gone(known: Known, seen: Seen, wish: Wish, our_reasons: OurReasons) -> Iterator[Reason]:
    """Name what is left on the host of before, or may be."""
    host, left = known.host, seen.left
    if left is not None:
        evacuations = [m for m in left.migrations if m.kind == "evacuation" and m.source == host]
        yield from _evacuations(host, evacuations)
        if unknown := hidden(host, left):
            yield because(Code.RETURN_HIDDEN, host=host, count=len(unknown), names=names(unknown))
        listed = {instance.uuid for instance in left.instances}
        if seen.census is not None and (strangers := seen.census - listed):
            yield because(Code.RETURN_LEFTOVERS, host=host, count=len(strangers), names=names(strangers))
        if wish.as_reserved and (on_it := holders(left)):
            yield because(Code.RETURN_NOT_EMPTY, host=host, count=len(on_it), names=names(on_it))
    vouched = any(past.by_word and past.ordered and not past.is_returned for past in known.failures)
    if vouched and seen.census is None and not wish.inspected:
        yield because(Code.RETURN_UNINSPECTED, host=host)
    if wish.as_reserved and known.claimed_by is not None:
        yield because(Code.RETURN_CLAIMED, host=host, recovery=known.claimed_by)
    if wish.as_reserved and seen.service is not None and _is_foreign(known, seen.service, our_reasons):
        yield because(Code.RETURN_NO_RESERVE, host=host)


def _evacuations(host: str, evacuations: list[Migration]) -> Iterator[Reason]:
    moving = [m.instance for m in evacuations if m.status not in TERMINAL]
    if moving:
        yield because(Code.RETURN_MOVING, host=host, count=len(moving), names=names(moving))
    copies = {m.instance for m in evacuations if m.status == AWAITS_CLEAN_UP}
    if copies:
        yield because(Code.RETURN_NOT_CLEANED_UP, host=host, count=len(copies), names=names(copies))


def hidden(host: str, left: Left) -> frozenset[str]:
    """Return the consumers that no list explains: instances of a cell that is down may be among them."""
    known = {instance.uuid for instance in left.instances} | left.elsewhere
    known |= {record.instance for record in left.migrations if holds_room(record, host)}
    known |= {record.uuid for record in left.migrations}
    return (left.consumers or frozenset()) - known


def stale(host: str, left: Left) -> frozenset[str]:
    """Return the consumers that hold room here although their instances are elsewhere, or nowhere."""
    gone = left.elsewhere | {m.instance for m in left.migrations if m.kind == "evacuation" and m.source == host}
    return ((left.consumers or frozenset()) & gone) - {instance.uuid for instance in left.instances}


def _wanted(known: Known, service: ServiceReading, wish: Wish, our_reasons: OurReasons) -> ServiceFlags:
    """Return the flags that the service is to have: ours cleared, those of others as they are."""
    flags = flags_of(service)
    if flags.forced_down and not _is_foreign(known, service, our_reasons):
        flags = replace(flags, forced_down=False)
    is_ours = _is_disabled_by_us(known, service, our_reasons)
    if wish.as_reserved:
        return replace(flags, disabled=True, disabled_reason=RESERVE_REASON) if is_ours else reserve_flags(flags)
    return replace(flags, disabled=False, disabled_reason=None) if is_ours else flags


def _is_disabled_by_us(known: Known, service: ServiceReading, our_reasons: OurReasons) -> bool:
    """Tell by the reason."""
    return our_reasons.are_shown(service) or is_half_reserved(known, service)


def _is_foreign(known: Known, service: ServiceReading, our_reasons: OurReasons) -> bool:
    """Tell whether somebody else forced the service down.

    What it was before we did tells. Where that is not known, since the answer got lost, our reason does: both flags were one order.
    """
    if not service.forced_down:
        return False
    prior = next((past.prior for past in known.failures if past.prior is not None and not past.is_returned), None)
    if prior is not None:
        return prior.forced_down
    return not our_reasons.are_shown(service)


def _is_our_maintenance(known: Known, service: ServiceReading | None, our_reasons: OurReasons) -> bool:
    """Tell whether a failure put the host on maintenance: one that we recovered, or one of upstream's, which gives the same reason."""
    is_ours = service is not None and service.disabled and service.disabled_reason == our_reasons.host
    return is_ours or any(not past.is_returned for past in known.failures)


def _notes(known: Known, seen: Seen, wish: Wish, our_reasons: OurReasons) -> Iterator[Reason]:
    """Say what is left alone, and what was not seen."""
    host, service = known.host, seen.service
    if seen.census is None:
        yield because(Code.RETURN_NO_CENSUS, host=host)
    if seen.power is None:
        yield because(Code.RETURN_UNPROTECTED, host=host, detail=seen.power_detail)
    if known.on_maintenance and not _is_our_maintenance(known, service, our_reasons):
        yield because(Code.RETURN_LEFT_ON_MAINTENANCE, host=host)
    if service is not None and _is_foreign(known, service, our_reasons):
        yield because(Code.RETURN_LEFT_FORCED_DOWN, host=host)
    is_reserve = wish.as_reserved or known.is_reserved
    if (
        service is not None
        and service.disabled
        and not is_reserve
        and not _is_disabled_by_us(known, service, our_reasons)
    ):
        yield because(Code.RETURN_LEFT_DISABLED, host=host, reason=service.disabled_reason or "none given")
    if seen.left is not None:
        yield from _notes_on(host, seen.left)


def _notes_on(host: str, left: Left) -> Iterator[Reason]:
    still = [instance.name for instance in left.instances]
    if still:
        yield because(Code.RETURN_STILL_THERE, host=host, count=len(still), names=names(still))
    for instance in left.instances:
        doubts = suspects(instance.uuid, host, left.migrations, frozenset()) or _given_up(instance, host, left)
        if doubts:
            who = f"{instance.name} ({instance.uuid})"
            yield because(Code.RETURN_MAY_BE_ELSEWHERE, host=host, instance=who, suspects=", ".join(doubts))
    if idle := stale(host, left):
        yield because(Code.RETURN_STALE_ROOM, host=host, count=len(idle), names=names(idle))


def _given_up(instance: Instance, host: str, left: Left) -> tuple[str, ...]:
    """Name the destination of an evacuation that was not over when the host came back: Nova calls it completed, and lists it here."""
    mine = (record for record in left.migrations if record.instance == instance.uuid)
    newest = max(mine, key=lambda record: record.id, default=None)
    is_evacuation = newest is not None and newest.kind == "evacuation" and newest.source == host
    if newest is None or not is_evacuation or newest.status != CLEANED_UP:
        return ()
    return (newest.destination or UNNAMED,)
