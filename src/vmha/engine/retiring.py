"""Clears away what is left of a host that never comes back, in this order: rooms, compute service, the host's place in its segment.

A resource provider goes with the compute service, unless somebody holds room there; and as long as the host is in its segment, all of
this can be done again. Rules of what may be cleared away stand in `core/retiring.py`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.core.explain import Code, because
from vmha.core.retiring import judge
from vmha.core.returning import ReturnRefused
from vmha.engine.holding import take
from vmha.engine.looking import see
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired, UnknownHost, VmhaError
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.core.explain import Reason
    from vmha.core.retiring import Leftovers
    from vmha.core.returning import Known, Wish
    from vmha.engine.looking import Hands, Steps

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What was found, what was cleared away (None: nothing was to be), and what a human has to clear away."""

    host: str
    found: Leftovers
    done: Reason | None = None
    by_hand: tuple[Reason, ...] = ()


def retire(host: str, wish: Wish, hands: Hands, *, cleans: bool) -> Steps[Retired]:
    """List what is left of a host; with `cleans` clear it away. Raises `ReturnRefused`, `UnknownHost` and `StoreUnavailable`."""
    known = hands.returns.look(host)
    if known is None:
        raise UnknownHost(host)
    seen = yield from see(host, hands, watches=cleans)
    known = hands.returns.look(host)
    if known is None:
        raise UnknownHost(host)
    found = judge(
        known,
        seen,
        _held(host, hands),
        wish,
        is_in_inventory=hands.power.protects(host),
        settle_seconds=hands.bounds.settle,
    )
    if not cleans:
        return Retired(host=host, found=found, by_hand=found.by_hand)
    if found.against:
        raise ReturnRefused(*found.against)
    done = yield from _clean(known, found, wish, hands)
    return Retired(host=host, found=found, done=done, by_hand=(*found.by_hand, *_provider_left(host, hands)))


def _held(host: str, hands: Hands) -> frozenset[str]:
    """Return all consumers of the host; where Placement does not answer, the survey has said so."""
    try:
        room = hands.nova.room(host, deadline=hands.within(hands.bounds.read))
    except (NovaUnavailable, NovaRefused):
        return frozenset()
    return frozenset() if room is None else frozenset(room.held)


def _clean(known: Known, found: Leftovers, wish: Wish, hands: Hands) -> Steps[Reason]:
    """Clear away step by step. Raises `ReturnRefused` at the first one that fails: the others come with the next try.

    Rooms need no right to the host: what their consumers have elsewhere stays as it is, or Placement refuses.
    """
    try:
        for consumer in found.holders:
            yield 0.0
            hands.nova.release_room(known.host, consumer, deadline=hands.within(hands.bounds.order))
    except (NovaUnavailable, NovaRefused, OrderExpired) as error:
        raise _stopped(known.host, error) from error
    held = take(known, hands, by=wish.by, record=found.record)
    yield 0.0
    try:
        if found.has_service:
            hands.nova.delete_service(known.host, deadline=held.deadline())
            yield 0.0
    except (NovaUnavailable, NovaRefused, OrderExpired) as error:
        held.settle()
        raise _stopped(known.host, error) from error
    parts = [f"{len(found.holders)} allocations"] if found.holders else []
    parts += ["the compute service"] if found.has_service else []
    done = ", ".join([*parts, "the place in the segment"])
    said = because(Code.RETIRED, by=wish.by, host=known.host, why=wish.why, done=done)
    try:
        hands.returns.forget(held.hold, (said,))
    except ReturnRefused as refused:
        with suppress(ReturnRefused):  # the right may be what is gone
            held.settle()
        so_far = (
            f"it has lost {' and '.join(parts)} by now, and keeps its place in the segment"
            if parts
            else "nothing was done"
        )
        stopped = because(Code.RETIRE_STOPPED, host=known.host, detail=so_far)
        raise ReturnRefused(*refused.reasons, stopped) from refused
    log(logger, "retired", host=known.host, by=wish.by, says=said.sentence)
    return said


def _stopped(host: str, error: VmhaError) -> ReturnRefused:
    return ReturnRefused(because(Code.RETIRE_STOPPED, host=host, detail=error))


def _provider_left(host: str, hands: Hands) -> Iterator[Reason]:
    """Look whether Nova got rid of the provider: where it could not, it says nothing."""
    try:
        room = hands.nova.room(host, deadline=hands.within(hands.bounds.order))
    except VmhaError:
        room = None
    if room is not None:
        yield because(Code.RETIRE_PROVIDER, host=host)
