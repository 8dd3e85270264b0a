"""The simulated world: everything that the engine acts on, in memory, in virtual time, the same for the same seed.

It knows nothing of the engine. Hosts (`machines.py`), BMCs (`power.py`), Nova (`compute.py`) and Placement change by themselves as
time passes, and by what callers and faults do to them; all that happens goes on record (`record.py`).
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.sim.compute import Nova
from vmha.sim.gate import Gate
from vmha.sim.machines import Host
from vmha.sim.placement import Placement
from vmha.sim.power import Bmc
from vmha.sim.record import Record
from vmha.sim.rows import Server, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.record import Fact

FIRST_BMC_PORT = 6230

_VERSION_4 = 0x4 << 76 | 0x8 << 60
_FREE_BITS = ~(0xF << 76 | 0xC << 60)
"""Where a random uuid says that it is one, and what is left to chance (RFC 9562)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take in the world, in seconds. Nova's own two are its defaults; latencies vary by 30 % around these."""

    report_seconds: float = 10.0
    service_down_seconds: float = 60.0
    boot_seconds: float = 60.0
    schedule_seconds: float = 0.5
    claim_seconds: float = 0.5
    spawn_seconds: float = 4.0
    settle_seconds: float = 0.3
    live_migration_seconds: float = 8.0


class World:
    """Hosts, BMCs, Nova and a queue of what happens next. One thread at a time.

    Build it with `add_host` and `add_server`. `at` and `after` put an action into the queue, `advance` lets time pass and does what is
    due, in order. Read and change `hosts[name]`, `bmcs[name]`, `nova`, `placement` directly, or by name through `faults.inject`.
    `record.facts` holds what happened, `running` where guests run at this moment.
    """

    __slots__ = (
        "_events",
        "_sequence",
        "bmcs",
        "glance_gate",
        "hosts",
        "keystone_gate",
        "nova",
        "now",
        "placement",
        "random",
        "record",
        "timing",
        "token_generation",
    )

    def __init__(self, seed: int = 0, *, timing: Timing | None = None, start: float = 0.0) -> None:
        self.now = start
        self.timing = timing or Timing()
        self.random = random.Random(seed)
        self.record = Record()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self.hosts: dict[str, Host] = {}
        self.bmcs: dict[str, Bmc] = {}
        self.keystone_gate = Gate(self, "Keystone")
        # Keystone refuses the tokens of earlier generations.
        self.token_generation = 1
        self.glance_gate = Gate(self, "Glance")
        self.placement = Placement(self)
        self.nova = Nova(self)
        self.note(
            "world",
            seed=seed,
            report_seconds=self.timing.report_seconds,
            service_down_seconds=self.timing.service_down_seconds,
        )

    # Time

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do `action` when it is `time`; actions of one time keep the order in which they came."""
        self._sequence += 1
        heapq.heappush(self._events, (max(time, self.now), self._sequence, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do `action` in `seconds`."""
        self.at(self.now + seconds, action)

    def next_at(self) -> float | None:
        """Return the time of the next thing that happens by itself."""
        return self._events[0][0] if self._events else None

    def advance(self, to: float) -> None:
        """Let time pass until `to`, and do what is due on the way and then."""
        events = self._events
        while events and events[0][0] <= to:
            self.now, _, action = heapq.heappop(events)
            action()
        self.now = max(self.now, to)

    # Things

    def add_host(self, name: str, *, vcpus: int = 64, disabled_reason: str | None = None) -> Host:
        """Add a host that runs, with its BMC, nova-compute service and Placement provider.

        With a `disabled_reason` its service is disabled, as that of a reserved host.
        """
        first_beat = self.now - self.random.uniform(0.0, self.timing.report_seconds)
        host = Host(self, name, vcpus=vcpus, guid=self.new_uuid(), first_beat=first_beat)
        self.hosts[name] = host
        self.bmcs[name] = Bmc(self, host, f"127.0.0.1:{FIRST_BMC_PORT + len(self.hosts)}")
        self.nova.services[name] = Service(
            self.new_uuid(), name, disabled_reason is not None, disabled_reason, touched_at=first_beat
        )
        self.nova.by_host[name] = {}
        self.placement.add_provider(name, self.new_uuid(), vcpus)
        self.note("host", host=name, vcpus=vcpus)
        return host

    def add_server(
        self,
        host: str,
        *,
        name: str | None = None,
        vcpus: int = 1,
        vm_state: str = "active",
        task_state: str | None = None,
        image_backed: bool = False,
        ephemeral_gb: int = 0,
        swap_mb: int = 0,
        metadata: dict[str, str] | None = None,
        extra_specs: dict[str, str] | None = None,
        image_properties: dict[str, str] | None = None,
    ) -> Server:
        """Add an instance on a host; its guest runs if it is active. Without more words it boots from a volume."""
        uuid = self.new_uuid()
        name = name or f"vm{len(self.nova.servers) + 1}"
        server = Server(uuid, name, host, vcpus, "demo", vm_state, task_state, image_backed, ephemeral_gb, swap_mb)
        server.metadata = dict(metadata or {})
        server.extra_specs = dict(extra_specs or {})
        server.image_properties = dict(image_properties or {})
        self.nova.servers[uuid] = server
        self.nova.by_host[host][uuid] = server
        self.placement.allocate(uuid, host, vcpus)
        self.note("server", instance=uuid, host=host, vm_state=vm_state, why="created")
        if vm_state == "active":
            self.hosts[host].start_guest(uuid, "created")
        return server

    def swap_bmcs(self, one: str, other: str) -> None:
        """Exchange the machines behind the BMCs of two hosts, as a wrong inventory or cable would."""
        first, second = self.bmcs[one], self.bmcs[other]
        first.machine, second.machine = second.machine, first.machine
        self.note("fault", fault="bmc_swapped", host=one, other=other)

    def running(self, instance: str) -> list[str]:
        """Return the hosts on which a guest of the instance really runs at this moment."""
        return [host.name for host in self.hosts.values() if instance in host.guests]

    # The record

    def note(self, what: str, **facts: object) -> None:
        """Put a fact on record."""
        fact: Fact = {"at": self.now, "what": what, **facts}
        self.record.add(fact)

    def note_word(self, host: str, *, by: str, why: str) -> None:
        """Put on record that a human took responsibility for a host."""
        self.note("word", host=host, by=by, why=why)

    def note_claim(self, host: str, engine: str, subject: str | None = None) -> None:
        """Put on record that an engine took over the recovery of a host, or of an instance or a process there."""
        more = {} if subject is None else {"subject": subject}
        self.note("claim", host=host, engine=engine, **more)

    def note_recovery(self, host: str, is_open: bool) -> None:
        """Put on record that a recovery of a host was opened, or has ended."""
        self.note("recovery", host=host, is_open=is_open)

    def new_uuid(self) -> str:
        """Draw a uuid from the seed."""
        # What uuid.UUID(int=..., version=4) does, in a third of the time: a decision draws several.
        bits = self.random.getrandbits(128) & _FREE_BITS | _VERSION_4
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def small_cloud(
    seed: int, *, hosts: int = 3, instances: int = 30, spare: bool = False, timing: Timing | None = None
) -> World:
    """Build hosts c1, c2, … with instances dealt out evenly, and with `spare` one more, disabled host."""
    world = World(seed, timing=timing)
    for number in range(1, hosts + 1):
        world.add_host(f"c{number}")
    if spare:
        world.add_host(f"c{hosts + 1}", disabled_reason="reserved")
    for number in range(instances):
        world.add_server(f"c{number % hosts + 1}")
    return world
