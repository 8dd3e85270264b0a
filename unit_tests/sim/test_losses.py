"""A recovery that lost an instance and says nothing of it is found by the record; one that had a reason is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import move, moving
from vmha.core.causes import Cause
from vmha.core.diagnosis import diagnosed
from vmha.core.explain import Code, because
from vmha.core.incidents import ProcessPhase, ProcessRecovery
from vmha.core.model import MoveStatus, Outcome
from vmha.sim.faults import inject
from vmha.sim.losses import contradicted, left_behind
from vmha.sim.world import World, small_cloud


@pytest.fixture
def world() -> World:
    """Three hosts with two instances each, a minute old."""
    world = small_cloud(5, hosts=3, instances=6)
    world.advance(60.0)
    return world


def on_c1(world: World) -> list[str]:
    """Name the instances of c1."""
    return sorted(world.nova.by_host["c1"])


def die(world: World, way: str = "host_crashes") -> None:
    """Let c1 die, and Nova hold it for down."""
    inject(world, way, host="c1")
    world.nova.change_service("c1", "engine-1", forced_down=True)


def lost(world: World) -> list[str]:
    """Judge c1 by now."""
    return left_behind(world.record.facts, "c1", world.now)


@pytest.mark.parametrize("way", ["host_crashes", "power_lost"])
def test_who_died_and_did_not_come_back_is_lost(world: World, way: str) -> None:
    """An instance is lost until a guest of it has started again; one of another host never is."""
    first, second = on_c1(world)
    assert lost(world) == []
    die(world, way)
    assert lost(world) == [first, second]
    world.nova.evacuate(first, target=None, caller="engine-1")
    world.advance(120.0)
    assert lost(world) == [second]
    assert left_behind(world.record.facts, "c2", world.now) == []


def test_what_came_later_is_no_excuse(world: World) -> None:
    """Only what had happened when the recovery ended counts."""
    die(world)
    world.advance(70.0)
    inject(world, "owner_deletes", instance=on_c1(world)[0])
    assert len(left_behind(world.record.facts, "c1", 65.0)) == 2
    assert len(lost(world)) == 1


@pytest.mark.parametrize("act", ["owner_deletes", "owner_stops"])
def test_owners_may_take_their_instances(world: World, act: str) -> None:
    """Who was deleted or stopped by its owner, before or after the host died, is not lost."""
    first, second = on_c1(world)
    inject(world, act, instance=first)
    die(world)
    inject(world, act, instance=second)
    assert lost(world) == []


def test_what_did_not_run_is_not_lost(world: World) -> None:
    """An instance that was stopped when its host died, or one that a returning host started again, lost nothing."""
    world.add_server("c1", vm_state="stopped")
    inject(world, "host_resumes_guests", host="c1")
    inject(world, "power_lost", host="c1")
    inject(world, "power_back", host="c1")
    world.advance(world.now + 300.0)
    assert lost(world) == []


@pytest.mark.parametrize(
    ("outcome", "blamed"),
    [
        (Outcome.RECOVERED, 2),
        (Outcome.NOTHING_TO_MOVE, 2),
        (Outcome.FAILED, 1),
        (Outcome.REJECTED, 0),
        (Outcome.FALSE_ALARM, 0),
        (None, 0),
    ],
)
def test_what_a_recovery_says_of_itself_is_held_against_it(world: World, outcome: Outcome | None, blamed: int) -> None:
    """Who ends as recovered has lost nobody, who ends as failed names whom; what a human or a false alarm ended promises nothing."""
    die(world)
    cause = diagnosed(Cause.NOVA_ERROR, "boom")
    named = move(on_c1(world)[0], MoveStatus.FAILED, diagnosis=cause)
    moves = (named,) if outcome is Outcome.FAILED else ()
    ended = None if outcome is None else world.now
    said = contradicted(replace(moving(*moves), outcome=outcome, ended_at=ended), world.record.facts)
    assert len(said) == blamed
    assert all("c1 ended as" in sentence and "runs nowhere" in sentence for sentence in said)


def test_a_failure_without_a_cause_is_found(world: World) -> None:
    """An ended recovery owes a cause for each instance that failed or stood still; an open one does not yet."""
    mute = moving(move("i1", MoveStatus.FAILED), move("i2", MoveStatus.HELD), move("i3", MoveStatus.MOVED))
    ended = replace(mute, outcome=Outcome.REJECTED, ended_at=world.now)
    assert [sentence.partition(" with ")[2] for sentence in contradicted(ended, ())] == [
        "i1 failed and no cause",
        "i2 held and no cause",
    ]
    assert contradicted(mute, ()) == []


def incident(outcome: Outcome, *, until: float) -> ProcessRecovery:
    """An incident of c1's nova-compute that has ended."""
    return ProcessRecovery(
        uuid="r",
        host="c1",
        host_uuid="u",
        segment="s",
        process="nova-compute",
        is_running=outcome is Outcome.ENABLED,
        phase=ProcessPhase.ENDED,
        opened_at=60.0,
        phase_since=until,
        reason=because(Code.SERVICE_ENABLED, host="c1", process="nova-compute"),
        outcome=outcome,
        ended_at=until,
    )


def test_a_service_that_stands_otherwise_is_found(world: World) -> None:
    """Who says disabled, or enabled, must have left the service so; what came later does not count."""
    assert len(contradicted(incident(Outcome.DISABLED, until=world.now), world.record.facts)) == 1
    world.nova.change_service("c1", "engine-1", disabled=True, reason="stopped")
    disabled = incident(Outcome.DISABLED, until=world.now)
    assert contradicted(disabled, world.record.facts) == []
    assert len(contradicted(incident(Outcome.ENABLED, until=world.now), world.record.facts)) == 1
    world.advance(70.0)
    world.nova.change_service("c1", "operator", disabled=False)
    assert contradicted(disabled, world.record.facts) == []
    assert contradicted(incident(Outcome.SKIPPED, until=world.now), world.record.facts) == []
