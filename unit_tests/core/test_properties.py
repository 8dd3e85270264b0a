"""Whatever happens in whatever sequence: no promise breaks, nothing sleeps for ever or spins, and the same facts decide the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from hypothesis import example, given, settings
from hypothesis import strategies as st

from unit_tests.core.states import BMC, NOW, POLICY
from vmha.core import effects, events
from vmha.core.budgets import PowerOffs
from vmha.core.capacity import Room
from vmha.core.causes import Findings
from vmha.core.draft import Decision
from vmha.core.invariants import check
from vmha.core.model import (
    Disarm,
    Instance,
    Migration,
    Outcome,
    Phase,
    Power,
    PowerTrouble,
    Recovery,
    RecoveryMethod,
    ServicePrior,
    ServiceReading,
    Surroundings,
)
from vmha.core.policy import LocalDisk, Policy
from vmha.core.recovery import decide, open_recovery
from vmha.core.workflows import Choice, Failure, Workflow, Workflows

T = TypeVar("T")
INSTANCES = ("i1", "i2", "i3")
HOSTS = ("c1", "c2", "c3")
STEPS = 80
# A tape of bytes: each says which of the possible things happens next. Short tapes are what hypothesis shrinks a failure to.
tapes = st.binary(min_size=0, max_size=12 * STEPS)
MANY = settings(max_examples=150, deadline=None)


class Tape:
    """Turns bytes into choices; when they are used up the first choice is taken."""

    def __init__(self, tape: bytes) -> None:
        self._bytes = iter(tape)
        self.count = 0

    def pick(self, *options: T) -> T:
        """Choose one."""
        self.count += 1
        return options[next(self._bytes, 0) % len(options)]

    def rarely(self) -> bool:
        """Say yes once in eight times."""
        return self.pick(*(False,) * 7, True)

    def some(self, options: Sequence[T]) -> tuple[T, ...]:
        """Choose some, in their sequence."""
        mask = next(self._bytes, 0)
        return tuple(option for number, option in enumerate(options) if mask >> number & 1)


def an_instance(tape: Tape, uuid: str) -> Instance:
    """Any instance of the host."""
    return Instance(
        uuid=uuid,
        name="vm",
        host="c1",
        vm_state=tape.pick("active", "active", "stopped", "error", "paused", "shelved_offloaded"),
        task_state=tape.pick(None, None, "rebuilding", "deleting"),
        image_backed=tape.pick(False, True),
    )


def a_record(tape: Tape, number: int) -> Migration:
    """Any migration record of any instance."""
    return Migration(
        id=number,
        instance=tape.pick(*INSTANCES),
        kind=tape.pick("evacuation", "evacuation", "live-migration"),
        source=tape.pick("c1", "c1", "c3"),
        destination=tape.pick("c2", None, "c3"),
        status=tape.pick("done", "accepted", "pre-migrating", "failed", "error", "completed", "running"),
    )


def listed(tape: Tape) -> tuple[Instance, ...]:
    """Any list of the host."""
    return tuple(an_instance(tape, uuid) for uuid in tape.some(INSTANCES))


def records(tape: Tape) -> tuple[Migration, ...]:
    """Any list of migrations."""
    return tuple(a_record(tape, number) for number in tape.some((1, 4, 7, 9, 12)))


def heartbeats(tape: Tape, effect: effects.ReadHeartbeats) -> events.Event:
    """Any look at Nova's services, most often one that hears the others."""
    if tape.rarely():
        return events.HeartbeatsUnreadable(answers=effect.key, detail="away")
    mine = ServiceReading(
        host="c1", heartbeat="new" if tape.rarely() else "old", is_up=tape.pick(False, True), forced_down=tape.rarely()
    )
    beat = "still" if tape.rarely() else f"beat {tape.count}"
    others = (ServiceReading(host=host, heartbeat=beat, is_up=True) for host in ("c2", "c3"))
    return events.HeartbeatsRead(answers=effect.key, services=(mine, *others))


def power(tape: Tape, effect: effects.ReadPower) -> events.Event:
    """Any reading, most often OFF."""
    if tape.rarely():
        trouble = tape.pick(*PowerTrouble)
        return events.PowerUnreadable(answers=effect.key, trouble=trouble, detail="no", address=BMC)
    return events.PowerRead(answers=effect.key, power=Power.ON if tape.rarely() else Power.OFF, address=BMC)


def power_off(tape: Tape, effect: effects.PowerOff) -> events.Event:
    """Any answer of a BMC to an order."""
    if tape.pick(False, True):
        return events.PowerOffFailed(answers=effect.key, trouble=tape.pick(*PowerTrouble), detail="no", address=BMC)
    return events.PowerOffAnswered(answers=effect.key, address=BMC)


def force_down(tape: Tape, effect: effects.ForceDown) -> events.Event:
    """Any answer of Nova to the forcing down."""
    if tape.rarely():
        return events.ForceDownFailed(answers=effect.key, detail="away")
    prior = ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
    return events.ForcedDown(answers=effect.key, prior=prior)


def survey(tape: Tape, effect: effects.SurveyHost) -> events.Event:
    """Any survey."""
    if tape.pick(False, False, True):
        return events.SurveyFailed(answers=effect.key, detail="away")
    consumers = tape.pick(frozenset(INSTANCES), frozenset({"i1"}), frozenset(), None)
    return events.HostSurveyed(
        answers=effect.key, instances=listed(tape), migrations=records(tape), consumers=consumers
    )


def progress(tape: Tape, effect: effects.ReadProgress) -> events.Event:
    """Any look at the records."""
    if tape.pick(False, False, True):
        return events.ProgressUnreadable(answers=effect.key, detail="away")
    found = listed(tape) if effect.with_instances else None
    located = tuple(
        (instance, tape.pick(None, "c1", "c2")) for instance in effect.locate if tape.pick(True, True, False)
    )
    return events.ProgressRead(answers=effect.key, migrations=records(tape), instances=found, located=located)


def evacuate(tape: Tape, effect: effects.Evacuate) -> events.Event:
    """Any answer to an evacuation."""
    key, instance = effect.key, effect.instance
    refused = events.EvacuationRefused(answers=key, instance=instance, status=tape.pick(400, 404, 409), detail="no")
    possible: tuple[events.Event, ...] = (
        events.EvacuationAccepted(answers=key, instance=instance),
        refused,
        events.EvacuationUnanswered(answers=key, instance=instance, detail="timed out"),
        events.OrderNotSent(answers=key, instance=instance, detail="late"),
    )
    return tape.pick(*possible)


def enable(tape: Tape, effect: effects.EnableReserved) -> events.Event:
    """Any answer to the enabling of a reserved host."""
    if tape.pick(False, True):
        return events.ReservedFailed(answers=effect.key, host=effect.host, detail="no")
    return events.ReservedEnabled(answers=effect.key, host=effect.host)


def examine(tape: Tape, effect: effects.ExamineInstance) -> events.Event:
    """Nova says something of it, or nothing."""
    found = tape.pick(None, Findings(vm_state="error", fault=tape.pick("No valid host was found. ", "boom", None)))
    return events.InstanceExamined(answers=effect.key, instance=effect.instance, findings=found)


def read_room(tape: Tape, effect: effects.ReadRoom) -> events.Event:
    """Any answer of Placement about room."""
    if tape.rarely():
        return events.RoomUnreadable(answers=effect.key, detail="away")
    rooms = tuple((host, _room(tape.pick(0, 1, 64))) for host in (*effect.enabled, *effect.reserves))
    return events.RoomRead(answers=effect.key, room=_room(64), rooms=() if tape.rarely() else rooms)


def give_back(tape: Tape, effect: effects.ReturnReserved) -> events.Event:
    """Any answer to the giving back of a reserved host."""
    kinds = (
        events.ReservedReturned(answers=effect.key, host=effect.host),
        events.ReservedKept(answers=effect.key, host=effect.host, detail="no"),
        events.OrderNotSent(answers=effect.key, instance=None, detail="late"),
    )
    return tape.pick(*kinds)


def _room(size: int) -> Room:
    held = {instance: {"VCPU": 1} for instance in INSTANCES} if size == 64 else {}
    return Room(size={"VCPU": size}, largest={"VCPU": size}, held=held)


ANSWERS: dict[type, Callable[[Tape, Any], events.Event]] = {
    effects.ReadHeartbeats: heartbeats,
    effects.ReadPower: power,
    effects.PowerOff: power_off,
    effects.ForceDown: force_down,
    effects.SurveyHost: survey,
    effects.ReadProgress: progress,
    effects.Evacuate: evacuate,
    effects.EnableReserved: enable,
    effects.ExamineInstance: examine,
    effects.ReadRoom: read_room,
    effects.ReturnReserved: give_back,
}


DISARMED = Disarm(scope="all hosts", by="ann", why="the network is rebuilt", until=NOW, until_text="noon")


_WORKFLOWS = (Workflow.RECOVER,) * 15 + (Workflow.CONFIRM, Workflow.POWER_OFF, Workflow.REPORT)


class Life:
    """One recovery from its report on, driven by a tape; every decision is checked."""

    def __init__(self, tape: bytes) -> None:
        self.tape = Tape(tape)
        self.now = NOW
        self.policy: Policy = replace(
            POLICY,
            local_disk=self.tape.pick(*LocalDisk),
            shared_storage=self.tape.pick(False, True),
            moves_in_flight=self.tape.pick(32, 1),
            orders_at_once=self.tape.pick(1, 2, 32),
            workflows=Workflows((Choice(None, Failure.HOST, self.tape.pick(*_WORKFLOWS)),)),
        )
        self.pending: list[effects.Effect] = []
        self.keys: list[str] = []
        method = self.tape.pick(*RecoveryMethod)
        self.state, _ = open_recovery(uuid="r1", host="c1", host_uuid="u1", segment="s", method=method, now=NOW)
        self.around = self._around()
        self.seen: set[object] = set()

    def live(self) -> Recovery:
        """Let many things happen, and return what came of it."""
        for _ in range(STEPS):
            if self.state.phase is Phase.ENDED:
                break
            self.now += self.tape.pick(0.2, 0.2, 0.5, 2.0, 2.5, 5.0, 10.0, self._rare_pause())
            self.around = self._around() if self.tape.rarely() else self.around
            self.hear(self._something())
            self.seen |= {self.state.phase, self.state.outcome}
        return self.state

    def _rare_pause(self) -> float:
        return self.tape.pick(0.0, 31.0, 301.0)

    def _around(self) -> Surroundings:
        return Surroundings(
            segment_hosts=6,
            segment_failures=self.tape.pick(1, 2, 3),
            segment_braked=self.tape.rarely(),
            power_offs=self.tape.pick(PowerOffs(), PowerOffs(now=8, hour=60, hour_of_segment=30)),
            host_failures=self.tape.pick(*[0] * 9, 3),
            reserved_hosts=self.tape.pick(("c4", "c5"), ("c4",), ()),
            neighbours=("c2", "c3"),
            proven_off=frozenset(self.tape.some(("c2", "c3"))),
            disarmed=DISARMED if self.tape.rarely() and self.tape.rarely() else None,
        )

    def _something(self) -> events.Event:
        """An answer to what is outstanding, or something that nobody asked for."""
        tape = self.tape
        if self.pending and not tape.rarely():
            effect = self.pending.pop(tape.pick(*range(len(self.pending))))
            if effect.is_order and tape.rarely():
                instance = effect.instance if isinstance(effect, effects.Evacuate) else None
                return events.OrderNotSent(answers=effect.key, instance=instance, detail="the door was shut")
            return ANSWERS[type(effect)](tape, effect)
        unasked: tuple[events.Event, ...] = (
            events.Ticked(),
            events.Confirmed(by="ann", why="it is off"),
            events.Notified(notification="n2"),
            events.TakenOver(engine="e2", before=tape.pick("e1", "e2", None)),
            events.Ticked(),
            events.Ticked(),
            events.Rejected(by="ann", why="no") if tape.rarely() else events.Ticked(),
            self._stop(),
        )
        event = tape.pick(*unasked)
        if isinstance(event, events.TakenOver):
            self.pending.clear()
        return event

    def _stop(self) -> events.Event:
        """A human stops it, or lets it go on."""
        if self.state.phase is Phase.HALTED:
            return events.Resumed(by="ann", why="go on")
        if any(move.status.is_in_flight for move in self.state.moves) and self.tape.rarely():
            return events.Cancelled(by="ann", why="no more")
        return events.Paused(by="ann", why="wait") if self.tape.rarely() else events.Ticked()

    def hear(self, event: events.Event) -> None:
        """Decide, see that it holds, and go on from there."""
        before = self.state
        decision = self._decide(event)
        assert decision == self._decide(event), "the same facts decided differently"
        check(before, decision, self.now, self.policy, self.around)
        self.state = decision.state
        assert all(reason.sentence for reason in decision.reasons)
        if self.state.phase is Phase.ENDED:
            assert self.state.wake_at is None
            return
        assert self.state.wake_at is not None, "sleeps for ever"
        assert self.now < self.state.wake_at <= self.now + self.policy.alert_interval_seconds, (
            "spins, or sleeps too long"
        )
        self.pending += [effect for effect in decision.effects if not isinstance(effect, effects.Alert)]
        self.keys += [e.key for e in decision.effects if isinstance(e, effects.PowerOff | effects.Evacuate)]
        assert self.state.outstanding <= {effect.key for effect in self.pending}, "waits for what nobody will answer"

    def _decide(self, event: events.Event) -> Decision:
        return decide(self.state, event, self.now, self.policy, self.around, new_uuid=f"p{self.now}")


@MANY
@given(tapes)
@example(b"")
def test_no_sequence_of_facts_breaks_a_promise(tape: bytes) -> None:
    """Any facts in any sequence keep every promise, decide twice alike, and leave a time to wake that comes and is not now."""
    Life(tape).live()


@MANY
@given(tapes)
def test_orders_have_names_of_their_own(tape: bytes) -> None:
    """No two power-offs and no two evacuations of a recovery share a key, so that an answer is never taken for another's."""
    life = Life(tape)
    life.live()
    assert len(set(life.keys)) == len(life.keys)


def test_lives_go_far() -> None:
    """The tapes lead recoveries through every phase and to every outcome: what holds above does not hold for want of events."""
    others = {
        Outcome.RESTARTED,
        Outcome.LEFT_ALONE,
        Outcome.DISABLED,
        Outcome.ENABLED,
        Outcome.SKIPPED,
        Outcome.ABSORBED,
    }
    wanted = {*Phase, *Outcome} - {Phase.STOPPED} - others
    seen = set[object]()
    for seed in range(2000):  # a few hundred, as a rule: some phases are rare
        life = Life(Random(seed).randbytes(12 * STEPS))
        life.live()
        seen |= life.seen
        if seen >= wanted:
            return
    assert seen >= wanted
