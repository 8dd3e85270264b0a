"""How soon another engine goes on with the work of one that died."""

from __future__ import annotations

import pytest

from vmha.cli.serving import TAKEOVER_SECONDS
from vmha.settings import load
from vmha.sim.faults import inject
from vmha.sim.rig import TERMS, Rig
from vmha.sim.world import small_cloud

LIMITS = load([], "masakari-engine").engine_settings


def test_the_defaults_keep_the_bound() -> None:
    """As the product ships, lease, longest order, margin and a look at the database come to 25 s at most; the simulator has its terms."""
    assert LIMITS.takeover_seconds <= TAKEOVER_SECONDS == 25.0
    assert LIMITS.lease_terms == TERMS
    assert load([], "masakari-engine").fencing.power_call_seconds <= LIMITS.order_seconds


@pytest.mark.parametrize("after", [0.1, 1.0, 2.5, 7.0, 20.0, 40.0])
@pytest.mark.parametrize("blow", ["kill", "pause"])
def test_a_successor_claims_in_time(after: float, blow: str) -> None:
    """Whenever its owner dies or stands still, another engine has claimed the recovery within the bound, and not before the lease is over."""
    world = small_cloud(3)
    rig = Rig(world, engines=2, poll_seconds=LIMITS.poll_seconds)
    world.advance(100.0)
    inject(world, "host_crashes", host="c1")
    rig.memory.report("c1", "n1")
    world.advance(world.now + 1.5)
    owner, died_at = world.record.of("claim")[-1]["engine"], world.now + after
    world.advance(died_at)
    getattr(rig.actors[owner], blow)()
    world.advance(died_at + 60.0)
    claims = [(fact["at"] - died_at, fact["engine"]) for fact in world.record.of("claim") if fact["at"] > died_at]
    ((waited, successor),) = claims
    assert successor != owner
    assert LIMITS.order_seconds < waited <= LIMITS.takeover_seconds
