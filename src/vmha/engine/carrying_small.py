"""Carries out what the incidents of instances and processes order: behind the same door, with the same deadlines, as `carrying` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from vmha.core import effects, events
from vmha.errors import NovaRefused, OrderExpired, VmhaError

if TYPE_CHECKING:
    from vmha.ports import Deadline, Nova

AboutGuest = effects.ReadInstance | effects.StopInstance | effects.StartInstance
AboutService = effects.ReadService | effects.DisableService | effects.EnableService


def about_guest(effect: AboutGuest, deadline: Deadline, nova: Nova) -> events.Event:
    """Look at an instance, or order its guest stopped or started."""
    try:
        match effect:
            case effects.ReadInstance():
                return _look(effect, deadline, nova)
            case effects.StopInstance():
                nova.stop(effect.instance, deadline=deadline)
            case effects.StartInstance():
                nova.start(effect.instance, deadline=deadline)
            case _:
                assert_never(effect)
    except NovaRefused as error:
        if isinstance(effect, effects.ReadInstance):
            return guest_unanswered(effect, str(error))
        return events.GuestOrderRefused(answers=effect.key, status=error.status, detail=error.detail)
    except OrderExpired:
        raise
    except VmhaError as error:
        return guest_unanswered(effect, str(error))
    return events.GuestOrderTaken(answers=effect.key)


def _look(effect: effects.ReadInstance, deadline: Deadline, nova: Nova) -> events.Event:
    found = nova.look_at(effect.instance, closely=effect.closely, deadline=deadline)
    if found is None:
        return events.InstanceRead(answers=effect.key, instance=None)
    return events.InstanceRead(
        answers=effect.key, instance=found.instance, migrations=found.migrations, service=found.service
    )


def guest_unanswered(effect: AboutGuest, detail: str) -> events.Event:
    """Answer for what Nova did not answer; an order may have been taken."""
    if isinstance(effect, effects.ReadInstance):
        return events.InstanceUnreadable(answers=effect.key, detail=detail)
    return events.GuestOrderUnanswered(answers=effect.key, detail=detail)


def about_service(effect: AboutService, deadline: Deadline, nova: Nova) -> events.Event:
    """Look at a compute service, disable it, or enable it again."""
    key, host = effect.key, effect.host
    try:
        match effect:
            case effects.ReadService():
                return events.ServiceRead(answers=key, service=nova.service(host, deadline=deadline))
            case effects.DisableService():
                prior = nova.disable(host, reason=effect.reason, deadline=deadline)
            case effects.EnableService():
                prior = nova.enable(host, reason=effect.reason, deadline=deadline)
            case _:
                assert_never(effect)
    except NovaRefused as error:
        if isinstance(effect, effects.ReadService):
            return service_unanswered(effect, str(error))
        return events.ServiceRefused(answers=key, status=error.status, detail=error.detail)
    except OrderExpired:
        raise
    except VmhaError as error:
        return service_unanswered(effect, str(error))
    return events.ServiceChanged(answers=key, prior=prior)


def service_unanswered(effect: AboutService, detail: str) -> events.Event:
    """Answer for what Nova did not answer; an order may have been taken."""
    if isinstance(effect, effects.ReadService):
        return events.ServiceUnreadable(answers=effect.key, detail=detail)
    return events.ServiceUnanswered(answers=effect.key, detail=detail)
