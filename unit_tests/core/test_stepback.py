"""A new owner after the database's clock was set back: nothing waits for the old time to come, and no old proof holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import NOW, POLICY, WORD, move, moving, proof, silent_witness
from unit_tests.core.states import recovery as fencing_recovery
from vmha.core import effects, events
from vmha.core.draft import Decision
from vmha.core.evidence import View, view
from vmha.core.explain import Code
from vmha.core.invariants import check
from vmha.core.model import Fence, MoveStatus, Phase, Power, Recovery, Rung, ServiceReading, Surroundings
from vmha.core.recovery import decide

AROUND = Surroundings(segment_hosts=6, segment_failures=1, neighbours=("c2", "c3"))
BACK = NOW - 1800.0


def take_over(state: Recovery, now: float = BACK) -> Decision:
    """Let an engine take the recovery over at this time, and see that no promise is broken."""
    event = events.TakenOver(engine="engine-1", before="engine-1")
    decision = decide(state, event, now, POLICY, AROUND, new_uuid="p2")
    check(state, decision, now, POLICY, AROUND)
    return decision


def on_its_way(**changes: Any) -> Recovery:
    """A recovery in the middle of its moves, with all the times that such a one has."""
    moves = (
        move("i1", MoveStatus.UNANSWERED, attempts=1, ordered_at=NOW - 3.0, started_at=NOW - 3.0),
        move("i2", MoveStatus.PENDING, attempts=1, retry_at=NOW + 10.0, started_at=NOW - 9.0),
        move("i3", MoveStatus.LANDED, attempts=1, ordered_at=NOW - 8.0, started_at=NOW - 9.0, ended_at=NOW - 1.0),
    )
    fence = Fence(orders=1, ordered_at=NOW - 20.0, round_started_at=NOW - 20.0, asked_at=NOW - 1.0, proofs=1)
    times: dict[str, Any] = {
        "phase_since": NOW - 5.0,
        "opened_at": NOW - 60.0,
        "alert_due": NOW + 290.0,
        "awaited_until": NOW + 20.0,
    }
    return replace(moving(*moves), witness=silent_witness(), fence=fence, **times, **changes)


def test_the_proof_dies() -> None:
    """A proof that was read at a time to come is revoked with the clock as its reason, and the host has to be proven off again."""
    decision = take_over(on_its_way())
    assert (decision.state.phase, decision.state.proof) == (Phase.UNPROVEN, None)
    assert decision.state.reason.code is Code.CLOCK_SET_BACK
    assert [known.uuid for known, _ in decision.revoked] == ["p1"]
    assert not [effect for effect in decision.effects if effect.is_order]
    assert effects.ReadPower("c1") in decision.effects


def test_a_humans_word_dies_too() -> None:
    """A word that was given at a time to come would hold for an hour and the step; it has to be given again."""
    human = proof(rung=Rung.HUMAN, readings=(), word=WORD, valid_until=NOW + 3500.0)
    assert take_over(on_its_way(proof=human)).state.proof is None


def test_nothing_is_due_in_the_old_time() -> None:
    """All times that say what happened lie in the past, and everything that is due, and the next wake-up, within minutes."""
    after = take_over(on_its_way()).state
    happened = [after.phase_since, after.opened_at, after.fence.ordered_at, after.fence.round_started_at]
    happened += [at for each in after.moves for at in (each.ordered_at, each.started_at, each.ended_at, each.retry_at)]
    assert max(at for at in happened if at is not None) <= BACK
    due = (after.heartbeat_due, after.power_due, after.nova_due, after.survey_due, after.alert_due, after.awaited_until)
    assert max(at for at in due if at is not None) <= BACK + POLICY.alert_interval_seconds
    assert after.wake_at is not None
    assert BACK < after.wake_at <= BACK + POLICY.unproven_read_seconds


def test_nova_is_watched_anew() -> None:
    """A silence that was dated by the old time counts no more: Nova has to hear others, and not the host, for as long again."""
    after = take_over(replace(fencing_recovery(), witness=silent_witness(was_deaf=True))).state
    assert (after.witness.changed_at, after.witness.heard_since, after.witness.peers) == (BACK, None, ())
    assert after.witness.was_deaf
    assert view(after.witness, BACK, POLICY) is View.UNSURE


def test_a_host_that_was_heard_is_not_forgotten() -> None:
    """Where Nova heard the host, a human's confirm is refused after the step as it was before."""
    heard = silent_witness(advances=1, changed_at=NOW - 2.0)
    state = take_over(replace(fencing_recovery(Phase.DISPUTED), witness=heard)).state
    assert view(state.witness, BACK, POLICY) is View.ALIVE
    same = events.HeartbeatsRead(
        answers="heartbeats", services=(ServiceReading(host="c1", heartbeat="b1", is_up=True),)
    )
    said = [events.Confirmed(by="bob", why="the monitor is right"), same]
    for event in said:
        decision = decide(state, event, BACK + 1.0, POLICY, AROUND, new_uuid="p2")
        state = decision.state
    assert state.phase is Phase.DISPUTED
    assert decision.reasons[-1].code is Code.CONFIRM_REFUSED_ALIVE


def test_the_host_is_proven_again_by_fresh_readings() -> None:
    """The recovery goes on by itself once the host reads OFF twice, and Nova, watched anew, does not hear it."""
    state = take_over(on_its_way()).state
    witness = silent_witness()
    dated = replace(
        witness,
        changed_at=BACK - 10.0,
        read_at=BACK + 30.0,
        looked_at=BACK + 30.0,
        heard_since=BACK - 10.0,
        peers=tuple(replace(peer, changed_at=BACK + 29.0) for peer in witness.peers),
    )
    state = replace(state, witness=dated)
    for seconds in (28.0, 31.0):
        state = replace(state, fence=replace(state.fence, asked_at=BACK + seconds))
        answer = events.PowerRead(answers="power", power=Power.OFF, address="10.0.0.1:623")
        state = decide(state, answer, BACK + seconds, POLICY, AROUND, new_uuid="p2").state
    assert state.proof is not None
    assert state.proof.uuid == "p2"
    assert state.proof.holds(BACK + 31.0)


@pytest.mark.parametrize("now", [NOW, NOW - 1.5])
def test_an_ordinary_takeover_keeps_the_times(now: float) -> None:
    """Where the clock was not set back, or by less than two servers in step may differ, proof and times stay as they are."""
    before = on_its_way()
    after = take_over(before, now).state
    assert after.proof == before.proof
    assert after.witness.heartbeat == before.witness.heartbeat
    assert [each.retry_at for each in after.moves] == [each.retry_at for each in before.moves]
    assert after.phase_since == before.phase_since


def test_a_proof_to_come_holds_at_no_time_before_it() -> None:
    """A proof holds from when it was read until its end, give or take what two looks at a clock may differ by."""
    known = proof()
    held = [seconds for seconds in (-1800.0, -10.0, -2.5, 0.0, 28.0, 29.5) if known.holds(NOW + seconds)]
    assert held == [-2.5, 0.0, 28.0]
