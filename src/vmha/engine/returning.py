"""Lets a repaired host back: looks (`looking.py`), judges (`core/returning.py`), holds the host against a recovery, changes it, tells.

Rules:
1. Nothing is ordered before the right to it is held, and no order leaves after that right is over. As long as it is held no recovery
   forces the host down, so that none meets an order of ours.
2. The maintenance ends with the taking of the right, before Nova is told: a failure that is reported from then on is accepted, and
   waits its turn. One that met the flag would be refused, and nobody would ever report it again.
3. Whoever is stopped in the middle leaves a host that can be let back once more. What has been done is not done twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vmha.core.explain import Code, because
from vmha.core.flags import flags_of
from vmha.core.returning import Returned, ReturnRefused, judge
from vmha.engine.holding import take
from vmha.engine.looking import see, service_of
from vmha.engine.reserving import give_back
from vmha.errors import NovaRefused, NovaUnavailable, UnknownHost
from vmha.logs import log

if TYPE_CHECKING:
    from vmha.core.explain import Reason
    from vmha.core.flags import ServiceFlags
    from vmha.core.returning import Known, Seen, Verdict, Wish
    from vmha.engine.holding import Held
    from vmha.engine.looking import Hands, Steps

logger = logging.getLogger(__name__)


def let_back(host: str, wish: Wish, hands: Hands, *, is_dry: bool = False) -> Steps[Returned]:
    """Let a host back, and the reserved hosts that stood in for it into the reserve. With `is_dry` nothing is changed.

    Raises `ReturnRefused` with every reason, `UnknownHost`, and `StoreUnavailable`.
    """
    known = _known(host, hands)
    seen = yield from see(host, hands, watches=known.open is None)
    known = _known(host, hands)
    verdict = judge(known, seen, wish, our_reasons=hands.our_reasons, settle_seconds=hands.bounds.settle)
    if verdict.against:
        raise ReturnRefused(*verdict.against)
    if is_dry:
        return _planned(known, verdict, wish)
    done = yield from _change(known, seen, verdict, wish, hands)
    for spare in verdict.spares:
        done += yield from _spare(spare, known, verdict, wish, hands)
    for reason in done:
        log(logger, reason.code.name.lower().replace("_", "-"), host=host, by=wish.by, says=reason.sentence)
    late = () if verdict.flags is None or _is_up(host, hands) else (because(Code.RETURN_NOT_UP, host=host),)
    return Returned(host=host, done=done, notes=verdict.notes + late)


def _known(host: str, hands: Hands) -> Known:
    known = hands.returns.look(host)
    if known is None:
        raise UnknownHost(host)
    return known


def _planned(known: Known, verdict: Verdict, wish: Wish) -> Returned:
    """Say what would be done."""
    done = [_said(known, verdict, wish)]
    for spare in verdict.spares:
        if wish.as_reserved:
            done.append(because(Code.SPARE_REPLACED, reserved=spare, host=known.host))
        else:
            done.append(because(Code.SPARE_BACK, reserved=spare))
    return Returned(host=known.host, done=tuple(done), notes=verdict.notes, is_dry=True)


def _said(known: Known, verdict: Verdict, wish: Wish) -> Reason:
    """Name the changes."""
    if not verdict.changes and verdict.flags is None and verdict.is_told:
        return because(Code.RETURN_NOTHING, host=known.host)
    done = ", ".join(verdict.changes) or "it was in service already"
    if wish.as_reserved:
        return because(Code.RETURNED_AS_RESERVED, host=known.host, done=done)
    return because(Code.RETURNED, host=known.host, done=done)


def _change(known: Known, seen: Seen, verdict: Verdict, wish: Wish, hands: Hands) -> Steps[tuple[Reason, ...]]:
    """Hold the host, tell Nova, and store what came of it. Return what is told."""
    said = _said(known, verdict, wish)
    if said.code is Code.RETURN_NOTHING:
        return (said,)
    why = f"{wish.why}; looked there, and no guest of before is left" if wish.inspected else wish.why
    begun = because(Code.RETURN_BEGUN, by=wish.by, host=known.host, why=why)
    held = take(
        known,
        hands,
        by=wish.by,
        record=verdict.record,
        ends_maintenance=verdict.ends_maintenance,
        told=(begun,),
    )
    yield 0.0
    try:
        if verdict.flags is not None and seen.service is not None:
            yield from _set(held, verdict.flags, flags_of(seen.service), is_reserve=verdict.becomes_reserved)
    except ReturnRefused as refused:
        held.settle(on_maintenance=True if verdict.ends_maintenance else None, told=refused.reasons)
        raise
    held.settle(is_reserved=True if verdict.becomes_reserved else None, told=(said,))
    return begun, said


def _set(held: Held, flags: ServiceFlags, before: ServiceFlags, *, is_reserve: bool) -> Steps[None]:
    """Give the service its flags. One that took instances until now, and is to be a reserve, is looked at once more. Raises `ReturnRefused`."""
    held.order(flags, seen=before)
    yield 0.0
    if is_reserve and not before.disabled and (filled := held.filled()) is not None:
        held.order(before, seen=flags, undoes=True)
        raise ReturnRefused(filled)


def _spare(name: str, known: Known, verdict: Verdict, wish: Wish, hands: Hands) -> Steps[tuple[Reason, ...]]:
    """Give a spare back, or leave it in service for good. Return what is told, nothing where it is in the reserve already."""
    spare = hands.returns.look(name)
    if spare is not None and spare.is_reserved:
        return ()
    if not wish.as_reserved:
        said = yield from give_back(name, spare, known.host, wish, hands, known.joins_of(name))
    else:
        said = (because(Code.SPARE_REPLACED, reserved=name, host=known.host),)
    if verdict.record is not None:
        hands.returns.tell(verdict.record, said)
    return said


def _is_up(host: str, hands: Hands) -> bool:
    """Tell whether Nova calls the host up; where it does not answer, an operator has to look."""
    try:
        service = service_of(host, hands, hands.within(hands.bounds.order))
    except (NovaUnavailable, NovaRefused):
        return False
    return service is not None and (service.is_up or service.forced_down)
