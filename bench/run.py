"""One measured recovery of one side, on freshly reset hosts."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import bare, ours, stage
from bench.machine import Meter
from bench.ours import Moments, Options
from bench.stage import Watch
from tests.cloud.rig.access import AccessLog
from tests.cloud.rig.cloud import Cloud

OURS, BARE, UPSTREAM = "ours", "bare loop", "upstream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was measured; seconds count from the moment that `measure_ours` and `measure_bare` name.

    `seconds`: until the last instance ran elsewhere; `half`: until half of them did; `from_proof`: the first, from the proof on.
    `calls`: requests to Nova by shape, from the failure of the host to the end of the recovery. `spread`: instances per destination.
    """

    side: str
    instances: int
    seconds: float
    half: float
    calls: dict[str, int]
    tokens: int
    placement_requests: int
    spread: tuple[int, ...]
    cpu: dict[str, float]
    foreign_share: float
    probe_milliseconds: float
    from_proof: float | None = None
    moments: Moments = field(default_factory=dict)

    @property
    def nova_calls(self) -> int:
        """Return the number of requests to Nova."""
        return sum(self.calls.values())


def measure_ours(cloud: Cloud, folder: Path, changed: Options, instances: int) -> Run:
    """Let nova-compute die while the power stays on, and let the service recover the host.

    The clock starts when the second witness agrees, by the timeline, so it holds the power-off and the readings that prove it.
    """
    ids = stage.prepare(cloud, instances)
    with ours.running(cloud, folder / f"ours-{time.time():.0f}", changed) as service:
        with observed(cloud, ids, ours.AGENT) as seen:
            cloud.kill_compute(stage.HOST)
            service.report(stage.HOST)
            seen.watch.wait()
            recovery = service.wait_for_phase(stage.HOST, "recovered")
        found = ours.moments(service.timeline(recovery["uuid"]))
    return seen.run(OURS, ours.first_of(found, ours.WITNESS), found)


def measure_bare(cloud: Cloud, concurrency: int, instances: int) -> Run:
    """Let nova-compute die, wait until Nova's heartbeat is as silent as the service wants it, then start the loop and the clock."""
    ids = stage.prepare(cloud, instances)
    with observed(cloud, ids, bare.AGENT) as seen:
        cloud.kill_compute(stage.HOST)
        stage.wait_for_silence(cloud)
        began = time.time()
        bare.recover(cloud, stage.HOST, concurrency)
        seen.watch.wait()
    return seen.run(BARE, began)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen around one recovery."""

    watch: Watch
    meter: Meter
    agent: str
    login_agent: str
    nova: AccessLog
    keystone: AccessLog
    placement: AccessLog
    marks: tuple[int, int, int]

    def run(self, side: str, began: float, moments: Moments | None = None) -> Run:
        """Make it one record; `began` is when the clock starts."""
        times, found = sorted(self.watch.landed.values()), moments or {}
        ended = times[-1]
        use = self.meter.between(began, ended)
        nova, keystone, placement = self.marks
        logins = self.keystone.count(keystone, agent=self.login_agent).get("POST /v3/auth/tokens", 0)
        during = [r for r in self.placement.since(placement) if began <= r.time <= ended]
        return Run(
            side=side,
            instances=len(times),
            seconds=ended - began,
            half=times[(len(times) - 1) // 2] - began,
            calls=self.nova.count(nova, agent=self.agent),
            tokens=logins,
            placement_requests=len(during),
            spread=tuple(sorted(collections.Counter(self.watch.hosts.values()).values(), reverse=True)),
            cpu=dict(use.parts),
            foreign_share=use.foreign_share,
            probe_milliseconds=use.probe_milliseconds,
            from_proof=ended - ours.first_of(found, ours.PROOF) if found else None,
            moments={code: (first - began, last - began) for code, (first, last) in found.items()},
        )


@contextmanager
def observed(cloud: Cloud, instances: list[str], agent: str, login_agent: str = "") -> Iterator[Seen]:
    """Watch the instances, the processors and the access logs while the block runs.

    `agent` is how the side calls itself at Nova, `login_agent` at Keystone where that differs.
    """
    logs = tuple(AccessLog(cloud.settings, name) for name in ("nova-api", "keystone", "placement"))
    nova, keystone, placement = logs
    marks = (nova.mark(), keystone.mark(), placement.mark())
    with stage.watching(cloud, instances) as watch, Meter(cloud.settings.data / "run") as meter:
        yield Seen(watch, meter, agent, login_agent or agent, nova, keystone, placement, marks)
