"""Seeded random faults over the whole loop in virtual time: two production engines, three hosts, thirty instances, ten minutes.

Each run draws five faults or more, heals what can be healed, and lets time pass. Then the record is judged by the checker, which shares
no code with the engines; no promise may have broken inside them; every recovery must have ended or stand in a named wait; and one that
ended as recovered must have lost no instance.

`python -m vmha.sim.storm --seeds 2000` runs seeds 0 to 1999; `--seed N` plays one and prints its timeline.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.events import Cancelled, Confirmed, Paused, Rejected, Resumed
from vmha.core.model import Disarm, Phase, RecoveryMethod
from vmha.core.policy import LocalDisk, Policy
from vmha.sim import repairs, storm_parts
from vmha.sim.faults import FAULTS as ALL
from vmha.sim.faults import inject
from vmha.sim.refusals import REFUSALS
from vmha.sim.rig import Rig
from vmha.sim.storm_choices import answer_small, draw_dispute_seconds, draw_workflows
from vmha.sim.storm_incidents import (
    guest_fails,
    guest_misreported,
    process_misreported,
    process_stops,
    report_instance,
)
from vmha.sim.storm_verdict import END_SECONDS, Result, judge
from vmha.sim.world import World

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from vmha.core.model import Recovery

HOSTS = ("c1", "c2", "c3")
INSTANCES = 30
CALM_SECONDS = 100.0
FAULT_SECONDS = 300.0
SEEDS_PER_CHUNK = 20
CHUNKS_PER_PROCESS = 20
"""A process lives for so many chunks of seeds, since it keeps its garbage: a third of a megabyte of each seed."""


class Storm:
    """One run of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.hosts = HOSTS
        self.result = Result(runs=1)
        self.world = World(seed)
        self.random: random.Random = self.world.random
        self._build_cloud()
        inventory = frozenset(self.world.hosts) - ({"c1"} if self.random.random() < 0.05 else set())
        self.rig = Rig(self.world, engines=2, policy=self._draw_policy(), inventory=inventory)
        self.notifications = 0

    def _build_cloud(self) -> None:
        vcpus = self.random.choice((64,) * 7 + (17,))
        for name in HOSTS:
            self.world.add_host(name, vcpus=vcpus)
        for name in self.random.choice(((), (), ("c4",), ("c4", "c5"))):
            self.world.add_host(name, vcpus=self.random.choice((4, 64)), disabled_reason="reserved")
        for number in range(INSTANCES):
            state = self.random.choice(("active",) * 12 + ("stopped", "error", "paused", "shelved_offloaded"))
            disk = self.random.random() < 0.1
            metadata = {"HA_Enabled": self.random.choice(("True", "yes", "no"))} if self.random.random() < 0.6 else {}
            server = self.world.add_server(HOSTS[number % 3], vm_state=state, image_backed=disk, metadata=metadata)
            wishes = self.random.choice((server.metadata, server.extra_specs, server.image_properties))
            wishes["ha_priority"] = self.random.choice(("", "0", "50", "900", "1001", "high"))

    def _draw_policy(self) -> Policy:
        choose = self.random.choice
        policy = Policy(local_disk=choose((LocalDisk.WAIT, LocalDisk.REBUILD)), move_seconds=120.0)
        policy = replace(policy, orders_at_once=choose((1, 8)), moves_in_flight=choose((4, 32)))
        policy = replace(policy, wait_period_after_power_off=60.0, wait_period_after_power_on=40.0)
        policy = replace(policy, evacuate_all_instances=choose((True,) * 7 + (False,)), instance_settle_seconds=60.0)
        policy = replace(policy, power_offs_at_once=choose((1, 8)), quarantine_failures=choose((1, 3)))
        policy = replace(policy, power_offs_per_hour=choose((1, 60)), segment_power_offs_per_hour=choose((1, 30, 30)))
        policy = replace(policy, workflows=draw_workflows(self.random))
        policy = replace(policy, dispute_seconds=draw_dispute_seconds(self.seed))
        policy = replace(policy, no_capacity_seconds=choose((20.0, 120.0)))
        policy = replace(policy, trust_tenant_metadata=choose((True, False)))
        return replace(policy, process_all_instances=choose((True, False)))

    def run(self) -> Result:
        """Play the run and judge it."""
        script = self.random.choice(SCRIPTS)
        script(self)
        for _ in range(5):
            at = CALM_SECONDS + self.random.uniform(0.0, FAULT_SECONDS)
            self.world.at(at, self._random_fault)
        for at in range(150, int(END_SECONDS), 60):
            self.world.at(float(at), self._human)
        self.world.at(CALM_SECONDS + FAULT_SECONDS + 60.0, self._heal)
        storm_parts.plan(self, begin=CALM_SECONDS, end=CALM_SECONDS + FAULT_SECONDS)
        crew = repairs.Repairs(self.rig, self.seed)
        self.world.advance(END_SECONDS)
        judge(self.seed, self.result, self.world, self.rig)
        self.result.reasons.update(crew.met())
        return self.result

    # What befalls the cloud

    def one_host_dies(self) -> None:
        """A host dies in one of several ways, and is reported."""
        self._die(self.random.choice(HOSTS), CALM_SECONDS + self.random.uniform(0.0, 30.0))

    def two_hosts_die(self) -> None:
        """Two hosts die within a minute."""
        for host in self.random.sample(HOSTS, 2):
            self._die(host, CALM_SECONDS + self.random.uniform(0.0, 60.0))

    def all_are_reported(self) -> None:
        """A monitor loses its own network and reports everybody; one of them may be dead indeed."""
        for host in HOSTS:
            self.report_at(CALM_SECONDS + self.random.uniform(0.0, 5.0), host)
        if self.random.random() < 0.5:
            kind = self.random.choice(("network_cut", "bus_away"))
            self._fault_at(
                CALM_SECONDS - 40.0, kind, **({"host": "c1"} if kind == "network_cut" else {"seconds": 200.0})
            )

    def all_are_cut_off(self) -> None:
        """A switch fails: all hosts live on, and nobody hears them."""
        for host in HOSTS[: self.random.choice((2, 3))]:
            self._fault_at(CALM_SECONDS, "network_cut", host=host)
            self.report_at(CALM_SECONDS + self.random.uniform(10.0, 20.0), host)

    def a_healthy_host_is_reported(self) -> None:
        """A monitor is wrong."""
        self.report_at(CALM_SECONDS, self.random.choice(HOSTS))

    def _die(self, host: str, at: float) -> None:
        way = self.random.choice(("host_crashes", "power_lost", "network_cut", "compute_hangs", "mains_lost"))
        self._fault_at(at, way, host=host)
        for _ in range(self.random.choice((1, 1, 3))):
            self.report_at(at + self.random.uniform(1.0, 40.0), host)

    def report_at(self, at: float, host: str) -> None:
        """Let a monitor report a host, now and then with another method."""
        wants_reserved = self.random.random() < (0.6 if "c4" in self.world.hosts else 0.03)
        others = (RecoveryMethod.RESERVED_HOST, RecoveryMethod.RH_PRIORITY, RecoveryMethod.AUTO_PRIORITY)
        method = self.random.choice(others) if wants_reserved else RecoveryMethod.AUTO
        self.world.at(at, lambda: self._report(host, method))

    def _report(self, host: str, method: RecoveryMethod) -> None:
        if not self.rig.memory.hosts[host].is_on_maintenance:
            self.notifications += 1
            self.rig.memory.report(host, f"n{self.notifications}", method)

    def _fault_at(self, at: float, name: str, **arguments: object) -> None:
        self.world.at(at, lambda: self.inject(name, **arguments))

    def inject(self, name: str, **arguments: object) -> None:
        """Do a fault now, and count it."""
        self.result.faults[name] += 1
        inject(self.world, name, **arguments)

    def _random_fault(self) -> None:
        name, draw = self.random.choice(FAULTS)
        draw(self, name)

    def on_failing_host(self, name: str) -> None:
        """Let the fault befall a host that is being recovered, or any."""
        failing = [state.host for state in self.rig.memory.failures] or list(HOSTS)
        self.inject(name, host=self.random.choice(failing))

    def on_any_host(self, name: str) -> None:
        """Let the fault befall any host, at any moment."""
        self.inject(name, host=self.random.choice(HOSTS))

    def swap(self, name: str) -> None:
        """Exchange the BMCs of two hosts."""
        one, other = self.random.sample(HOSTS, 2)
        self.inject(name, host=one, other=other)

    def everywhere(self, name: str) -> None:
        """Let the fault befall the whole cloud."""
        self.inject(name)

    def on_an_instance(self, name: str) -> None:
        """Let an owner interfere; a monitor may take that for a failure."""
        instance = self.random.choice(list(self.world.nova.servers))
        self.inject(name, instance=instance)
        if self.random.random() < 0.5:
            self.world.after(self.random.uniform(0.2, 6.0), lambda: report_instance(self, instance))

    def on_an_engine(self, name: str) -> None:
        """Kill or pause an engine; it comes back after a while."""
        actor = self.rig.actors[self.random.choice(list(self.rig.actors))]
        self.result.faults[name] += 1
        away = self.random.choice((3.0, 20.0, 60.0, 120.0))
        if name == "engine_killed" and not actor.is_dead:
            actor.kill()
            self.world.after(away, actor.start)
        elif name == "engine_paused" and not actor.is_paused:
            actor.pause()
            self.world.after(away, actor.wake)

    def on_the_database(self, name: str) -> None:
        """Take the database away for a while."""
        self.result.faults[name] += 1
        self.rig.memory.away_until = self.world.now + self.random.choice((2.0, 15.0, 60.0))

    # Humans

    def _human(self) -> None:
        """Look at what waits; confirm only what one has made true by hand, or reject."""
        answer_small(self)
        for state in self.rig.memory.failures:
            if self._stops(state) or not state.phase.is_wait or self.random.random() < 0.6:
                continue
            host = self.world.hosts[state.host]
            if self.random.random() < 0.08:
                self.rig.memory.say(state.uuid, Rejected(by="ann", why="not now"))
            elif state.phase is Phase.DISPUTED and self._is_heard(state):
                self.rig.memory.say(state.uuid, Confirmed(by="bob", why="the monitor is right"))
            elif state.phase not in (Phase.HELD, Phase.DISPUTED, Phase.HALTED):
                host.power_off("operator")
                self.world.note_word(host.name, by="ann", why="pulled the plug")
                self.rig.memory.say(state.uuid, Confirmed(by="ann", why="pulled the plug", is_off=True))

    def _stops(self, state: Recovery) -> bool:
        """Let a human pause, resume or cancel now and then; tell whether that is what happened."""
        chance = self.random.random()
        word: type[Paused | Resumed | Cancelled] | None = None
        if state.phase is Phase.HALTED:
            word = Resumed if chance < 0.6 else Cancelled if chance < 0.65 else None
        elif state.phase is not Phase.ENDED:
            word = Paused if chance < 0.08 else Cancelled if chance < 0.1 else None
        if word is not None:
            self.rig.memory.say(state.uuid, word(by="ann", why="the rack is being rewired"))
        return word is not None

    def on_the_fleet(self, name: str) -> None:
        """Disarm all, the segment or a host, for a while; a guest or a process may fail meanwhile."""
        self.result.faults[name] += 1
        host = self.random.choice(HOSTS)
        scope = self.random.choice(("all", f"segment {self.rig.memory.hosts[host].segment}", f"host {host}"))
        until = self.world.now + self.random.choice((30.0, 120.0))
        order = Disarm(scope=scope, by="ann", why="the network is rebuilt", until=until, until_text=f"{until:.0f} s")
        self.rig.memory.disarms[scope] = order
        fails = self.random.choice((None, guest_fails, process_stops))
        if fails is not None:
            self.world.after(5.0, lambda: fails(self, fails.__name__))

    def _is_heard(self, state: Recovery) -> bool:
        heard_at = state.witness.changed_at
        return heard_at is not None and self.world.now - heard_at < self.rig.policy.off_silence_seconds

    def _heal(self) -> None:
        """Mend what a repair crew would: BMCs, networks, cells; dead hosts stay off."""
        for name in HOSTS:
            inject(self.world, "bmc_well", host=name)
            if self.world.hosts[name].runs:
                inject(self.world, "network_back", host=name)
        self.inject("cell_shown")
        self.rig.memory.away_until = 0.0


SCRIPTS: tuple[Callable[[Storm], None], ...] = (
    Storm.one_host_dies,
    Storm.one_host_dies,
    Storm.one_host_dies,
    Storm.two_hosts_die,
    Storm.all_are_reported,
    Storm.all_are_cut_off,
    Storm.a_healthy_host_is_reported,
)

FAULTS: tuple[tuple[str, Callable[[Storm, str], None]], ...] = (
    *((name, Storm.on_failing_host) for name in ("bmc_silent", "bmc_bad_password", "bmc_failing", "bmc_stuck")),
    *((name, Storm.on_failing_host) for name in ("bmc_stale", "bmc_slow", "bmc_off_takes", "bmc_well")),
    *((name, Storm.on_failing_host) for name in ("power_back", "host_returns", "host_resumes_guests", "mains_lost")),
    *((name, Storm.on_failing_host) for name in ("compute_resumes", "network_back", "cell_hidden", "compute_starts")),
    *((name, Storm.on_any_host) for name in ("power_lost", "host_crashes", "compute_hangs", "network_cut")),
    ("guest_fails", guest_fails),
    ("guest_fails", guest_fails),
    ("guest_misreported", guest_misreported),
    ("process_stops", process_stops),
    ("process_misreported", process_misreported),
    *((name, Storm.on_any_host) for name in ("operator_disables", "operator_forces_down")),
    ("bmc_swapped", Storm.swap),
    *((name, Storm.everywhere) for name in ("nova_away", "keystone_away", "placement_away", "bus_away", "nova_slow")),
    ("glance_away", Storm.everywhere),
    *((name, Storm.everywhere) for name in ("nova_reply_lost", "nova_order_lost", "nova_order_late")),
    *((name, Storm.everywhere) for name in ("claim_fails", "spawn_fails", "guest_orphaned")),
    *((name, Storm.everywhere) for name in ("destination_hangs", "destination_dies", "nova_clock_steps")),
    *((name, Storm.on_an_instance) for name in ("owner_deletes", "owner_stops", "owner_live_migrates")),
    *((name, Storm.on_an_instance) for name in ("owner_starts", "operator_migrates")),
    *((name, Storm.on_an_engine) for name in ("engine_killed", "engine_paused") for _ in range(4)),
    *(("database_away", Storm.on_the_database),) * 2,
    ("operator_disarms", Storm.on_the_fleet),
)


def run_seed(seed: int) -> Result:
    """Run one seed in this process."""
    logging.disable(logging.CRITICAL)
    try:
        return Storm(seed).run()
    except Exception as error:  # noqa: BLE001 - a crash of the engine is a finding like any other
        return Result(runs=1, violations=[f"seed {seed}: crashed: {error!r}"])


def run_seeds(seeds: range, *, processes: int) -> Result:
    """Run many seeds on all cores, with a line of progress."""
    total = Result()
    with multiprocessing.Pool(processes, initializer=_collect_no_garbage, maxtasksperchild=CHUNKS_PER_PROCESS) as pool:
        for result in pool.imap_unordered(run_seed, seeds, chunksize=SEEDS_PER_CHUNK):
            total.add(result)
            if total.runs % 250 == 0:
                print(f"  {total.runs} of {len(seeds)} runs, {len(total.violations)} violations", flush=True)
    return total


def _collect_no_garbage() -> None:
    """Leave cycles lie until the process ends: looking for them was 3 to 15 % of all that a seed took."""
    gc.disable()


def missing(result: Result) -> list[str]:
    """Name the faults and refusals that never occurred."""
    drawn = {*storm_parts.PARTS, *(name for name, _ in FAULTS)}
    faults = (drawn | ALL.keys()) - storm_parts.BEYOND.keys() - {name for name, count in result.faults.items() if count}
    refusals = {code.name for code in REFUSALS} - set(result.reasons)
    return sorted(faults) + sorted(refusals)


def report(result: Result, seconds: float) -> None:
    """Print what occurred how often."""
    print(f"{result.runs} runs in {seconds:.0f} s")
    print("faults:   " + ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items())))
    print("refusals: " + ", ".join(f"{code.name.lower()} {result.reasons[code.name]}" for code in REFUSALS))
    print("endings:  " + ", ".join(f"{name} {count}" for name, count in sorted(result.endings.items())))
    for sentence in result.violations[:20]:
        print(f"VIOLATION {sentence}")
    if result.violations:
        seed = result.violations[0].split()[1].rstrip(":")
        print(f"replay: python -m vmha sim --storm --seed {seed}")


def replay(seed: int) -> int:
    """Play one seed and print its timelines."""
    storm = Storm(seed)
    result = storm.run()
    for row in storm.rig.memory.rows.values():
        print(f"recovery of {row.state.host}: {row.state.phase.value}")
        for entry in row.timeline:
            print(f"  {entry.at:7.1f}  {entry.reason.sentence}")
    for sentence in result.violations:
        print(f"VIOLATION {sentence}")
    return 1 if result.violations else 0


def main() -> int:
    """Run seeds; exit 1 on a violation, or where a fault or refusal never occurred in 2,000 runs or more."""
    parser = argparse.ArgumentParser(prog="python -m vmha.sim.storm", description="random faults in virtual time")
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds, from 0 (default 2000)")
    parser.add_argument("--seed", type=int, help="play this one and print its timeline")
    options = parser.parse_args()
    return replay(options.seed) if options.seed is not None else play(options.seeds)


def play(seeds: int) -> int:
    """Play seeds 0 to `seeds` - 1 on all cores and print what occurred; exit code 1 as `main` says."""
    began = time.monotonic()
    result = run_seeds(range(seeds), processes=multiprocessing.cpu_count())
    report(result, time.monotonic() - began)
    absent = missing(result) if seeds >= 2000 else []
    if absent:
        print("never occurred: " + ", ".join(absent))
    return 1 if result.violations or absent else 0


if __name__ == "__main__":
    sys.exit(main())
