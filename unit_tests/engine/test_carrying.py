"""Each order has an answer, whatever goes wrong on its way, and none leaves that has grown old."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from unit_tests.engine.loop_rig import TERMS, HandClock
from vmha.core import effects, events
from vmha.core.model import PowerTrouble, ServicePrior
from vmha.engine.carrying import Tools, carry_out
from vmha.engine.executor import READ_THREADS, ThreadExecutor
from vmha.errors import LeaseLost, NoLongerWanted, ProofRefused, StoreUnavailable
from vmha.image_ports import Images
from vmha.ports import Alerts, Clock, Deadline, Lease, Nova, Order, PowerDevices, Store
from vmha.sim.faults import inject
from vmha.sim.ports import SimClock, SimNova
from vmha.sim.world import small_cloud

LEASE = Lease(recovery="r", engine="engine-1", epoch=1, token="t")
EVACUATE = effects.Evacuate(instance="vm1", source="c1", target=None, proof="p", attempt=1)
ORDERS: list[effects.Effect] = [
    EVACUATE,
    effects.PowerOff("c1", 1),
    effects.ForceDown("c1"),
    effects.EnableReserved("spare"),
    effects.ReturnReserved("spare", 1),
    effects.StopInstance("vm1", "c1", 1),
    effects.StartInstance("vm1", "c1", 2),
    effects.DisableService("c1", "why", 1),
    effects.EnableService("c1", "why", 2),
]
READINGS: list[effects.Effect] = [
    effects.ReadPower("c1"),
    effects.ReadHeartbeats(),
    effects.SurveyHost("c1"),
    effects.ReadProgress("c1", with_instances=True),
    effects.ReadInstance("vm1", closely=True),
    effects.ReadService("c1"),
    effects.ReadRoom(host="c1", enabled=("c2",), reserves=()),
]


class Door:
    """A store whose door raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def admit(self, *_: object) -> None:
        """Raise, or let it pass."""
        if self.error is not None:
            raise self.error


class World:
    """Nova, BMCs and humans: whatever is asked of them is noted, and raises what no port promises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """Give any method."""

        def ask(*_: object, deadline: Deadline | None = None, **__: object) -> str:
            self.asked.append(name)
            if self.error is not None:
                raise self.error
            return "10.0.0.7:623"

        return ask


class Broken:
    """A port that is not there: a defect."""

    def __getattr__(self, name: str) -> Any:
        """Fail."""
        raise RuntimeError("no such thing")


def tools(store: object, world: object, clock: Clock | None = None) -> Tools:
    """Put ports together."""
    return Tools(
        nova=cast("Nova", world),
        images=cast("Images", world),
        power=cast("PowerDevices", world),
        alerts=cast("Alerts", world),
        store=cast("Store", store),
        clock=clock or HandClock(),
        terms=TERMS,
    )


def carry(effect: effects.Effect, given: Tools, *, age_seconds: float = 0.0) -> events.Event | None:
    """Carry out an order of this age."""
    order = Order(id="1", recovery="r", effect=effect)
    return carry_out(order, LEASE, given, submitted_at=given.clock.monotonic() - age_seconds)


@pytest.mark.parametrize("effect", ORDERS, ids=lambda effect: effect.key)
@pytest.mark.parametrize(
    "error", [ProofRefused("no"), NoLongerWanted("no"), StoreUnavailable("away"), RuntimeError("(1020, 'changed')")]
)
def test_what_does_not_pass_the_door_is_said_not_to_be_sent(effect: effects.Effect, error: Exception) -> None:
    """Whatever the door raised, nothing left, and the answer says so."""
    world = World()
    answer = carry(effect, tools(Door(error), world))
    assert isinstance(answer, events.OrderNotSent)
    assert answer.answers == effect.key
    assert world.asked == []


def test_a_lost_lease_has_no_answer() -> None:
    """Who lost the lease is told nothing: the recovery is another engine's."""
    world = World()
    assert carry(EVACUATE, tools(Door(LeaseLost("gone")), world)) is None
    assert world.asked == []


@pytest.mark.parametrize("effect", [*ORDERS, *READINGS], ids=lambda effect: effect.key)
@pytest.mark.parametrize("world", [World(RuntimeError("surprise")), Broken()], ids=["raises", "defect"])
def test_an_act_that_went_wrong_is_answered(effect: effects.Effect, world: object) -> None:
    """Whatever goes wrong behind the door, there is an answer to the effect, and it does not say that nothing was begun."""
    answer = carry(effect, tools(Door(), world))
    assert isinstance(answer, events.Answer)
    assert answer.answers == effect.key
    assert not isinstance(answer, events.OrderNotSent)


def test_an_evacuation_that_may_have_begun_is_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in the middle of an evacuation leads to Nova's records, not to a second order; one of a power-off to a new reading."""
    monkeypatch.setattr("vmha.engine.carrying._evacuate", Broken().__getattr__)
    monkeypatch.setattr("vmha.engine.carrying._power", Broken().__getattr__)
    given = tools(Door(), World())
    assert isinstance(carry(EVACUATE, given), events.EvacuationUnanswered)
    failed = carry(effects.PowerOff("c1", 1), given)
    assert isinstance(failed, events.PowerOffFailed)
    assert failed.trouble is PowerTrouble.ERROR


@pytest.mark.parametrize("effect", ORDERS, ids=lambda effect: effect.key)
def test_an_old_order_does_not_leave(effect: effects.Effect) -> None:
    """An order that waited for longer than its deadline is held back before the door."""
    world = World()
    answer = carry(effect, tools(Door(AssertionError("at the door")), world), age_seconds=12.0)
    assert isinstance(answer, events.OrderNotSent)
    assert "waited" in answer.detail
    assert world.asked == []


def test_our_own_flags_are_not_what_was_before_us() -> None:
    """Where the answer to a force-down got lost, the second one says how the service stood before the first; others' flags stay theirs."""
    cloud = small_cloud(3, hosts=3, instances=0)
    given = tools(Door(), SimNova(cloud, "engine-1"), SimClock(cloud))
    inject(cloud, "operator_disables", host="c2")
    inject(cloud, "nova_reply_lost", call="service")
    lost = carry(effects.ForceDown("c1"), given)
    assert isinstance(lost, events.ForceDownFailed)
    untouched = ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
    assert carry(effects.ForceDown("c1"), given) == events.ForcedDown(answers="force-down", prior=untouched)
    theirs = replace(untouched, disabled=True, disabled_reason="maintenance")
    assert carry(effects.ForceDown("c2"), given) == events.ForcedDown(answers="force-down", prior=theirs)


def test_orders_age_in_the_queue() -> None:
    """A power-off that stands behind a BMC that hangs has its age from when it was given; a reading that stands there is still read."""
    clock, hangs, world = HandClock(), threading.Event(), World()
    world.read = lambda *_, **__: hangs.wait(60.0)  # type: ignore[attr-defined]
    answered = threading.Semaphore(0)
    executor = ThreadExecutor(tools(Door(), world, clock), power_calls=1, evacuate_threads=1, on_reply=answered.release)
    behind: list[effects.Effect] = [effects.ReadPower("c9"), effects.PowerOff("c1", 1), effects.ReadPower("c1")]
    for number, effect in enumerate(behind):
        executor.submit(Order(id=str(number), recovery="r", effect=effect), LEASE)
    clock.now += 12.0
    hangs.set()
    for _ in behind:
        assert answered.acquire(timeout=60.0)
    answers = {reply.order: reply.event for reply in executor.drain()}
    executor.stop(timeout_seconds=60.0)
    assert isinstance(answers["1"], events.OrderNotSent)
    assert isinstance(answers["2"], events.PowerUnreadable)
    assert "off" not in world.asked


def test_causes_hold_up_no_heartbeats() -> None:
    """However many instances that failed are asked about, and however slowly Nova answers: what fails now is looked at."""
    hangs, answered, world = threading.Event(), threading.Semaphore(0), World()
    world.examine = lambda *_, **__: hangs.wait(60.0)  # type: ignore[attr-defined]
    executor = ThreadExecutor(tools(Door(), world), power_calls=1, evacuate_threads=1, on_reply=answered.release)
    for number in range(2 * READ_THREADS):
        effect = effects.ExamineInstance(instance=f"vm{number}", source="c1", target=None, status="failed")
        executor.submit(Order(id=f"cause-{number}", recovery="r", effect=effect), LEASE)
    executor.submit(Order(id="heartbeats", recovery="new", effect=effects.ReadHeartbeats()), LEASE)
    assert answered.acquire(timeout=60.0)
    assert [reply.order for reply in executor.drain()] == ["heartbeats"]
    hangs.set()
    assert executor.stop(timeout_seconds=60.0)
