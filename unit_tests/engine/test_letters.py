"""What is reported while an incident ends is never lost: it is taken in before the end, or opens an incident of its own (P4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from unit_tests.engine.loop_rig import LoopRig
from vmha.core.events import Rejected, ServiceRead
from vmha.core.kinds import has_ended
from vmha.core.model import Outcome, Phase, ServiceReading
from vmha.engine.loop import Reply
from vmha.ports import Change, Lease, Store
from vmha.sim.faults import inject
from vmha.sim.rig import Rig
from vmha.sim.world import World, small_cloud


class Between:
    """A store in which something happens once: between the engine's look into the inbox and the commit of such an end."""

    def __init__(self, inner: Store, outcome: Outcome, act: Callable[[], object]) -> None:
        self._inner = inner
        self._outcome = outcome
        self._act = act
        self.acted = 0

    def __getattr__(self, name: str) -> Any:
        """Pass everything on but the commit."""
        return getattr(self._inner, name)

    def commit(self, lease: Lease, version: int, change: Change[Any]) -> int:
        """Act before the first end of this kind."""
        if not self.acted and has_ended(change.after) and change.after.outcome is self._outcome:
            self.acted += 1
            self._act()
        return self._inner.commit(lease, version, change)


def cloud() -> tuple[World, Rig]:
    """Let a small cloud come up."""
    world = small_cloud(1, instances=3)
    rig = Rig(world)
    world.advance(100.0)
    return world, rig


def put_between(rig: Rig, outcome: Outcome, act: Callable[[], object]) -> Between:
    """Let something happen just before an incident ends so."""
    engine = rig.actors["engine-1"].engine
    assert engine is not None
    between = Between(engine.store, outcome, act)
    engine.store = cast("Store", between)
    return between


def ends(rig: Rig) -> list[tuple[Outcome | None, bool]]:
    """Say of each incident how it ended, and whether letters were left; see that all have ended."""
    rows = rig.memory.rows.values()
    assert all(has_ended(row.state) for row in rows)
    return [(row.state.outcome, bool(row.inbox)) for row in rows]


def codes(rig: Rig) -> list[str]:
    """Return the codes on the timeline of the only incident."""
    (row,) = rig.memory.rows.values()
    return [entry.reason.code.name for entry in row.timeline]


def test_a_process_that_starts_while_its_incident_ends_is_enabled() -> None:
    """The report joins the incident before the end is stored; the end waits, and the service is enabled again."""
    world, rig = cloud()
    inject(world, "compute_dies", host="c1")
    rig.memory.report_process("c1", "n1")
    between = put_between(rig, Outcome.DISABLED, lambda: rig.memory.report_process("c1", "n2", is_running=True))
    world.advance(150.0)
    assert between.acted == 1
    assert not world.nova.services["c1"].disabled
    assert ends(rig) == [(Outcome.ENABLED, False)]


def test_a_process_that_starts_in_the_step_that_would_end_its_incident_is_enabled() -> None:
    """Where answer and report are in hand together, the report is heard first, and the incident goes on by it."""
    rig = LoopRig("c1")
    rig.engine.others_limit = 8
    uuid = rig.store.report_process("c1", "n1")
    rig.run(1.0)
    (order,) = rig.executor.orders
    service = ServiceReading(host="c1", heartbeat="1", is_up=False, disabled=True, disabled_reason="theirs")
    read = ServiceRead(answers=order.effect.key, service=service)
    rig.executor.replies.append(Reply(recovery=uuid, order=order.id, event=read))
    rig.store.report_process("c1", "n2", is_running=True)
    rig.run(1.0)
    said = [entry.reason.code.name for entry in rig.store.rows[uuid].timeline]
    assert said == ["PROCESS_STOPPED", "PROCESS_STARTED", "DISABLED_BY_OTHERS"]
    assert rig.store.rows[uuid].inbox == {}


def test_a_guest_that_fails_again_while_its_incident_ends_is_looked_at_again() -> None:
    """The second failure joins before the end is stored: what was read before it counts no more, and the guest is started again."""
    world, rig = cloud()
    guest = world.add_server("c1", metadata={"HA_Enabled": "True"}).uuid
    inject(world, "guest_crashes", instance=guest)
    rig.memory.report_instance("c1", guest, "n1")

    def crash() -> None:
        inject(world, "guest_crashes", instance=guest)
        world.nova.change(world.nova.servers[guest], "its guest was gone", vm_state="stopped")
        rig.memory.report_instance("c1", guest, "n2")

    between = put_between(rig, Outcome.RESTARTED, crash)
    world.advance(300.0)
    assert between.acted == 1
    assert codes(rig).count("INSTANCE_REPORTED_AGAIN") == 1
    assert codes(rig).count("START_ORDERED") == 2
    assert ends(rig) == [(Outcome.RESTARTED, False)]
    assert world.running(guest) == ["c1"]


def test_a_host_that_dies_while_its_false_alarm_ends_is_recovered() -> None:
    """The new report joins before the end is stored: the dispute begins anew by it, and the host is recovered when Nova misses it."""
    world, rig = cloud()
    rig.memory.report("c1", "n1")

    def die() -> None:
        inject(world, "host_crashes", host="c1")
        rig.memory.report("c1", "n2")

    between = put_between(rig, Outcome.FALSE_ALARM, die)
    world.advance(1500.0)
    assert between.acted == 1
    assert ends(rig) == [(Outcome.RECOVERED, False)]


def test_the_reject_of_a_stopped_recovery_takes_all_letters() -> None:
    """What joined a recovery that is stopped ends with it; a report that comes between waits for the next round and ends with it too."""
    rig = LoopRig("c1")
    uuid = rig.report("c1")
    rig.run(1.0)
    held = rig.engine.held[uuid]
    rig.engine._stop(held, RuntimeError("a defect"))
    assert held.state.phase is Phase.STOPPED
    rig.store.say(uuid, Rejected(by="ann", why="it is well"))
    rig.store.report("c1", "n2")
    between = Between(rig.store, Outcome.REJECTED, lambda: rig.store.report("c1", "n3"))
    rig.engine.store = cast("Store", between)
    rig.run(3.0)
    assert between.acted == 1
    assert rig.store.rows[uuid].state.outcome is Outcome.REJECTED
    assert rig.store.rows[uuid].inbox == {}
