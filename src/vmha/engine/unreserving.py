"""Gives a reserved host that a recovery took and did not need back: looks, disables, looks once more, and takes it out of aggregates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.events import ReservedKept, ReservedReturned
from vmha.core.explain import names
from vmha.core.flags import flags_of
from vmha.core.reserve import RESERVE_REASON, holders, reserve_flags
from vmha.core.returning import Left
from vmha.engine.joining import leave_all
from vmha.errors import OrderExpired

if TYPE_CHECKING:
    from vmha.core.effects import ReturnReserved
    from vmha.ports import Deadline, Nova


def give_back(effect: ReturnReserved, nova: Nova, *, deadline: Deadline) -> ReservedReturned | ReservedKept:
    """Disable it where nothing is on it, and enable it again where something was. Raises `OrderExpired`, where nothing was changed."""
    host, is_disabled = effect.host, False
    try:
        service = nova.service(host, deadline=deadline)
        if service is None:
            return _kept(effect, "Nova has no compute service on it")
        before = in_service = flags_of(service)
        if effect.number > 1 and before.disabled and before.disabled_reason == RESERVE_REASON:
            # An order before this one disabled it, and its answer got lost.
            in_service = replace(before, disabled=False, disabled_reason=None)
        if (why := _why_kept(host, nova, deadline)) is not None:
            if in_service != before:
                nova.set_flags(host, in_service, seen=before, deadline=deadline)
            return _kept(effect, why)
        after = reserve_flags(before)
        nova.set_flags(host, after, seen=before, deadline=deadline)
        is_disabled = True
        # What the scheduler sent here until then shows by now.
        if (why := _why_kept(host, nova, deadline)) is not None:
            nova.set_flags(host, in_service, seen=after, deadline=deadline)
            return _kept(effect, why)
    except OrderExpired:
        if not is_disabled:
            raise
        return unclear(effect, "it was disabled, and there was no time left to see whether something had come to it")
    stuck = leave_all(host, effect.leaves, nova, deadline=deadline)
    return ReservedReturned(answers=effect.key, host=host, stuck=stuck)


def _why_kept(host: str, nova: Nova, deadline: Deadline) -> str | None:
    found = nova.survey(host, deadline=deadline)
    if found.consumers is None:
        return "Placement knows no resource provider of it"
    on_it = holders(Left(instances=found.instances, migrations=found.migrations, consumers=found.consumers))
    return f"{len(on_it)} instances are on it, or on their way ({names(on_it)})" if on_it else None


def _kept(effect: ReturnReserved, detail: str) -> ReservedKept:
    return ReservedKept(answers=effect.key, host=effect.host, detail=detail)


def unclear(effect: ReturnReserved, detail: str) -> ReservedKept:
    """Answer that it may have been disabled: the order is given once more."""
    return ReservedKept(answers=effect.key, host=effect.host, detail=detail, is_unclear=True)
