"""Carries out what is asked and ordered about room and reserved hosts: behind the same door, with the same deadlines, as `carrying` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from vmha.core import effects, events
from vmha.core.aggregates import Joined
from vmha.engine.joining import join_all
from vmha.engine.rooming import read_room
from vmha.engine.unreserving import give_back, unclear
from vmha.errors import NovaRefused, OrderExpired, words_of

if TYPE_CHECKING:
    from vmha.ports import Deadline, Nova

AboutSpares = effects.ReadRoom | effects.EnableReserved | effects.ReturnReserved


def about_spares(effect: AboutSpares, deadline: Deadline, nova: Nova) -> events.Event:
    """Ask what room there is, enable a reserved host, or give one back."""
    match effect:
        case effects.ReadRoom():
            return read_room(effect, nova, deadline=deadline)
        case effects.EnableReserved():
            return _enable(effect, deadline, nova)
        case effects.ReturnReserved():
            return give_back(effect, nova, deadline=deadline)
        case _:
            assert_never(effect)


def spares_unanswered(effect: AboutSpares, detail: str) -> events.Event:
    """Answer for one that went wrong in a way that nobody thought of."""
    match effect:
        case effects.ReadRoom():
            return events.RoomUnreadable(answers=effect.key, detail=detail)
        case effects.EnableReserved():
            return events.ReservedFailed(answers=effect.key, host=effect.host, detail=detail)
        case effects.ReturnReserved():
            return unclear(effect, detail)
        case _:
            assert_never(effect)


def _enable(effect: effects.EnableReserved, deadline: Deadline, nova: Nova) -> events.Event:
    """Add it to aggregates before it takes instances: what is bound to them may be the first that is sent there."""
    joinings = join_all(effect.host, effect.joins, nova, deadline=deadline)
    is_in_doubt = any(each.came is not Joined.REFUSED for each in joinings)
    try:
        nova.enable(effect.host, deadline=deadline)
    except OrderExpired as error:
        if not is_in_doubt:
            raise
        detail = str(error)
    except NovaRefused as error:
        detail = str(error)
    except Exception as error:  # noqa: BLE001 - the recovery takes the next reserved host, whatever it was
        detail, is_in_doubt = words_of(error), True
    else:
        return events.ReservedEnabled(answers=effect.key, host=effect.host, joinings=joinings)
    return events.ReservedFailed(
        answers=effect.key, host=effect.host, detail=detail, is_in_doubt=is_in_doubt, joinings=joinings
    )
