"""When Nova is asked why an instance could not be moved, and what becomes of the answer."""

from __future__ import annotations

from dataclasses import replace

from unit_tests.core.states import AROUND, NOW, POLICY, migration, move, moving, recovery
from vmha.core import effects, events
from vmha.core.causes import Cause, Findings
from vmha.core.diagnosing import AT_ONCE, MOST_ASKED, SETTLE_SECONDS, summary
from vmha.core.draft import Decision
from vmha.core.explain import Code, because
from vmha.core.model import Move, MoveStatus, Outcome, Phase, Recovery
from vmha.core.plain import from_plain, to_plain
from vmha.core.recovery import decide

NO_ROOM = Findings(vm_state="error", fault="No valid host was found. ", needs=(("VCPU", 1),), room_on=())


def failed(instance: str = "i1", **changes: object) -> Move:
    """A move for which Nova found no host."""
    reason = because(Code.NO_CAPACITY, name="web", instance=instance, attempts=3, seconds=20.0, missing="1 VCPU")
    return move(instance, MoveStatus.FAILED, **{"attempts": 3, "reason": reason, **changes})


def step(state: Recovery, event: events.HostEvent | None = None) -> Decision[Recovery]:
    """Take one step."""
    return decide(state, event or events.Ticked(), NOW, POLICY, AROUND, new_uuid="p2")


def questions(decision: Decision[Recovery]) -> list[str]:
    """Name the instances that Nova is asked about."""
    return [effect.instance for effect in decision.effects if isinstance(effect, effects.ExamineInstance)]


def answer(
    instance: str, findings: Findings | None = NO_ROOM, detail: str = "", status: MoveStatus = MoveStatus.FAILED
) -> events.InstanceExamined:
    """What comes back."""
    key = f"examine:{instance}:{status.value}"
    return events.InstanceExamined(answers=key, instance=instance, findings=findings, detail=detail)


def test_the_end_waits_for_the_cause() -> None:
    """A failed instance is asked about once, and the recovery ends with the answer, which is told in its reason."""
    asked = step(moving(failed(), verified=True))
    assert questions(asked) == ["i1"]
    assert asked.state.phase is not Phase.ENDED
    assert questions(step(asked.state)) == []
    ended = step(asked.state, answer("i1"))
    assert (ended.state.phase, ended.state.outcome) == (Phase.ENDED, Outcome.FAILED)
    found = ended.state.moves[0].diagnosis
    assert found is not None
    assert (found.cause, found.is_asked) == (Cause.NO_CAPACITY, True)
    assert [reason.code for reason in ended.reasons] == [Code.DIAGNOSED, Code.ENDED_FAILED]
    assert "cause no_capacity" in ended.state.reason.sentence


def test_nova_is_given_time_to_write_the_fault() -> None:
    """Right after the record ended nothing is asked, and the recovery wakes by itself when it may be."""
    waiting = step(moving(failed(ended_at=NOW - 1.0), verified=True))
    assert questions(waiting) == []
    assert waiting.state.wake_at is not None
    assert waiting.state.wake_at <= NOW - 1.0 + SETTLE_SECONDS
    later = decide(waiting.state, events.Ticked(), NOW - 1.0 + SETTLE_SECONDS, POLICY, AROUND, new_uuid="p2")
    assert questions(later) == ["i1"]


def test_an_answer_that_does_not_come_ends_nothing_worse() -> None:
    """Where Nova says nothing the cause is what is known, with why it was asked in vain."""
    asked = step(moving(failed(), verified=True))
    ended = step(asked.state, answer("i1", None, "Nova is away"))
    assert ended.state.outcome is Outcome.FAILED
    found = ended.state.moves[0].diagnosis
    assert found is not None
    assert found.evidence[-1] == "Nova was asked in vain: Nova is away"


def test_nova_is_asked_about_few_at_a_time_and_in_all() -> None:
    """Two at a time, and beyond fifty the cause is what is known without a question."""
    state = moving(*(failed(f"i{number}") for number in range(MOST_ASKED + 3)), verified=True)
    asked: list[str] = []
    for _ in range(MOST_ASKED + 4):
        decision = step(state)
        assert len(questions(decision)) <= AT_ONCE
        asked += questions(decision)
        state = decision.state
        for instance in questions(decision):
            state = step(state, answer(instance)).state
        asked += [key.split(":")[1] for key in state.outstanding if key.startswith("examine:")]
        for key in list(state.outstanding):
            if key.startswith("examine:"):
                state = step(state, answer(key.split(":")[1])).state
        if state.phase is Phase.ENDED:
            break
    assert state.outcome is Outcome.FAILED
    assert len(set(asked)) == len(asked) == MOST_ASKED
    assert all(each.diagnosis is not None for each in state.moves)
    assert sum(bool(each.diagnosis and each.diagnosis.is_asked) for each in state.moves) == MOST_ASKED


def test_what_was_never_ordered_is_not_asked_about() -> None:
    """Without a reserved host nothing went to Nova: the recovery ends at once, with the cause."""
    reason = because(Code.NO_RESERVED, name="web", instance="i1")
    ended = step(moving(failed(attempts=0, reason=reason), verified=True))
    assert questions(ended) == []
    assert ended.state.outcome is Outcome.FAILED
    assert ended.state.moves[0].diagnosis is not None


def test_a_diagnosis_goes_when_the_instance_goes_on() -> None:
    """A stalled instance that is ordered again, or moved, has no cause any more."""
    stalled = move(status=MoveStatus.STALLED, attempts=1, destination="c2", suspects=("c2",))
    told = step(step(moving(stalled)).state, answer("i1", NO_ROOM, status=MoveStatus.STALLED)).state
    assert told.moves[0].diagnosis is not None
    freed = decide(told, events.Ticked(), NOW, POLICY, replace(AROUND, proven_off=frozenset({"c2"})), new_uuid="p2")
    assert freed.state.moves[0].status is MoveStatus.ORDERED
    assert freed.state.moves[0].diagnosis is None


def test_what_stalled_and_failed_is_asked_about_anew() -> None:
    """The cause of a stall is not that of the failure after it; an answer of before counts no more."""
    stalled = move(status=MoveStatus.STALLED, attempts=3, destination="c2", suspects=("c2",))
    asked = step(moving(stalled)).state
    told = step(asked, answer("i1", NO_ROOM, status=MoveStatus.STALLED)).state
    record = migration(9, status="failed", destination="c2")
    for state in (asked, told):
        failed_now = step(state, events.ProgressRead(answers="progress", migrations=(record,), instances=None))
        assert failed_now.state.moves[0].status is MoveStatus.FAILED
        assert failed_now.state.moves[0].diagnosis is None
        late = step(failed_now.state, answer("i1", NO_ROOM, status=MoveStatus.STALLED)).state
        assert late.moves[0].diagnosis is None
        anew = decide(late, events.Ticked(), NOW + SETTLE_SECONDS, POLICY, AROUND, new_uuid="p2")
        assert questions(anew) == ["i1"]
        found = step(anew.state, answer("i1", replace(NO_ROOM, fault="boom"))).state.moves[0].diagnosis
        assert found is not None
        assert found.cause is Cause.NOVA_ERROR


def test_a_lost_proof_is_the_cause_of_what_waits() -> None:
    """A host that reads ON again leaves its instances with a fencing gap, also after a human's no; they lose it when it is mended."""
    why = because(Code.HOST_RETURNED, host="c1", moved=0, left=1)
    returned = recovery(Phase.UNPROVEN, reason=why, surveyed=True, moves=(move(),), proof=None)
    waiting = step(returned).state
    found = waiting.moves[0].diagnosis
    assert found is not None
    assert found.cause is Cause.FENCING_GAP
    ended = step(waiting, events.Rejected(by="ann", why="it is well")).state
    assert (ended.outcome, ended.moves[0].diagnosis) == (Outcome.REJECTED, found)
    assert step(replace(waiting, phase=Phase.HALTED)).state.moves[0].diagnosis is None


def test_an_engine_of_before_reads_and_drops_it() -> None:
    """A move with a diagnosis survives the database; without that key it has none."""
    asked = step(moving(failed(), verified=True))
    known = step(asked.state, answer("i1")).state.moves[0]
    plain = to_plain(known)
    assert from_plain(Move, plain) == known
    del plain["diagnosis"]
    assert from_plain(Move, plain) == replace(known, diagnosis=None)


def test_a_summary_counts_causes() -> None:
    """Several failed instances: the causes are counted before the first one is quoted; one alone is quoted."""
    state = moving(failed("i1"), failed("i2"), verified=True)
    asked = step(state).state
    ended = step(step(asked, answer("i1")).state, answer("i2", replace(NO_ROOM, room_on=("c2",)))).state
    assert summary(ended.moves).startswith("no_capacity 1, scheduler_filter 1; first: ")
    assert summary(ended.moves[:1]) == ended.moves[0].words
