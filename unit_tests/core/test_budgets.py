"""Budgets and quarantine: what keeps one more host from being powered off, and what a human's word does to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import AROUND, POLICY, WORD, Hand, recovery, silent_witness
from unit_tests.core.test_fencing import ON, ordered
from vmha.core.budgets import PowerOffs, budgets, passed, quarantine, spent
from vmha.core.events import Ticked
from vmha.core.explain import Code
from vmha.core.model import Fence, Phase

SILENT = silent_witness()
FULL = (
    (PowerOffs(now=8), Code.POWER_OFFS_AT_ONCE),
    (PowerOffs(hour=60), Code.POWER_OFFS_PER_HOUR),
    (PowerOffs(hour_of_segment=30), Code.SEGMENT_POWER_OFFS_PER_HOUR),
)


@pytest.mark.parametrize(("others", "code"), FULL)
def test_a_budget_that_is_spent_is_named_with_its_numbers(others: PowerOffs, code: Code) -> None:
    """The last slot may be taken; without one the reason has what is counted and what is allowed; a human needs none."""
    state, around = recovery(Phase.WITNESSING), replace(AROUND, power_offs=others)
    reason = spent(state, around, POLICY)
    assert reason is not None
    assert reason.code is code
    facts = dict(reason.facts)
    assert facts["spent"] == facts["allowed"]
    fewer = PowerOffs(*(max(count - 1, 0) for count in (others.now, others.hour, others.hour_of_segment)))
    assert spent(state, replace(AROUND, power_offs=fewer), POLICY) is None
    assert spent(replace(state, word=WORD), around, POLICY) is None
    assert budgets(replace(state, word=WORD), POLICY) == ()


@pytest.mark.parametrize(("others", "code"), FULL)
def test_it_waits_for_a_slot_and_goes_on_by_itself(others: PowerOffs, code: Code) -> None:
    """With a witness and without a slot it waits; with a slot it looks at the witness anew and orders."""
    hand = Hand(state=recovery(Phase.WITNESSING, witness=SILENT, fence=Fence(readings=ON.readings)))
    hand.around = replace(AROUND, power_offs=others)
    assert not ordered(hand)
    assert (hand.state.phase, hand.state.reason.code) == (Phase.CAPPED, code)
    hand.around = AROUND
    assert ordered(hand)
    assert hand.state.phase is Phase.FENCING


def test_a_round_that_has_begun_is_not_cut_off() -> None:
    """Others may fill the budget meanwhile: the second order of a round leaves all the same."""
    begun = replace(ON, orders=1, round_orders=1, ordered_at=900.0)
    hand = Hand(state=recovery(Phase.FENCING, witness=SILENT, fence=begun))
    hand.around = replace(AROUND, power_offs=PowerOffs(now=8, hour=60, hour_of_segment=30))
    assert ordered(hand)


def test_quarantine_begins_with_the_third_failure_before() -> None:
    """Two failures before are none too many, three are; not for a human, and not in the middle of a recovery."""
    state, often = recovery(Phase.WITNESSING), replace(AROUND, host_failures=3)
    assert quarantine(state, replace(AROUND, host_failures=2), POLICY) is None
    reason = quarantine(state, often, POLICY)
    assert reason is not None
    assert dict(reason.facts) == {"host": "c1", "failures": "3", "seconds": "86400", "allowed": "3"}
    assert quarantine(replace(state, word=WORD), often, POLICY) is None
    assert quarantine(replace(state, fence=Fence(orders=1)), often, POLICY) is None
    assert quarantine(replace(state, fence=Fence(proofs=1)), often, POLICY) is None


def test_a_quarantine_is_not_over_by_itself() -> None:
    """Once it asks it stays, also when the failures of before have left the window."""
    hand = Hand(state=recovery(Phase.WITNESSING, witness=SILENT, fence=ON), around=replace(AROUND, host_failures=3))
    assert not ordered(hand)
    assert hand.state.phase is Phase.ASKING
    hand.around = AROUND
    hand.hear(Ticked())
    assert hand.state.phase is Phase.ASKING


def test_the_numbers_of_a_power_off_are_shown() -> None:
    """The line before the order has what is counted of each guard, and its bound."""
    around = replace(AROUND, power_offs=PowerOffs(now=1, hour=4, hour_of_segment=2), host_failures=1)
    facts = dict(passed(recovery(Phase.FENCING), around, POLICY).facts)
    assert [facts[name] for name in ("failures", "now", "hour", "segment", "before")] == ["1", "1", "4", "2", "1"]
    assert [facts[name] for name in ("allowed", "at_once", "per_hour", "per_segment", "quarantine")] == [
        "2",
        "8",
        "60",
        "30",
        "3",
    ]
