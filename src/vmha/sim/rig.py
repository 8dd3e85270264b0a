"""The production engine on the simulated world, in virtual time: several engines, one store, latencies, crashes and pauses.

Everything but time is the real thing: loop, decisions, promises, carrying out. An order leaves after a short latency and its answer
comes back after another; an engine that is paused or dead neither sends nor hears.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmha.core.effects import EnableReserved, Evacuate, ReturnReserved
from vmha.core.policy import Policy
from vmha.engine.carrying import Tools, carry_out
from vmha.engine.loop import Engine, Reply
from vmha.ports import LeaseTerms
from vmha.sim.images import SimImages
from vmha.sim.ports import SimClock, SimNova, SimPower
from vmha.sim.store import MemoryStore, host_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.explain import Reason
    from vmha.ports import Lease, Order, PowerDevices, Store
    from vmha.sim.world import World

SEND_SECONDS = 0.05
ANSWER_SECONDS = 0.15
"""Mean latency of an order's way out and of its answer's way back, each varied between half and one and a half."""

TERMS = LeaseTerms(lease_seconds=8.0, claim_after_seconds=15.0)


@dataclass(slots=True)
class Said:
    """Collects alerts."""

    reasons: list[tuple[str, Reason]] = field(default_factory=list)

    def send(self, *, recovery: str, host: str, reason: Reason) -> None:
        """Keep the alert."""
        self.reasons.append((host, reason))


class VirtualExecutor:
    """Carries orders out in the world's time, for one life of one engine."""

    def __init__(self, world: World, tools: Tools, power: SimPower | None, actor: Actor) -> None:
        self._world = world
        self._tools = tools
        self._power = power
        self._actor = actor
        self._replies: list[Reply] = []

    def submit(self, order: Order, lease: Lease) -> None:
        """Let the order leave in a moment."""
        life, now = self._actor.life, self._tools.clock.monotonic()
        self._later(SEND_SECONDS, lambda: self._leave(order, lease, life, now))

    def drain(self) -> list[Reply]:
        """Return the answers that came since the last call."""
        replies, self._replies = self._replies, []
        return replies

    def _leave(self, order: Order, lease: Lease, life: int, submitted_at: float) -> None:
        actor = self._actor
        if actor.life != life:
            return
        if (
            actor.is_paused
        ):  # a stopped process sends nothing; what it would have sent leaves when it wakes, if the door lets it
            actor.when_awake.append(lambda: self._leave(order, lease, life, submitted_at))
            return
        event = carry_out(order, lease, self._tools, submitted_at=submitted_at)
        if event is not None:
            reply = Reply(recovery=order.recovery, order=order.id, event=event)
            usual, delays = ANSWER_SECONDS + self._slowness(order), self._actor.delays
            for late_seconds in delays.pop() if delays else (0.0,):
                self._later(usual, lambda: self._arrive(reply, life), late_seconds)

    def _slowness(self, order: Order) -> float:
        if isinstance(order.effect, Evacuate):
            return self._world.nova.order_seconds
        if isinstance(order.effect, EnableReserved | ReturnReserved):
            return self._world.nova.enabled_late.get(order.effect.host, 0.0)
        host = getattr(order.effect, "host", None)
        is_power = type(order.effect).__name__ in ("ReadPower", "PowerOff")
        delay = self._power.delay_seconds(host) if self._power is not None and is_power and host else 0.0
        return min(delay, self._tools.power_call_seconds)

    def _arrive(self, reply: Reply, life: int) -> None:
        if self._actor.life == life:
            self._replies.append(reply)
            self._actor.poke()

    def _later(self, seconds: float, action: Callable[[], None], late_seconds: float = 0.0) -> None:
        self._world.after(seconds * self._world.random.uniform(0.5, 1.5) + late_seconds, action)


class Actor:
    """One engine as a process: it can be killed, started again, paused and woken."""

    def __init__(self, rig: Rig, name: str) -> None:
        self._rig = rig
        self.name = name
        self.life = 0
        self.is_paused = False
        self.is_dead = True
        self.when_awake: list[Callable[[], None]] = []
        self.delays: list[tuple[float, ...]] = []
        """By how many seconds the next answers are late, each once for every time that it arrives."""
        self.engine: Engine | None = None
        self._poked = False

    def start(self) -> None:
        """Start a new life."""
        self.life += 1
        self.is_dead = self.is_paused = False
        self.when_awake = []
        self.engine = self._rig.build(self)
        self._schedule(0.0)

    def kill(self) -> None:
        """End this life at once; what is on its way to it is lost, and nothing of it leaves any more."""
        self.life += 1
        self.is_dead = True

    def pause(self) -> None:
        """Stop as by SIGSTOP."""
        self.is_paused = True

    def wake(self) -> None:
        """Go on as by SIGCONT: first what was about to leave, as threads do that wake before anything is noticed."""
        if not self.is_paused or self.is_dead:
            return
        self.is_paused = False
        waiting, self.when_awake = self.when_awake, []
        for action in waiting:
            action()
        self.poke()

    def poke(self) -> None:
        """Let the loop look now."""
        if not self._poked and not self.is_paused and not self.is_dead:
            self._poked = True
            self._rig.world.after(0.0, self._run_poked)

    def _run_poked(self) -> None:
        self._poked = False
        if not self.is_paused and not self.is_dead and self.engine is not None:
            self.engine.run_once()

    def _schedule(self, seconds: float) -> None:
        life = self.life
        self._rig.world.after(seconds, lambda: self._run(life))

    def _run(self, life: int) -> None:
        if self.life != life or self.engine is None:
            return
        pause = self._rig.poll_seconds if self.is_paused else self.engine.run_once()
        self._schedule(max(pause, 0.01))


class Rig:
    """World, store and engines together."""

    def __init__(
        self,
        world: World,
        *,
        engines: int = 1,
        policy: Policy | None = None,
        store: Store | None = None,
        inventory: frozenset[str] | None = None,
        poll_seconds: float = 1.0,
        wrap_power: Callable[[PowerDevices], PowerDevices] | None = None,
    ) -> None:
        self.world = world
        self.policy = policy or Policy()
        self.poll_seconds = poll_seconds
        self.inventory = inventory
        self.alerts = Said()
        self.memory = store if isinstance(store, MemoryStore) else MemoryStore(lambda: world.now, world.new_uuid)
        self.memory.on_claim = world.note_claim
        self.memory.on_recovery = world.note_recovery
        self.store: Store = store or self.memory
        for name, host in world.hosts.items():
            reserved = world.nova.services[name].disabled
            self.memory.hosts[name] = host_on("segment", host.name, is_reserved=reserved)
        self.actors = {f"engine-{n}": Actor(self, f"engine-{n}") for n in range(1, engines + 1)}
        for actor in self.actors.values():
            actor.start()

    def build(self, actor: Actor) -> Engine:
        """Build the engine of one life."""
        clock = SimClock(self.world)
        power = SimPower(self.world, actor.name, hosts=self.inventory, clock=clock)
        tools = Tools(
            nova=SimNova(self.world, actor.name, clock),
            images=SimImages(self.world),
            power=power,
            alerts=self.alerts,
            store=self.store,
            clock=clock,
            terms=TERMS,
        )
        return Engine(
            name=actor.name,
            store=self.store,
            executor=VirtualExecutor(self.world, tools, power, actor),
            clock=clock,
            policy=self.policy,
            terms=TERMS,
            new_uuid=self.world.new_uuid,
            poll_seconds=self.poll_seconds,
        )
