"""Whatever happens in whatever sequence: no promise breaks, nothing sleeps for ever or spins, and the same facts decide the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import example, given, settings
from hypothesis import strategies as st

from unit_tests.core.states import BMC, NOW, POLICY
from vmha.core import effects, events
from vmha.core.draft import Decision
from vmha.core.invariants import check
from vmha.core.model import (
    Instance,
    Migration,
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

    def pick(self, *options: T) -> T:
        """Choose one."""
        return options[next(self._bytes, 0) % len(options)]

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
    if tape.pick(False, False, False, True):
        return events.HeartbeatsUnreadable(answers=effect.key, detail="away")
    mine = ServiceReading(
        host="c1",
        heartbeat=tape.pick("a", "a", "a", "b"),
        is_up=tape.pick(False, True),
        forced_down=tape.pick(False, True),
    )
    beat = str(tape.pick(*range(9)))
    others = (ServiceReading(host=host, heartbeat=beat, is_up=True) for host in tape.some(("c2", "c3", "c2x", "c3x")))
    return events.HeartbeatsRead(answers=effect.key, services=(mine, *others))


def power(tape: Tape, effect: effects.ReadPower) -> events.Event:
    """Any reading, most often OFF."""
    if tape.pick(False, False, True):
        trouble = tape.pick(*PowerTrouble)
        return events.PowerUnreadable(answers=effect.key, trouble=trouble, detail="no", address=BMC)
    return events.PowerRead(answers=effect.key, power=tape.pick(Power.OFF, Power.OFF, Power.ON), address=BMC)


def power_off(tape: Tape, effect: effects.PowerOff) -> events.Event:
    """Any answer of a BMC to an order."""
    if tape.pick(False, True):
        return events.PowerOffFailed(answers=effect.key, trouble=tape.pick(*PowerTrouble), detail="no", address=BMC)
    return events.PowerOffAnswered(answers=effect.key, address=BMC)


def force_down(tape: Tape, effect: effects.ForceDown) -> events.Event:
    """Any answer of Nova to the forcing down."""
    if tape.pick(False, True):
        return events.ForceDownFailed(answers=effect.key, detail="away")
    return events.ForcedDown(answers=effect.key, prior=ServicePrior(False, None, False))


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
    return events.ProgressRead(answers=effect.key, migrations=records(tape), instances=found)


def evacuate(tape: Tape, effect: effects.Evacuate) -> events.Event:
    """Any answer to an evacuation."""
    key, instance = effect.key, effect.instance
    refused = events.EvacuationRefused(answers=key, instance=instance, status=tape.pick(400, 404, 409), detail="no")
    return tape.pick(
        events.EvacuationAccepted(answers=key, instance=instance),
        refused,
        events.EvacuationUnanswered(answers=key, instance=instance, detail="timed out"),
        events.OrderNotSent(answers=key, instance=instance, detail="late"),
    )


def enable(tape: Tape, effect: effects.EnableReserved) -> events.Event:
    """Any answer to the enabling of a reserved host."""
    if tape.pick(False, True):
        return events.ReservedFailed(answers=effect.key, host=effect.host, detail="no")
    return events.ReservedEnabled(answers=effect.key, host=effect.host)


ANSWERS: dict[type, Callable[[Tape, Any], events.Event]] = {
    effects.ReadHeartbeats: heartbeats,
    effects.ReadPower: power,
    effects.PowerOff: power_off,
    effects.ForceDown: force_down,
    effects.SurveyHost: survey,
    effects.ReadProgress: progress,
    effects.Evacuate: evacuate,
    effects.EnableReserved: enable,
}


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
        )
        self.pending: list[effects.Effect] = []
        self.keys: list[str] = []
        method = self.tape.pick(*RecoveryMethod)
        self.state, _ = open_recovery(uuid="r1", host="c1", host_uuid="u1", segment="s", method=method, now=NOW)
        self.around = self._around()

    def live(self) -> Recovery:
        """Let many things happen, and return what came of it."""
        for _ in range(STEPS):
            if self.state.phase is Phase.ENDED:
                break
            self.now += self.tape.pick(0.2, 2.0, 2.5, 10.0, 31.0, 301.0, 0.0)
            self.around = self._around() if self.tape.pick(False, False, True) else self.around
            self.hear(self._something())
        return self.state

    def _around(self) -> Surroundings:
        return Surroundings(
            segment_hosts=6,
            segment_failures=self.tape.pick(1, 2, 3, 4),
            segment_braked=self.tape.pick(False, False, True),
            reserved_hosts=self.tape.pick(("c4", "c5"), ("c4",), ()),
            neighbours=("c2", "c3"),
            proven_off=frozenset(self.tape.some(("c2", "c3"))),
        )

    def _something(self) -> events.Event:
        """An answer to what is outstanding, or something that nobody asked for."""
        tape = self.tape
        if self.pending and tape.pick(True, True, True, True, True, False):
            effect = self.pending.pop(tape.pick(*range(len(self.pending))))
            if effect.is_order and tape.pick(False, False, False, True):
                instance = effect.instance if isinstance(effect, effects.Evacuate) else None
                return events.OrderNotSent(answers=effect.key, instance=instance, detail="the door was shut")
            return ANSWERS[type(effect)](tape, effect)
        event = tape.pick(
            events.Ticked(),
            events.Confirmed(by="ann", why="it is off"),
            events.Notified(notification="n2"),
            events.TakenOver(engine="e2", before=tape.pick("e1", "e2", None)),
            events.Ticked(),
            events.Rejected(by="ann", why="no"),
        )
        if isinstance(event, events.TakenOver):
            self.pending.clear()
        return event

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
    seen = set[object]()
    for number in range(600):
        life = Life(
            bytes((number * 37 + step * (number % 13 + 3) * 29 + step * step) % 251 for step in range(12 * STEPS))
        )
        for _ in range(STEPS):
            if life.state.phase is Phase.ENDED:
                break
            life.now += life.tape.pick(0.2, 2.0, 2.5, 10.0)
            life.hear(life._something())
            seen |= {life.state.phase, life.state.outcome}
    assert seen >= set(Phase) - {Phase.STOPPED}
