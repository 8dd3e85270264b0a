"""What the simulated Nova does to guests where they are, and what the checker and the judge of losses hold against engines for it."""

from __future__ import annotations

import pytest

from vmha.core.explain import Code, because
from vmha.core.incidents import InstancePhase, InstanceRecovery
from vmha.core.model import Outcome
from vmha.ports import Deadline
from vmha.sim import owner
from vmha.sim.checker import check
from vmha.sim.faults import inject
from vmha.sim.gate import Refused
from vmha.sim.losses import contradicted
from vmha.sim.ports import SimNova
from vmha.sim.rows import Server
from vmha.sim.violations import Kind
from vmha.sim.world import World, small_cloud

WHENEVER = Deadline(at=1e9)


@pytest.fixture
def world() -> World:
    """Three hosts with an instance each, a minute old."""
    world = small_cloud(5, hosts=3, instances=3)
    world.advance(60.0)
    return world


@pytest.fixture
def vm(world: World) -> Server:
    """The instance of c1."""
    (server,) = world.nova.by_host["c1"].values()
    return server


def states(world: World, server: Server) -> tuple[str, list[str]]:
    """Let it settle; return Nova's belief, and where a guest really runs."""
    world.advance(world.now + 5.0)
    return server.vm_state, world.running(server.uuid)


def kinds(world: World) -> list[Kind]:
    """Return what the checker holds against the record."""
    return [violation.kind for violation in check(world.record.facts)]


def test_a_guest_is_stopped_and_started_where_it_is(world: World, vm: Server) -> None:
    """Nova takes a stop of what is active and a start of what is stopped, and refuses the other way round."""
    nova = world.nova
    with pytest.raises(Refused, match="vm_state active"):
        nova.start(vm.uuid, caller="engine-1")
    nova.stop(vm.uuid, caller="engine-1")
    with pytest.raises(Refused):
        nova.stop(vm.uuid, caller="engine-1")
    assert states(world, vm) == ("stopped", [])
    with pytest.raises(Refused):
        nova.stop(vm.uuid, caller="engine-1")
    nova.start(vm.uuid, caller="engine-1")
    assert states(world, vm) == ("active", ["c1"])
    assert [fact["outcome"] for fact in world.record.of("order", instance=vm.uuid)].count("taken") == 2


def test_an_order_lies_in_the_queue_of_a_host_that_is_away(world: World, vm: Server) -> None:
    """It is carried out when nova-compute is back, unless the instance is elsewhere by then."""
    world.nova.stop(vm.uuid, caller="engine-1")
    world.advance(65.0)
    inject(world, "compute_dies", host="c1")
    world.nova.start(vm.uuid, caller="engine-1")
    assert (states(world, vm), vm.task_state) == (("stopped", []), "powering-on")
    inject(world, "compute_starts", host="c1")
    assert states(world, vm) == ("active", ["c1"])


@pytest.mark.parametrize(("unnoticed", "believed"), [(False, "stopped"), (True, "active")])
def test_a_guest_dies_and_nova_notices_or_not(world: World, vm: Server, unnoticed: bool, believed: str) -> None:
    """A guest that died is stopped by Nova's own hand where nova-compute sees it."""
    inject(world, "guest_crashes", instance=vm.uuid, unnoticed=unnoticed)
    assert states(world, vm) == (believed, [])


def test_a_guest_may_not_obey(world: World, vm: Server) -> None:
    """One that hangs stays where it is when it is stopped, and ends in error when it is started."""
    inject(world, "guest_hangs", instance=vm.uuid)
    world.nova.stop(vm.uuid, caller="engine-1")
    assert (states(world, vm), vm.task_state) == (("active", ["c1"]), "powering-off")
    vm.task_state, vm.vm_state = None, "stopped"
    world.nova.start(vm.uuid, caller="engine-1")
    assert states(world, vm)[0] == "error"
    inject(world, "guest_heals", instance=vm.uuid)
    world.nova.stop(vm.uuid, caller="engine-1")
    assert states(world, vm) == ("stopped", [])


@pytest.mark.parametrize(
    ("caller", "acts"), [("engine-1", []), ("owner", ["stop", "start"]), ("sdk/4", ["stop", "start"])]
)
def test_owners_and_engines_are_told_apart(world: World, vm: Server, caller: str, acts: list[str]) -> None:
    """What an engine orders over HTTP is no act of the owner."""
    owner.stop(world, vm.uuid, caller)
    world.advance(65.0)
    owner.start(world, vm.uuid, caller)
    assert [fact["act"] for fact in world.record.of("owner")] == acts


# The checker


def test_a_clean_restart_is_clean(world: World, vm: Server) -> None:
    """Stop and start of a guest by one engine break nothing."""
    engine = SimNova(world, "engine-1")
    engine.stop(vm.uuid, deadline=WHENEVER)
    world.advance(65.0)
    engine.start(vm.uuid, deadline=WHENEVER)
    world.advance(70.0)
    assert kinds(world) == []


def test_an_order_in_the_middle_of_a_move_is_found(world: World, vm: Server) -> None:
    """Nova's own task is what keeps orders out; where that is gone, the record says it."""
    inject(world, "owner_live_migrates", instance=vm.uuid)
    vm.task_state = None
    SimNova(world, "engine-1").stop(vm.uuid, deadline=WHENEVER)
    assert kinds(world) == [Kind.GUEST_IN_MOVE]


def test_an_order_on_a_host_that_an_engine_forced_down_is_found(world: World, vm: Server) -> None:
    """From the forcing down until the service is up again; an operator's flag is the operator's affair."""
    world.nova.change_service("c1", "operator", forced_down=True)
    engine = SimNova(world, "engine-1")
    engine.stop(vm.uuid, deadline=WHENEVER)
    assert kinds(world) == []
    world.nova.change_service("c1", "operator", forced_down=False)
    engine.force_down("c1", reason="dead", deadline=WHENEVER)
    world.advance(65.0)
    engine.start(vm.uuid, deadline=WHENEVER)
    assert kinds(world) == [Kind.GUEST_ON_DOWN_HOST]


def test_a_fourth_start_within_an_hour_is_found(world: World, vm: Server) -> None:
    """Three guests started by engines are allowed, the owner's own starts do not count."""
    for number in range(4):
        assert kinds(world) == []
        world.nova.stop(vm.uuid, caller="owner")
        world.advance(world.now + 5.0)
        world.nova.start(vm.uuid, caller="owner" if number == 0 else "engine-1")
        world.advance(world.now + 5.0)
    world.nova.stop(vm.uuid, caller="owner")
    world.advance(world.now + 5.0)
    world.nova.start(vm.uuid, caller="engine-2")
    world.advance(world.now + 5.0)
    assert kinds(world) == [Kind.TOO_MANY_STARTS]
    world.nova.stop(vm.uuid, caller="owner")
    world.advance(world.now + 3600.0)
    world.nova.start(vm.uuid, caller="engine-2")
    world.advance(world.now + 5.0)
    assert kinds(world) == [Kind.TOO_MANY_STARTS]


def test_an_engine_that_was_replaced_is_found(world: World, vm: Server) -> None:
    """Who took an incident over is known by a claim; the host's owner is another matter."""
    for engine in ("engine-1", "engine-2"):
        world.note_claim("c1", engine, vm.uuid)
    world.note_claim("c1", "engine-1")
    world.nova.stop(vm.uuid, caller="engine-2")
    assert kinds(world) == []
    world.advance(65.0)
    world.nova.start(vm.uuid, caller="engine-1")
    assert kinds(world) == [Kind.STALE_OWNER]


# What an incident claims


def incident(vm: Server, outcome: Outcome, ended_at: float) -> InstanceRecovery:
    """An incident of the instance that was opened after a minute and has ended."""
    return InstanceRecovery(
        uuid="r",
        host="c1",
        host_uuid="u",
        segment="s",
        instance=vm.uuid,
        event="LIFECYCLE STOPPED_FAILED",
        phase=InstancePhase.ENDED,
        opened_at=60.0,
        phase_since=ended_at,
        reason=because(Code.INSTANCE_GONE, instance=vm.uuid),
        outcome=outcome,
        ended_at=ended_at,
    )


def test_a_restart_that_was_none_is_found(world: World, vm: Server) -> None:
    """Who says restarted must have had a guest start since."""
    world.nova.stop(vm.uuid, caller="engine-1")
    world.advance(65.0)
    assert len(contradicted(incident(vm, Outcome.RESTARTED, world.now), world.record.facts)) == 1
    world.nova.start(vm.uuid, caller="engine-1")
    world.advance(70.0)
    assert contradicted(incident(vm, Outcome.RESTARTED, world.now), world.record.facts) == []


@pytest.mark.parametrize("outcome", [Outcome.LEFT_ALONE, Outcome.SKIPPED, Outcome.ABSORBED])
def test_a_guest_that_we_stopped_and_left_is_found(world: World, vm: Server, outcome: Outcome) -> None:
    """Who stopped a guest says restarted, or failed; what its owner stopped is the owner's."""
    world.nova.stop(vm.uuid, caller="engine-1")
    world.advance(65.0)
    assert len(contradicted(incident(vm, outcome, world.now), world.record.facts)) == 1
    assert contradicted(incident(vm, Outcome.FAILED, world.now), world.record.facts) == []
    world.nova.start(vm.uuid, caller="engine-1")
    world.advance(70.0)
    world.nova.stop(vm.uuid, caller="owner")
    world.advance(75.0)
    assert contradicted(incident(vm, outcome, world.now), world.record.facts) == []
