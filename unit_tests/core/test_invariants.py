"""The promises as code: a decision that breaks one raises `Broken` and names it, and one that keeps them all passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import (
    AROUND,
    NOW,
    POLICY,
    WORD,
    heard_peers,
    move,
    moving,
    off_twice,
    proof,
    recovery,
    silent_witness,
)
from vmha.core.budgets import PowerOffs
from vmha.core.draft import Decision
from vmha.core.effects import Effect, EnableReserved, Evacuate, ForceDown, PowerOff, ReadPower
from vmha.core.invariants import Broken, check
from vmha.core.model import (
    Fence,
    MoveStatus,
    Outcome,
    Phase,
    Power,
    PowerReading,
    Recovery,
    RecoveryMethod,
    Rung,
    Surroundings,
    Witness,
)
from vmha.core.policy import LocalDisk, Policy

ORDER = Evacuate(instance="i1", source="c1", target=None, proof="p1", attempt=1)
ORDERED = move(status=MoveStatus.ORDERED, attempts=1, ordered_at=NOW)
SHOT = PowerOff("c1", 1)
FENCING = recovery(Phase.FENCING, witness=silent_witness())
MOVING = moving(ORDERED)
SILENT = silent_witness()
OFF, ON = Power.OFF, Power.ON


def checked(
    after: Recovery,
    *effects: Effect,
    before: Recovery | None = None,
    policy: Policy = POLICY,
    around: Surroundings = AROUND,
) -> None:
    """Check a decision made by hand."""
    decision = Decision(state=after, effects=effects, reasons=(), revoked=())
    check(before or recovery(), decision, NOW, policy, around)


def breaks(promise: str, after: Recovery, *effects: Effect, **keywords: Any) -> None:
    """See that a decision breaks this promise."""
    with pytest.raises(Broken, match=f"{promise}: "):
        checked(after, *effects, **keywords)


def test_good_decisions_pass() -> None:
    """Two witnesses and a power-off, a proof and an evacuation, a word and either, an end with all settled: none is stopped."""
    checked(FENCING, SHOT)
    checked(replace(FENCING, witness=replace(SILENT, was_deaf=True, heard_since=NOW - POLICY.reconnect_seconds)), SHOT)
    checked(replace(FENCING, witness=Witness(looked_at=NOW, trouble="away"), word=WORD), SHOT)
    checked(MOVING, ORDER)
    checked(replace(MOVING, proof=proof(rung=Rung.HUMAN, readings=(), word=WORD)), ORDER)
    checked(replace(MOVING, prior=None, phase=Phase.FORCING_DOWN), ForceDown("c1"))
    done = replace(moving(move(status=MoveStatus.MOVED)), phase=Phase.ENDED, outcome=Outcome.RECOVERED, ended_at=NOW)
    checked(done)
    checked(recovery(), ReadPower("c1"))


@pytest.mark.parametrize(
    "witness",
    [
        Witness(looked_at=NOW),
        replace(SILENT, advances=1, changed_at=NOW - 29.0),
        replace(SILENT, changed_at=NOW - 29.0),
        replace(SILENT, changed_at=NOW - 29.0, says_down=True),
        replace(SILENT, heard_since=NOW - 29.0, says_down=True),
        replace(SILENT, heard_since=NOW - 89.0, was_deaf=True),
        replace(SILENT, trouble="away"),
        replace(SILENT, heard_since=None),
        replace(SILENT, heard_since=NOW - 11.0),
        replace(SILENT, peers=()),
        replace(SILENT, peers=heard_peers(NOW - 13.0)),
        replace(SILENT, looked_at=NOW - 13.0),
    ],
)
def test_p0_two_witnesses(witness: Witness) -> None:
    """A power-off without a Nova that is listening now and does not hear the host is stopped."""
    breaks("P0", replace(FENCING, witness=witness), SHOT)


def test_p0_a_word_does_not_outvote_nova() -> None:
    """A human's word stands in for a witness that is missing, not against one that hears the host."""
    alive = replace(SILENT, advances=1, changed_at=NOW - 29.0)
    breaks("P0", replace(FENCING, witness=alive, word=WORD), SHOT)
    breaks("P0", replace(FENCING, witness=Witness(), word=WORD), SHOT)


@pytest.mark.parametrize("pending", [{"outstanding": frozenset({"power"})}, {"checks": frozenset({"power"})}])
def test_p0_power_is_read_before(pending: dict[str, Any]) -> None:
    """A power-off beside a reading that is on its way, or before a new owner has read power, is stopped."""
    breaks("P0", replace(FENCING, **pending), SHOT)


def test_p1_no_word_against_the_last_reading() -> None:
    """A word proves nothing while the last that the BMC said is ON, unless it gave no reading in all of another round."""
    word = replace(MOVING, proof=proof(rung=Rung.HUMAN, readings=(), word=WORD))
    breaks("P1", replace(word, fence=replace(word.fence, readings=(), known=ON)), ORDER)
    checked(replace(word, fence=replace(word.fence, readings=(), known=ON, asked_again=True)), ORDER)


@pytest.mark.parametrize("order", [ORDER, ForceDown("c1"), EnableReserved("c4")])
def test_p1_no_order_without_a_proof(order: Effect) -> None:
    """Without a proof nothing is evacuated, forced down or enabled."""
    breaks("P1", replace(MOVING, proof=None), order)


@pytest.mark.parametrize(
    "bad",
    [
        {"uuid": "another"},
        {"host": "c2"},
        {"recovery": "r2"},
        {"valid_until": NOW},
        {"readings": ()},
        {"readings": off_twice()[:1]},
        {"readings": off_twice(apart=1.9)},
        {"readings": (PowerReading(ON, NOW - 3.0), PowerReading(OFF, NOW - 1.0))},
        {"valid_until": NOW + 30.0},
        {"rung": Rung.HUMAN, "readings": (), "word": None},
    ],
)
def test_p1_the_proof_is_sound(bad: dict[str, Any]) -> None:
    """A proof of another host, recovery or time, with too few readings, too close ones, or outliving them, is none."""
    breaks("P1", replace(MOVING, proof=proof(**bad)), ORDER)


@pytest.mark.parametrize("left", ["power", "progress"])
def test_p1_a_new_owner_reads_first(left: str) -> None:
    """A new owner that has not read power and records evacuates nothing."""
    breaks("P1", replace(MOVING, checks=frozenset({left})), ORDER)


def test_p2_one_run() -> None:
    """An order that no move records, or that goes where another guest may be, is stopped; a suspect that is proven off is none."""
    breaks("P2", moving(), ORDER)
    breaks("P2", moving(move(status=MoveStatus.PENDING)), ORDER)
    breaks("P2", moving(replace(ORDERED, suspects=("c2",))), ORDER)
    breaks("P2", moving(replace(ORDERED, pinned="c2")), ORDER)
    breaks("P2", moving(replace(ORDERED, pinned="c2")), replace(ORDER, target="c3"))
    dead = replace(AROUND, proven_off=frozenset({"c2"}))
    checked(moving(replace(ORDERED, suspects=("c2",))), ORDER, around=dead)
    checked(moving(replace(ORDERED, pinned="c2")), ORDER, around=dead)
    checked(moving(replace(ORDERED, pinned="c2")), replace(ORDER, target="c2"))


def test_p2_reserved_means_reserved() -> None:
    """With the method reserved_host no instance goes where Nova chooses."""
    breaks("P2", replace(MOVING, method=RecoveryMethod.RESERVED_HOST), ORDER)


def test_p3_proofs_die() -> None:
    """No proof stands beside a reading of ON, nor beside a heartbeat that came after it."""
    breaks("P3", replace(MOVING, fence=Fence(readings=(PowerReading(ON, NOW),))))
    breaks("P3", replace(MOVING, witness=replace(SILENT, advances=1)))


def test_p4_nothing_is_lost() -> None:
    """A recovery sleeps for a time that comes, and ends with an outcome and nothing unsettled, unless a human gave it up."""
    breaks("P4", recovery(wake_at=None))
    ended = replace(moving(move(status=MoveStatus.HELD)), phase=Phase.ENDED, ended_at=NOW)
    breaks("P4", replace(ended, moves=(), outcome=None))
    breaks("P4", replace(ended, moves=(), outcome=Outcome.RECOVERED, ended_at=None))
    breaks("P4", replace(ended, outcome=Outcome.RECOVERED))
    checked(replace(ended, outcome=Outcome.REJECTED))


def test_p4_what_has_ended_stays_so() -> None:
    """A recovery that has ended orders nothing more, and does not change."""
    over = recovery(Phase.ENDED, outcome=Outcome.REJECTED, ended_at=NOW)
    checked(over, before=over)
    breaks("P4", over, ReadPower("c1"), before=over)
    breaks("P4", recovery(), before=over)


def test_p6_bounded_harm() -> None:
    """No power-off beyond the brake without a human, no more orders than allowed, no more evacuations at a time than allowed."""
    many = replace(AROUND, segment_failures=3)
    breaks("P6", FENCING, SHOT, around=many)
    breaks("P6", FENCING, SHOT, around=replace(AROUND, segment_braked=True))
    checked(replace(FENCING, word=WORD), SHOT, around=many)
    checked(FENCING, SHOT, around=replace(AROUND, segment_failures=2))
    breaks("P6", replace(FENCING, fence=Fence(round_orders=4)))
    breaks("P6", MOVING, ORDER, policy=replace(POLICY, moves_in_flight=0))
    breaks("P6", MOVING, ORDER, policy=replace(POLICY, orders_at_once=0))


@pytest.mark.parametrize("spent", [PowerOffs(now=8), PowerOffs(hour=60), PowerOffs(hour_of_segment=30)])
def test_p6_budgets(spent: PowerOffs) -> None:
    """No round of fencing begins beyond a budget without a human; one that has begun is not cut off."""
    shot = replace(FENCING, fence=replace(FENCING.fence, orders=1, round_orders=1))
    again = replace(shot, fence=replace(shot.fence, orders=2, round_orders=2))
    full = replace(AROUND, power_offs=spent)
    checked(shot, SHOT, before=FENCING)
    breaks("P6", shot, SHOT, before=FENCING, around=full)
    checked(replace(shot, word=WORD), SHOT, before=FENCING, around=full)
    checked(again, SHOT, before=shot, around=full)


def test_p6_quarantine() -> None:
    """A host that failed too often is neither fenced nor proven off without a human."""
    often = replace(AROUND, host_failures=3)
    shot = replace(FENCING, fence=replace(FENCING.fence, orders=1, round_orders=1))
    found = replace(FENCING, fence=replace(FENCING.fence, proofs=1))
    for after, effects in ((shot, (SHOT,)), (found, ())):
        checked(after, *effects, before=FENCING, around=replace(often, host_failures=2))
        breaks("P6", after, *effects, before=FENCING, around=often)
        checked(replace(after, word=WORD), *effects, before=FENCING, around=often)


def test_p8_no_silent_loss() -> None:
    """An instance whose disk may be local is ordered only if the operator said that it is not, or that it may be lost."""
    local = moving(replace(ORDERED, local_disk=True))
    breaks("P8", local, ORDER)
    checked(local, ORDER, policy=replace(POLICY, shared_storage=True))
    checked(local, ORDER, policy=replace(POLICY, local_disk=LocalDisk.REBUILD))


def test_every_broken_promise_is_named() -> None:
    """One decision may break several promises: the human who is paged reads all of them, and of which host."""
    with pytest.raises(Broken, match=r"recovery r1 of c1: P1: .*; P8: ") as broken:
        checked(moving(replace(ORDERED, local_disk=True), proof=proof(valid_until=NOW)), ORDER)
    assert isinstance(broken.value, AssertionError)
