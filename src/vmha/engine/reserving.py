"""Gives a reserved host that stood in for a failed one back to the reserve, once nothing is left on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.aggregates import left
from vmha.core.explain import Code, because
from vmha.core.flags import flags_of
from vmha.core.reserve import is_half_reserved, reserve_flags, why_kept
from vmha.core.returning import ReturnRefused
from vmha.engine.holding import take
from vmha.engine.joining import leave_all
from vmha.engine.looking import glance

if TYPE_CHECKING:
    from vmha.core.aggregates import Membership
    from vmha.core.explain import Reason
    from vmha.core.model import ServiceReading
    from vmha.core.returning import Known, Wish
    from vmha.engine.looking import Hands, Steps


def give_back(
    name: str, spare: Known | None, host: str, wish: Wish, hands: Hands, joins: tuple[Membership, ...] = ()
) -> Steps[tuple[Reason, ...]]:
    """Disable the spare and make it reserved again, or say why it stays in service. `host` is the one that it stood in for.

    One that goes back is taken out of `joins`, the aggregates that it was added to for that host.
    """
    stuck: tuple[tuple[Membership, str], ...] = ()
    seen = glance(name, hands, hands.within(hands.bounds.read))
    why = why_kept(spare, seen)
    try:
        if spare is not None and seen.service is not None and why is None:
            stuck = yield from _into_reserve(spare, seen.service, wish, hands, joins)
        elif spare is not None and seen.service is not None and _is_stranded(spare, seen.service):
            yield from _out_of_reserve(spare, seen.service, wish, hands)
    except ReturnRefused as refused:
        why = str(refused)
    if why is not None:
        return (because(Code.SPARE_KEPT, reserved=name, host=host, detail=why),)
    return (because(Code.SPARE_BACK, reserved=name), *left(name, joins, stuck))


def _into_reserve(
    spare: Known, service: ServiceReading, wish: Wish, hands: Hands, joins: tuple[Membership, ...]
) -> Steps[tuple[tuple[Membership, str], ...]]:
    """Disable first, then look once more: what the scheduler sent here until then shows in Placement. Raises `ReturnRefused`."""
    before = flags_of(service)
    after = reserve_flags(before)
    held = take(spare, hands, by=wish.by)
    yield 0.0
    try:
        held.order(after, seen=before)
        yield 0.0
        if (filled := held.filled()) is not None:
            held.order(before, seen=after, undoes=True)
            raise ReturnRefused(filled)
    except ReturnRefused:
        held.settle()
        raise
    stuck = leave_all(spare.host, joins, hands.nova, deadline=held.deadline(2))
    held.settle(is_reserved=True)
    return stuck


def _is_stranded(spare: Known, service: ServiceReading) -> bool:
    """Tell whether a return disabled the spare before it broke off, and something came to it just then."""
    return is_half_reserved(spare, service) and not (spare.open or spare.on_maintenance or service.forced_down)


def _out_of_reserve(spare: Known, service: ServiceReading, wish: Wish, hands: Hands) -> Steps[None]:
    """Enable a stranded spare again: it works as any host."""
    before = flags_of(service)
    held = take(spare, hands, by=wish.by)
    yield 0.0
    try:
        held.order(replace(before, disabled=False, disabled_reason=None), seen=before)
    finally:
        held.settle()
