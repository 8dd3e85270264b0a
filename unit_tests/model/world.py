"""The small world: the cloud, two production engines over one store, and every way in which it can go on from a state.

Decisions, promises, the loop, the door and the carrying out are the product's own; the store is the simulator's, which passes the
contract of the SQL one. Time stands still while somebody can act, and then goes to the next moment that anything waits for. A state
is kept by copying its few mutable parts; all else is frozen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from unit_tests.model.cloud import HOSTS, VICTIM, Cloud, CloudPort
from unit_tests.model.copying import copied
from unit_tests.model.seconds import ORDER_SECONDS, POLICY, TERMS
from vmha.core.events import Event
from vmha.core.model import Phase, Recovery
from vmha.engine import carrying
from vmha.engine.carrying import Tools, carry_out
from vmha.engine.loop import Engine, Reply
from vmha.errors import LeaseLost, VmhaError
from vmha.ports import Deadline, Lease, Nova, Order, PowerDevices
from vmha.sim.store import MemoryStore, host_on

ENGINES = ("A", "B")
HORIZON_SECONDS = 90.0
LATE_SECONDS = 4.0
"""How long an order may be on its way, less than `answer_settle_seconds`, as in docs/operate/limits.md."""
LAND_SECONDS = 8.0
FAULTS = ("pause", "stall", "lost", "late", "fall", "power-on")


@dataclass(slots=True)
class Passed:
    """An order that has passed the door and whose sender was stopped just then."""

    order: Order
    deadline: Deadline


@dataclass(slots=True)
class Queue:
    """An engine's executor: orders that have not left, answers that were not fetched."""

    orders: list[tuple[Order, Lease, float]] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def drain(self) -> list[Reply]:
        """Give the answers away."""
        replies, self.replies = self.replies, []
        return replies


class NoOutbox:
    """Keeps no alerts."""

    def store(self, *_: object) -> None:
        """Forget them."""


class SmallWorld:
    """The world in its present state; `save` and `load` keep a state and go back to it."""

    def __init__(self, *, is_false_alarm: bool = False, faults: int = 1, only: str | None = None) -> None:
        self.now = 0.0
        self.ids = 0
        self.left = {fault: int(only in (None, fault)) for fault in FAULTS} | {"any": faults}
        self.paused: set[str] = set()
        self.blame: list[str] = []
        self.cloud = Cloud(hears=frozenset(HOSTS if is_false_alarm else HOSTS[1:]))
        self.store = MemoryStore(lambda: self.now, self._new_id)
        cast("Any", self.store).outbox = NoOutbox()
        for name in HOSTS:
            self.store.hosts[name] = host_on("segment", name)
        self.queues = {name: Queue() for name in ENGINES}
        self.ports = {name: CloudPort(self.cloud, name, lambda: self.now, self._judge_by(name)) for name in ENGINES}
        self.engines = {name: self._engine(name) for name in ENGINES}
        self.store.report(VICTIM, "n1")

    # The machinery

    def monotonic(self) -> float:
        """Be the clock of both engines."""
        return self.now

    def send(self, **_: object) -> None:
        """Be the alerts of both engines: nobody listens."""

    def _new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids:06d}"

    def _engine(self, name: str) -> Engine:
        world, queue = self, self.queues[name]

        class Executor:
            def submit(self, order: Order, lease: Lease) -> None:
                if type(order.effect).__name__ != "Alert":
                    queue.orders.append((order, lease, world.now))

            def drain(self) -> list[Reply]:
                return queue.drain()

        return Engine(
            name=name,
            store=self.store,
            executor=Executor(),
            clock=cast("Any", self),
            policy=POLICY,
            terms=TERMS,
            new_uuid=self._new_id,
            poll_seconds=1000.0,
        )

    def _tools(self, name: str) -> Tools:
        port = self.ports[name]
        return Tools(
            nova=cast("Nova", port),
            images=cast("Any", port),
            power=cast("PowerDevices", port),
            alerts=cast("Any", self),
            store=self.store,
            clock=cast("Any", self),
            terms=TERMS,
            order_seconds=ORDER_SECONDS,
            power_call_seconds=ORDER_SECONDS,
            read_seconds=ORDER_SECONDS,
        )

    # States

    def save(self) -> Any:
        """Keep the state. What it holds is not copied: nothing may go on before the next `load`."""
        return [
            (self.now, self.ids, self.left, self.paused),
            {name: getattr(self.cloud, name) for name in Cloud.__slots__},
            {name: getattr(self.store, name) for name in STORED},
            [{each: getattr(engine, each) for each in REMEMBERED} for engine in self.engines.values()],
            [(queue.orders, queue.passed, queue.replies) for queue in self.queues.values()],
        ]

    def load(self, state: Any) -> None:
        """Go back to a state that was kept."""
        mine, cloud, store, engines, queues = copied(state)
        self.now, self.ids, self.left, self.paused = mine
        self.blame = []
        for name, value in cloud.items():
            setattr(self.cloud, name, value)
        for name, value in store.items():
            setattr(self.store, name, value)
        for engine, remembered in zip(self.engines.values(), engines, strict=True):
            for name, value in remembered.items():
                setattr(engine, name, value)
        for queue, (orders, passed, replies) in zip(self.queues.values(), queues, strict=True):
            queue.orders, queue.passed, queue.replies = orders, passed, replies

    def fingerprint(self) -> int:
        """Return what two states have in common from which the same can follow; names that were drawn count by their order."""
        self._forget_history()
        mine, cloud, store, engines, queues = self.save()
        text = repr((mine[0], *mine[2:], cloud, store["rows"], store["proofs"], store["revoked"], engines, queues))
        names: dict[str, str] = {}
        text = re.sub(r"version=\d+", "", text)
        return hash(re.sub(r"id-\d+", lambda found: names.setdefault(found[0], f"#{len(names)}"), text))

    def _forget_history(self) -> None:
        """Drop what is only looked back at: the timeline, orders that have left, when one who holds nothing renewed last."""
        for engine in self.engines.values():
            if not engine.held:
                engine.renewed_at = -TERMS.lease_seconds
        waiting = {order.id for queue in self.queues.values() for order, *_ in queue.orders}
        for row in self.store.rows.values():
            row.timeline.clear()
            row.sent.clear()
            row.answered.clear()
            row.orders = {uuid: order for uuid, order in row.orders.items() if uuid in waiting}

    # What may happen next

    def ways(self) -> Iterator[tuple[str, ...]]:
        """Yield each way in which the world may go on.

        A reading leaves at once, before anything else goes on: what could happen before it can happen before it was asked for too, and
        its answer may still be old when it is thought about.
        """
        acts = list(self._acts())
        readings = [
            way for way in acts if way[0] == "leave" and not self.queues[way[1]].orders[int(way[2])][0].effect.is_order
        ]
        if readings:
            yield readings[0]
            return
        yield from acts
        for record in self.cloud.in_flight():
            yield ("land", str(record.id))
            if self._may("fall"):
                yield ("fall", str(record.id))
        for number in range(len(self.cloud.late)):
            yield ("arrive", str(number))
        for name in ENGINES:
            if name in self.paused:
                yield ("wake", name)
            elif self._may("pause") and any(way[1] == name for way in acts):
                yield ("pause", name)  # just before it would act: to stop while it sleeps is the same
        if self._may("power-on") and not self.cloud.powered:
            yield ("power-on",)
        if not acts and not self._is_urgent():
            yield ("wait",)

    def _acts(self) -> Iterator[tuple[str, ...]]:
        for name in ENGINES:
            if name in self.paused:
                continue
            queue = self.queues[name]
            for number, (order, _, _) in enumerate(queue.orders):
                if any(_pool(before) == _pool(order) for before, _, _ in queue.orders[:number]):
                    continue
                yield ("leave", name, str(number))
                if order.effect.is_order:
                    yield from (
                        (fault, name, str(number)) for fault in ("lost", "late", "stall") if self._befalls(fault, order)
                    )
            for number in range(len(queue.passed)):
                yield ("go-on", name, str(number))
            if queue.replies or self._is_due(name):
                yield ("round", name)

    def _befalls(self, fault: str, order: Order) -> bool:
        return self._may(fault) and (fault != "late" or type(order.effect).__name__ == "Evacuate")

    def _may(self, fault: str) -> bool:
        return self.left["any"] > 0 and self.left[fault] > 0

    def _is_due(self, name: str) -> bool:
        return any(at <= self.now for at in self._dues(name))

    def _dues(self, name: str) -> Iterator[float]:
        """Yield the times at which an engine has something to do."""
        engine = self.engines[name]
        for held in engine.held.values():
            if not held.is_stopped:
                yield held.state.wake_at or 0.0
            yield engine.renewed_at + TERMS.lease_seconds / 3
        for uuid, row in self.store.rows.items():
            if name == ENGINES[1] and row.owner is None and ENGINES[0] not in self.paused:
                continue  # one of the two is first; which one makes no difference
            if uuid not in engine.held and row.state.phase is not Phase.ENDED:
                yield row.claimable_at

    def _is_urgent(self) -> bool:
        """Tell whether time may not pass: something has been on its way for as long as it may be."""
        since = [self.cloud.began[record.id] + LAND_SECONDS for record in self.cloud.in_flight()]
        since += [at + LATE_SECONDS for at, *_ in self.cloud.late]
        return any(at <= self.now for at in since)

    # What happens

    def go(self, way: tuple[str, ...]) -> None:
        """Let one thing happen, and judge the world after it."""
        what, *words = way
        if what in FAULTS:
            self.left = self.left | {what: self.left[what] - 1, "any": self.left["any"] - 1}
        getattr(self, "_" + what.replace("-", "_"))(*words)
        for instance, hosts in self.cloud.runs.items():
            if len(hosts) > 1:
                self.blame.append(f"two guests of {instance} run, on {' and '.join(sorted(hosts))}")
        for engine in self.engines.values():
            self.blame += [held.state.reason.sentence for held in engine.held.values() if held.is_stopped]

    def _round(self, name: str) -> None:
        self.engines[name].run_once()

    def _leave(self, name: str, number: str) -> None:
        order, lease, since = self.queues[name].orders.pop(int(number))
        event = carry_out(order, lease, self._tools(name), submitted_at=since)
        self._reply(name, order, event)

    def _reply(self, name: str, order: Order, event: Event | None) -> None:
        if event is not None:
            self.queues[name].replies.append(Reply(recovery=order.recovery, order=order.id, event=event))

    def _lost(self, name: str, number: str) -> None:
        self.ports[name].mishap = "lost"
        self._leave(name, number)
        self.ports[name].mishap = ""

    def _late(self, name: str, number: str) -> None:
        self.ports[name].mishap = "late"
        self._leave(name, number)
        self.ports[name].mishap = ""

    def _stall(self, name: str, number: str) -> None:
        """Let an order pass the door, and stop its engine before it leaves."""
        order, lease, since = self.queues[name].orders.pop(int(number))
        deadline = carrying._deadline(order.effect, self._tools(name), since)
        try:
            self.store.admit(lease, order, TERMS)
        except VmhaError as error:
            if not isinstance(error, LeaseLost):
                self._reply(name, order, carrying._not_sent(order.effect, str(error)))
            return
        self.queues[name].passed.append(Passed(order, deadline))
        self.paused = self.paused | {name}

    def _go_on(self, name: str, number: str) -> None:
        """Let an order leave that passed the door before its engine was stopped."""
        passed = self.queues[name].passed.pop(int(number))
        try:
            event = carrying._act(passed.order.effect, passed.order.recovery, passed.deadline, self._tools(name))
        except VmhaError as error:
            event = carrying._not_sent(passed.order.effect, str(error))
        self._reply(name, passed.order, event)

    def _pause(self, name: str) -> None:
        self.paused = self.paused | {name}

    def _wake(self, name: str) -> None:
        self.paused = self.paused - {name}

    def _land(self, number: str) -> None:
        self.cloud.land(int(number))

    def _fall(self, number: str) -> None:
        self.cloud.fall(int(number))

    def _arrive(self, number: str) -> None:
        _, instance, target, _ = self.cloud.late.pop(int(number))
        self.cloud.take(instance, target, self.now)

    def _power_on(self) -> None:
        self.cloud.switch_on(self.now)

    def _wait(self) -> None:
        """Let time go to the next moment that anything waits for."""
        dues = [at for name in ENGINES if name not in self.paused for at in self._dues(name)]
        dues += [self.cloud.began[record.id] + LAND_SECONDS for record in self.cloud.in_flight()]
        dues += [at + LATE_SECONDS for at, *_ in self.cloud.late]
        self.now = min((at for at in dues if at > self.now), default=HORIZON_SECONDS + 1.0)

    # What must not happen

    def _judge_by(self, name: str) -> Any:
        def judge(what: str, about: str) -> None:
            (row,) = self.store.rows.values()
            if row.owner != name:
                self.blame.append(f"{name} gave {what} of {about} after {row.owner} had taken over")
            if what == "off" and VICTIM in self.cloud.hears and self.cloud.on_since == 0.0:
                self.blame.append(f"{name} ordered a healthy host off")
            if what == "evacuate":
                self._judge_evacuation(about)

        return judge

    def _judge_evacuation(self, instance: str) -> None:
        if self.cloud.powered and self.now - self.cloud.on_since > POLICY.proof_valid_seconds:
            self.blame.append(f"{instance} was evacuated from a host that was on")
        if any(record.instance == instance for record in self.cloud.in_flight()):
            self.blame.append(f"{instance} was evacuated a second time in mid-evacuation")

    def is_over(self) -> bool:
        """Tell whether nothing more can happen that counts: the recovery has ended and nothing is under way, or it is too late."""
        is_still = not self.cloud.in_flight() and not self.cloud.late
        return self.now > HORIZON_SECONDS or (is_still and self.state.phase is Phase.ENDED and not self._is_busy())

    def _is_busy(self) -> bool:
        return any(queue.orders or queue.passed for queue in self.queues.values())

    @property
    def state(self) -> Recovery:
        """The recovery."""
        (row,) = self.store.rows.values()
        return cast("Recovery", row.state)

    def judge_end(self) -> list[str]:
        """Blame an end: a recovery that says it recovered everything, and one that has not ended although nobody stands still."""
        state = self.state
        if state.phase is Phase.ENDED:
            outcome = state.outcome.value if state.outcome else ""
            elsewhere = all(hosts and VICTIM not in hosts for hosts in self.cloud.runs.values())
            return ["it says recovered, and a guest is missing"] if outcome == "recovered" and not elsewhere else []
        waits = state.phase.is_wait or self.paused >= set(ENGINES) or state.nova_trouble is not None
        return [] if waits else [f"it hangs in {state.phase.value}"]


STORED = ("rows", "hosts", "proofs", "revoked", "claims", "letters")
REMEMBERED = ("held", "renewed_at", "watch", "quiet_until", "away_since", "trouble")


def _pool(order: Order) -> str:
    """Name the threads that an order waits for, as `vmha.engine.executor` has them; in one pool the first one leaves first."""
    kind = type(order.effect).__name__
    return "bmc" if kind in ("PowerOff", "ReadPower") else "orders" if order.effect.is_order else "readings"
