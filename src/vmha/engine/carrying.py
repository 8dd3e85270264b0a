"""Carries one order out through the ports and says what came of it. The same for threads and for the simulator's virtual time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from vmha.core import effects, events
from vmha.core.model import PowerTrouble, ServicePrior
from vmha.core.policy import Policy
from vmha.engine import carrying_small
from vmha.engine.carrying_spares import about_spares, spares_unanswered
from vmha.engine.surveying import survey
from vmha.errors import LeaseLost, NovaRefused, NovaUnavailable, OrderExpired, VmhaError, words_of
from vmha.logs import log
from vmha.ports import Deadline, PowerError

if TYPE_CHECKING:
    from vmha.image_ports import Images
    from vmha.ports import Alerts, Clock, Lease, LeaseTerms, Nova, Order, PowerDevices, Store

logger = logging.getLogger(__name__)

DOWN_REASON = "Masakari detected host failed."
PROCESS_REASON = Policy().process_disable_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The ports and bounds that carrying an order out needs.

    `disabled_reason` is what Nova shows for a host that failed, `process_disabled_reason` for one whose nova-compute stopped.
    """

    nova: Nova
    images: Images
    power: PowerDevices
    alerts: Alerts
    store: Store
    clock: Clock
    terms: LeaseTerms
    order_seconds: float = 12.0
    power_call_seconds: float = 8.0
    read_seconds: float = 60.0
    disabled_reason: str = DOWN_REASON
    process_disabled_reason: str = PROCESS_REASON


def carry_out(order: Order, lease: Lease, tools: Tools, *, submitted_at: float) -> events.Event | None:
    """Pass the door, act, and return the answer; None where nobody waits for one (an alert, or a lease that is gone).

    `submitted_at` is the local time at which the order was given: it ages while it waits for a thread. Whatever goes wrong, there is an
    answer: a recovery would wait for it for ever.
    """
    effect = order.effect
    deadline = _deadline(effect, tools, submitted_at)
    if effect.is_order:
        try:
            if tools.clock.monotonic() >= submitted_at + tools.order_seconds:
                raise OrderExpired(f"it waited for longer than {tools.order_seconds:g} s before it could be sent")
            tools.store.admit(lease, order, tools.terms)
        except LeaseLost:
            return None
        except Exception as error:  # noqa: BLE001 - it did not pass the door, whatever it was
            _say_defect(order, error)
            return _not_sent(effect, words_of(error))
    try:
        return _act(effect, order.recovery, deadline, tools)
    except OrderExpired as error:
        return _not_sent(effect, str(error))
    except Exception as error:  # noqa: BLE001 - it may have been begun, whatever it was
        _say_defect(order, error)
        return _maybe_sent(effect, words_of(error))


def _say_defect(order: Order, error: Exception) -> None:
    """Log what nobody thought of; what a port may raise is told by the answer alone."""
    if not isinstance(error, VmhaError):
        log(
            logger,
            "order-crashed",
            level=logging.ERROR,
            recovery=order.recovery,
            order=order.effect.key,
            detail=repr(error),
        )
        logger.error("traceback of the defect", exc_info=error)


def _deadline(effect: effects.Effect, tools: Tools, submitted_at: float) -> Deadline:
    """Return when the call must have ended. Orders to Nova count from when they were given, calls to a BMC from when they begin.

    A BMC's whole answer takes seconds, so that a power-off which had waited would be cut off in the middle: it leaves in time or not.
    """
    if isinstance(effect, effects.PowerOff | effects.ReadPower):
        return Deadline(at=tools.clock.monotonic() + tools.power_call_seconds)
    if effect.is_order:
        return Deadline(at=submitted_at + tools.order_seconds)
    return Deadline(at=tools.clock.monotonic() + tools.read_seconds)


def _not_sent(effect: effects.Effect, detail: str) -> events.Event:
    instance = effect.instance if isinstance(effect, effects.Evacuate) else None
    return events.OrderNotSent(answers=effect.key, instance=instance, detail=detail)


def _maybe_sent(effect: effects.Effect, detail: str) -> events.Event | None:
    """Answer for an act that went wrong in a way that nobody thought of."""
    match effect:
        case effects.ReadPower():
            return events.PowerUnreadable(answers=effect.key, trouble=PowerTrouble.ERROR, detail=detail, address="")
        case effects.PowerOff():
            return events.PowerOffFailed(answers=effect.key, trouble=PowerTrouble.ERROR, detail=detail, address="")
        case effects.Evacuate():
            return events.EvacuationUnanswered(answers=effect.key, instance=effect.instance, detail=detail)
        case effects.ExamineInstance():
            return _not_examined(effect, detail)
        case effects.ReadInstance() | effects.StopInstance() | effects.StartInstance():
            return carrying_small.guest_unanswered(effect, detail)
        case effects.ReadService() | effects.DisableService() | effects.EnableService():
            return carrying_small.service_unanswered(effect, detail)
        case effects.ReadRoom() | effects.EnableReserved() | effects.ReturnReserved():
            return spares_unanswered(effect, detail)
        case effects.Alert():
            return None
        case _:
            return _unanswered(effect, detail)


def _act(effect: effects.Effect, recovery: str, deadline: Deadline, tools: Tools) -> events.Event | None:
    match effect:
        case effects.ReadPower() | effects.PowerOff():
            return _power(effect, deadline, tools)
        case effects.Evacuate():
            return _evacuate(effect, deadline, tools)
        case effects.Alert():
            tools.alerts.send(recovery=recovery, host=effect.host, reason=effect.reason)
            return None
        case effects.ReadHeartbeats() | effects.ForceDown() | effects.SurveyHost() | effects.ReadProgress():
            return _ask_nova(effect, deadline, tools)
        case effects.ExamineInstance():
            return _examine(effect, deadline, tools.nova)
        case effects.ReadRoom() | effects.EnableReserved() | effects.ReturnReserved():
            return about_spares(effect, deadline, tools.nova)
        case effects.ReadInstance() | effects.StopInstance() | effects.StartInstance():
            return carrying_small.about_guest(effect, deadline, tools.nova)
        case effects.ReadService() | effects.DisableService() | effects.EnableService():
            return carrying_small.about_service(effect, deadline, tools.nova)
        case _:
            assert_never(effect)


def _power(effect: effects.ReadPower | effects.PowerOff, deadline: Deadline, tools: Tools) -> events.Event:
    key = effect.key
    is_read = isinstance(effect, effects.ReadPower)
    try:
        if is_read:
            power, address = tools.power.read(effect.host, deadline=deadline)
            return events.PowerRead(answers=key, power=power, address=address)
        return events.PowerOffAnswered(answers=key, address=tools.power.off(effect.host, deadline=deadline))
    except PowerError as error:
        trouble, detail, address = error.trouble, error.detail, error.address
    except Exception as error:  # noqa: BLE001 - foreign hardware: whatever it raised, it was no reading
        trouble, detail, address = PowerTrouble.ERROR, f"unexpected {type(error).__name__}: {error}", ""
    if is_read:
        return events.PowerUnreadable(answers=key, trouble=trouble, detail=detail, address=address)
    return events.PowerOffFailed(answers=key, trouble=trouble, detail=detail, address=address)


def _evacuate(effect: effects.Evacuate, deadline: Deadline, tools: Tools) -> events.Event:
    key, instance = effect.key, effect.instance
    if effect.attempt > 1:
        try:
            host = tools.nova.host_of(instance, deadline=deadline)
        except Exception as error:  # noqa: BLE001 - nothing was ordered, whatever it was
            return _not_sent(effect, words_of(error))
        if host != effect.source:
            detail = f"it is on {host} now" if host else "Nova knows it no more"
            return events.EvacuationRefused(answers=key, instance=instance, status=404, detail=detail)
    try:
        tools.nova.evacuate(instance, target=effect.target, deadline=deadline)
    except NovaRefused as error:
        return events.EvacuationRefused(answers=key, instance=instance, status=error.status, detail=error.detail)
    except OrderExpired:
        raise
    except Exception as error:  # noqa: BLE001 - whatever happened, Nova may have taken the order: its records will tell
        return events.EvacuationUnanswered(answers=key, instance=instance, detail=words_of(error))
    return events.EvacuationAccepted(answers=key, instance=instance)


NovaEffect = effects.ReadHeartbeats | effects.ForceDown | effects.SurveyHost | effects.ReadProgress


def _ask_nova(effect: NovaEffect, deadline: Deadline, tools: Tools) -> events.Event:
    try:
        return _answer(effect, deadline, tools)
    except OrderExpired:
        raise
    except Exception as error:  # noqa: BLE001 - the recovery must learn of it and ask again, whatever it was
        return _unanswered(effect, words_of(error))


def _unanswered(effect: NovaEffect, detail: str) -> events.Event:
    match effect:
        case effects.ReadHeartbeats():
            return events.HeartbeatsUnreadable(answers=effect.key, detail=detail)
        case effects.ForceDown():
            return events.ForceDownFailed(answers=effect.key, detail=detail)
        case effects.SurveyHost():
            return events.SurveyFailed(answers=effect.key, detail=detail)
        case effects.ReadProgress():
            return events.ProgressUnreadable(answers=effect.key, detail=detail)
        case _:
            assert_never(effect)


def _answer(effect: NovaEffect, deadline: Deadline, tools: Tools) -> events.Event:
    nova, key = tools.nova, effect.key
    match effect:
        case effects.ReadHeartbeats():
            return events.HeartbeatsRead(answers=key, services=nova.services(deadline=deadline))
        case effects.ForceDown():
            prior = nova.force_down(effect.host, reason=tools.disabled_reason, deadline=deadline)
            return events.ForcedDown(answers=key, prior=_before_us(prior, tools))
        case effects.SurveyHost():
            return survey(effect, nova, tools.images, deadline=deadline, clock=tools.clock)
        case effects.ReadProgress():
            # The list before the records: a record that ends in between is then seen as done and looked at once more, while the other
            # order would take an instance that just moved for one that its owner took away.
            listed = nova.instances_on(effect.host, deadline=deadline) if effect.with_instances else None
            records = nova.evacuations_from(effect.host, deadline=deadline)
            located = _locate(effect.locate, deadline, nova)
            return events.ProgressRead(answers=key, migrations=records, instances=listed, located=located)
        case _:
            assert_never(effect)


def _locate(instances: tuple[str, ...], deadline: Deadline, nova: Nova) -> tuple[tuple[str, str | None], ...]:
    """Ask for each instance; one of which Nova does not say where it is, since its cell is down, is left out."""
    located = []
    for instance in instances:
        try:
            located.append((instance, nova.host_of(instance, deadline=deadline)))
        except NovaUnavailable:
            continue
    return tuple(located)


def _before_us(prior: ServicePrior, tools: Tools) -> ServicePrior:
    """Take our own flags for none: where the answer to an order got lost, the next one finds what the first one set.

    The reason tells them, also that of a process which stopped before its host did. A service that somebody else had disabled keeps that
    one's reason, so that who forced it down is not known; then both flags count as theirs, and are left alone.
    """
    if prior.disabled and prior.disabled_reason in (tools.disabled_reason, tools.process_disabled_reason):
        return ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
    return prior


def _examine(effect: effects.ExamineInstance, deadline: Deadline, nova: Nova) -> events.Event:
    try:
        found = nova.examine(effect.instance, source=effect.source, target=effect.target, deadline=deadline)
    except Exception as error:  # noqa: BLE001 - the recovery ends without more evidence, whatever it was
        return _not_examined(effect, words_of(error))
    detail = "" if found is not None else "it knows the instance no more"
    return events.InstanceExamined(answers=effect.key, instance=effect.instance, findings=found, detail=detail)


def _not_examined(effect: effects.ExamineInstance, detail: str) -> events.Event:
    return events.InstanceExamined(answers=effect.key, instance=effect.instance, findings=None, detail=detail)
