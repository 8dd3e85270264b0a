"""How many recoveries one engine takes at a time."""

from __future__ import annotations

from dataclasses import replace

from unit_tests.engine.loop_rig import LoopRig
from vmha.core.model import Phase


def put(rig: LoopRig, uuid: str, phase: Phase) -> None:
    """Put a recovery that is held into a phase."""
    held = rig.engine.held[uuid]
    held.state = replace(held.state, phase=phase)


def test_no_more_than_the_limit() -> None:
    """An engine that is busy with as many recoveries as it may be takes no more."""
    rig = LoopRig("c1", "c2", "c3", limit=2)
    for host in ("c1", "c2", "c3"):
        rig.report(host)
    rig.run(3.0)
    assert sorted(held.state.host for held in rig.engine.held.values()) == ["c1", "c2"]


def test_waits_take_no_place() -> None:
    """Recoveries that wait for a fact or a human keep no new failure from being taken."""
    rig = LoopRig("c1", "c2", "c3", limit=2)
    waiting = [rig.report(host) for host in ("c1", "c2")]
    rig.run()
    put(rig, waiting[0], Phase.UNPROVEN)
    put(rig, waiting[1], Phase.DISPUTED)
    failure = rig.report("c3")
    rig.engine.run_once()
    assert set(rig.engine.held) == {*waiting, failure}
