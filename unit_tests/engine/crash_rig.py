"""A three-instance recovery on the simulated world whose engine dies at a chosen step; another engine then finishes.

A step is a call that stores something (claim, commit, admit, renew) or that gives an order to the world (power-off, force-down,
evacuate): the engine may die just before it, or just after it, when the database, Nova or the BMC has done it and nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from sqlalchemy import select

from unit_tests.adapters.db.rig import START, DatabaseClock, SqlRig
from vmha.adapters.db import schema
from vmha.core.events import Event
from vmha.core.model import Power, Recovery, ServicePrior, Surroundings
from vmha.core.policy import Policy
from vmha.engine.carrying import Tools
from vmha.engine.loop import Engine
from vmha.ports import Change, Claimed, Deadline, Lease, LeaseTerms, Nova, Order, PowerDevices, Store
from vmha.sim import checker
from vmha.sim.faults import inject
from vmha.sim.rig import Actor, Rig, VirtualExecutor
from vmha.sim.store import MemoryStore, host_on
from vmha.sim.world import Timing, World

T = TypeVar("T")
QUICK = Policy(
    heartbeat_silence_seconds=5.0,
    off_silence_seconds=3.0,
    proof_refresh_seconds=20.0,
    proof_valid_seconds=45.0,
    progress_seconds=16.0,
    progress_end_seconds=16.0,
)
"""Nova's services report every second in this world, so that silence means something sooner; the rest keeps the steps few."""

SPAWN_SECONDS = 32.0
"""Longer than a takeover lasts, so that the second engine finds the first one's evacuations under way."""

FIRST, SECOND = "engine-1", "engine-2"
INSTANCES = 3
LIMIT_SECONDS = 600.0
"""Virtual seconds within which the second engine has to have finished: many times what it needs."""


class Crash(BaseException):
    """The process dies here. Not an `Exception`: nothing in the engine may catch it."""


@dataclass(slots=True)
class Fuse:
    """Counts the steps of the first engine and lets it die at one of them; `at` None lets it live."""

    at: int | None = None
    after: bool = False
    steps: list[str] = field(default_factory=list)
    has_blown: bool = False

    def pass_by(self, name: str, act: Callable[[], T]) -> T:
        """Do a step of the first engine, unless this is where it dies."""
        number = len(self.steps)
        self.steps.append(name)
        if number == self.at and not self.after:
            self._blow()
        answer = act()
        if number == self.at:
            self._blow()
        return answer

    def _blow(self) -> None:
        self.has_blown = True
        raise Crash


class FusedStore:
    """A store that the first engine reaches through its fuse. A claim or renewal that stores nothing is no step."""

    def __init__(self, inner: Store, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def now(self) -> float:
        """Pass on."""
        return self._inner.now()

    def sign_on(self, engine: str) -> None:
        """Pass on."""
        self._inner.sign_on(engine)

    def claim(self, engine: str, terms: LeaseTerms, *, limit: int, others: int = 0) -> tuple[Claimed, ...]:
        """Pass on; a step when there is something to claim."""
        if engine != FIRST or not self._has_free(engine, limit):
            return self._inner.claim(engine, terms, limit=limit, others=others)
        return self._fuse.pass_by("claim", lambda: self._inner.claim(engine, terms, limit=limit, others=others))

    def _has_free(self, engine: str, limit: int) -> bool:
        """Tell whether a claim would take something: in these runs only the first claim of an engine does."""
        return limit > 0 and "claim" not in self._fuse.steps

    def renew(self, leases: Iterable[Lease], terms: LeaseTerms) -> frozenset[str]:
        """Pass on; a step."""
        held = list(leases)
        return self._step("renew", held[0].engine, lambda: self._inner.renew(held, terms))

    def release(self, lease: Lease) -> None:
        """Pass on."""
        self._inner.release(lease)

    def inbox(self, recoveries: Iterable[str]) -> dict[str, tuple[tuple[int, Event], ...]]:
        """Pass on."""
        return self._inner.inbox(recoveries)

    def surroundings(self, recovery: Recovery, **windows: float) -> Surroundings:
        """Pass on."""
        return self._inner.surroundings(recovery, **windows)

    def commit(self, lease: Lease, version: int, change: Change) -> int:
        """Pass on; a step."""
        name = f"commit {change.after.phase.value}"
        return self._step(name, lease.engine, lambda: self._inner.commit(lease, version, change))

    def admit(self, lease: Lease, order: Order, terms: LeaseTerms) -> None:
        """Pass on; a step."""
        name = f"admit {type(order.effect).__name__}"
        self._step(name, lease.engine, lambda: self._inner.admit(lease, order, terms))

    def _step(self, name: str, engine: str, act: Callable[[], T]) -> T:
        return self._fuse.pass_by(name, act) if engine == FIRST else act()


class FusedNova:
    """Nova that the first engine reaches through its fuse where it gives orders."""

    def __init__(self, inner: Nova, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        """Pass readings on."""
        return getattr(self._inner, name)

    def force_down(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Pass on; a step."""
        return self._fuse.pass_by("force_down", lambda: self._inner.force_down(host, reason=reason, deadline=deadline))

    def evacuate(self, instance: str, *, target: str | None, deadline: Deadline) -> None:
        """Pass on; a step."""
        self._fuse.pass_by("evacuate", lambda: self._inner.evacuate(instance, target=target, deadline=deadline))


class FusedPower:
    """BMCs that the first engine reaches through its fuse where it gives orders."""

    def __init__(self, inner: PowerDevices, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def read(self, host: str, *, deadline: Deadline) -> tuple[Power, str]:
        """Pass on."""
        return self._inner.read(host, deadline=deadline)

    def protects(self, host: str) -> bool:
        """Pass on."""
        return self._inner.protects(host)

    def off(self, host: str, *, deadline: Deadline) -> str:
        """Pass on; a step."""
        return self._fuse.pass_by("off", lambda: self._inner.off(host, deadline=deadline))


class FusedRig(Rig):
    """A rig whose first engine has a fuse."""

    def __init__(self, world: World, store: Store, fuse: Fuse) -> None:
        self.fuse = fuse
        super().__init__(world, store=FusedStore(store, fuse), policy=QUICK, poll_seconds=4.0)

    def build(self, actor: Actor) -> Engine:
        """Put the fuse between the first engine and what it gives orders to."""
        engine = super().build(actor)
        executor = engine.executor
        if actor.name == FIRST and isinstance(executor, VirtualExecutor):
            tools: Tools = executor._tools
            executor._tools = replace(
                tools, nova=FusedNova(tools.nova, self.fuse), power=FusedPower(tools.power, self.fuse)
            )
        return engine

    def start_second(self) -> None:
        """Start the engine that finishes."""
        self.actors[SECOND] = Actor(self, SECOND)
        self.actors[SECOND].start()


class Memory(Protocol):
    """A store, and what the test has to see of it."""

    @property
    def store(self) -> Store:
        """The store."""

    def report(self, host: str) -> str:
        """Accept a notification and return its uuid."""

    def status(self, notification: str) -> str:
        """Return its status."""


OpenMemory = Callable[[World], AbstractContextManager[Memory]]


class InMemory:
    """The simulator's store."""

    def __init__(self, world: World) -> None:
        self.store = MemoryStore(lambda: world.now, world.new_uuid)
        for name in world.hosts:
            self.store.hosts[name] = host_on("segment", name)

    def report(self, host: str) -> str:
        """Accept a notification."""
        uuid = str(uuid4())
        self.store.report(host, uuid)
        return uuid

    def status(self, notification: str) -> str:
        """Find the notification's recovery and its status."""
        (uuid,) = (uuid for uuid, row in self.store.rows.items() if notification in row.notifications)
        return self.store.status(uuid)


@contextmanager
def in_memory(world: World) -> Iterator[Memory]:
    """Open the simulator's store."""
    yield InMemory(world)


class WorldClock(DatabaseClock):
    """A database's clock that goes with a simulated world."""

    world: World | None = None

    def __init__(self) -> None:
        """Stand still until there is a world."""

    @property
    def now(self) -> float:  # type: ignore[override]
        """The world's time, some years later."""
        return START + (self.world.now if self.world else 0.0)


class SqlMemory:
    """A SQL store in the world's time, and a look at upstream's tables."""

    def __init__(self, rig: SqlRig) -> None:
        self._rig = rig
        self.store = rig.store

    def report(self, host: str) -> str:
        """Accept a notification."""
        return self._rig.report(host).notification

    def status(self, notification: str) -> str:
        """Read its status; once it is final, the vmoves must tell the same."""
        status = self._rig.status(notification)
        if status != "running":
            vmoves = self._rig.read(select(schema.vmoves))
            assert [row["status"] for row in vmoves] == ["succeeded"] * INSTANCES
        return status


def in_sql(url: str) -> OpenMemory:
    """Open a SQL store whose tables were made before; it is emptied for each world."""
    clock = WorldClock()
    rig = SqlRig(url, clock)

    @contextmanager
    def open_memory(world: World) -> Iterator[Memory]:
        clock.world = world
        rig.begin()
        yield SqlMemory(rig)

    return open_memory


def broken_cloud() -> World:
    """Three hosts; the first one has three instances, hangs with its power on, and Nova has noticed."""
    world = World(7, timing=Timing(report_seconds=1.0, service_down_seconds=4.0, spawn_seconds=SPAWN_SECONDS))
    for name in ("c1", "c2", "c3"):
        world.add_host(name)
    for _ in range(INSTANCES):
        world.add_server("c1")
    world.advance(10.0)
    inject(world, "host_crashes", host="c1")
    world.advance(20.0)
    return world


def recover(world: World, memory: Memory, fuse: Fuse) -> None:
    """Run the recovery through the crash to its end, and see that nothing was doubled and nothing lost."""
    rig = FusedRig(world, memory.store, fuse)
    notification = memory.report("c1")
    limit = world.now + LIMIT_SECONDS
    while memory.status(notification) == "running" and world.now < limit:
        try:
            world.advance(world.now + 6.0)
        except Crash:
            rig.actors[FIRST].kill()
            rig.start_second()
    where = f"step {fuse.at} {'after' if fuse.after else 'before'} {fuse.steps[-1] if fuse.has_blown else 'no crash'}"
    assert memory.status(notification) == "finished", where
    assert fuse.has_blown == (fuse.at is not None), where
    see_that_all_is_well(rig, where)


def see_that_all_is_well(rig: Rig, where: str) -> None:
    """See that each instance was evacuated once and runs on one host, and that no promise was broken."""
    world = rig.world
    for actor in rig.actors.values():
        actor.kill()
    world.advance(world.now + 60.0)
    for server in world.nova.servers.values():
        records = [record for record in world.nova.migrations if record.instance == server.uuid]
        assert [record.status for record in records] == ["done"], where
        assert world.running(server.uuid) == [server.host] != ["c1"], where
    assert len(world.nova.migrations) == INSTANCES, where
    assert checker.check(world.record.facts) == [], where


def count_steps(open_memory: OpenMemory) -> list[str]:
    """Run the recovery without a crash and name its steps."""
    fuse = Fuse()
    with opened(open_memory) as (world, memory):
        recover(world, memory, fuse)
    return fuse.steps


def crash_at(open_memory: OpenMemory, steps: Iterable[int], *, after: bool) -> int:
    """Run the recovery once for each of these steps, with a crash there; return how many runs that were."""
    runs = 0
    for number in steps:
        with opened(open_memory) as (world, memory):
            recover(world, memory, Fuse(at=number, after=after))
        runs += 1
    return runs


@contextmanager
def opened(open_memory: OpenMemory) -> Iterator[tuple[World, Memory]]:
    """Make a fresh world with a fresh store."""
    world = broken_cloud()
    with open_memory(world) as memory:
        yield world, memory
