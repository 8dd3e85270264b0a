"""What the store holds of budgets and quarantine, on each implementation: who gets a slot, how long it is his, what is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from unit_tests.ports.store_contract import own
from vmha.core.budgets import AT_ONCE, IN_ALL, Budget, PowerOffs, in_segment
from vmha.core.effects import PowerOff
from vmha.core.model import Fence, Outcome, Phase
from vmha.errors import ClaimRefused

if TYPE_CHECKING:
    from unit_tests.ports.store_contract import Owner, StoreRig
    from vmha.ports import Change

HOUR = 3600.0


def begins(owner: Owner, *, at_once: int = 9, hour: int = 9, segment: int = 9) -> Change:
    """A round of fencing begins."""
    known = (
        Budget(AT_ONCE, at_once, 90.0),
        Budget(IN_ALL, hour, HOUR),
        Budget(in_segment(owner.state.segment), segment, HOUR),
    )
    return replace(owner.change(phase=Phase.FENCING), budgets=known)


def fences(owner: Owner, orders: int = 1) -> None:
    """A round of fencing begins, orders the power-off, and is over."""
    owner.commit(begins(owner))
    owner.commit(phase=Phase.UNPROVEN, fence=Fence(orders=orders))


class GuardContract:
    """Slots of rounds that are under way, slots of the hour, and the failures of a host."""

    def test_a_round_takes_a_slot_of_each_budget(self, rig: StoreRig) -> None:
        """While a round is under way its slots count for others, for itself they do not; the segment's count in the segment only."""
        rig.add_host("c9", segment="another")
        owner, other, elsewhere = own(rig, "c1"), own(rig, "c2"), own(rig, "c9")
        owner.commit(begins(owner))
        assert owner.surroundings().power_offs == PowerOffs()
        assert other.surroundings().power_offs == PowerOffs(now=1, hour=1, hour_of_segment=1)
        assert elsewhere.surroundings().power_offs == PowerOffs(now=1, hour=1)

    @pytest.mark.parametrize("budget", ["at_once", "hour", "segment"])
    def test_a_budget_that_is_spent_refuses(self, rig: StoreRig, budget: str) -> None:
        """Without a slot in one of the budgets the round does not begin, and nothing is stored."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        owner.commit(begins(owner))
        before = rig.stored()
        with pytest.raises(ClaimRefused):
            other.commit(begins(other, **{budget: 1}))
        assert rig.stored() == before
        other.commit(begins(other, **{budget: 2}))

    def test_the_end_of_a_round_gives_back_what_it_did_not_use(self, rig: StoreRig) -> None:
        """After a round the next one may begin; of the hour it leaves nothing where no power-off was ordered."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        fences(owner, orders=0)
        assert other.surroundings().power_offs == PowerOffs()
        fences(owner, orders=1)
        assert other.surroundings().power_offs == PowerOffs(hour=1, hour_of_segment=1)
        other.commit(begins(other, at_once=1))

    def test_a_slot_of_the_hour_outlives_its_recovery_but_not_the_hour(self, rig: StoreRig) -> None:
        """A power-off counts for an hour, however its recovery ended."""
        owner = own(rig, "c1")
        fences(owner)
        owner.end()
        assert own(rig, "c2").surroundings().power_offs == PowerOffs(hour=1, hour_of_segment=1)
        rig.pass_time(HOUR)
        assert own(rig, "c3").surroundings().power_offs == PowerOffs()

    def test_a_slot_whose_time_is_over_is_taken_by_another(self, rig: StoreRig) -> None:
        """What an engine left that died in a round does not stand in the way for ever."""
        owner = own(rig, "c1")
        owner.commit(begins(owner))
        rig.pass_time(HOUR)
        other = own(rig, "c2")
        other.commit(begins(other, at_once=1, hour=1, segment=1))
        assert other.surroundings().power_offs == PowerOffs()

    def test_an_order_keeps_the_slots_of_its_round(self, rig: StoreRig) -> None:
        """A power-off needs no second slot and lets those of its round last anew: the hour begins with the last order."""
        owner, other = own(rig, "c1"), own(rig, "c2")
        owner.commit(begins(owner, at_once=1, hour=1, segment=1))
        rig.pass_time(5.0)
        again = begins(owner, at_once=1, hour=1, segment=1)
        owner.commit(replace(again, orders=(owner.order(PowerOff("c1", 1)),)))
        owner.commit(phase=Phase.UNPROVEN, fence=Fence(orders=1))
        owner.end()
        rig.pass_time(HOUR - 4.0)
        other = own(rig, "c3")
        assert other.surroundings().power_offs.hour == 1
        rig.pass_time(5.0)
        assert own(rig, "c1").surroundings().power_offs.hour == 0

    def test_earlier_failures_of_the_host_are_counted(self, rig: StoreRig) -> None:
        """What the host did before counts within the window, this failure and those of others do not."""
        own(rig, "c2").end()
        for earlier in range(2):
            owner = own(rig, "c1")
            assert owner.surroundings().host_failures == earlier
            owner.end()
            rig.pass_time(60.0)
        rig.pass_time(86_400.0 - 90.0)
        assert own(rig, "c1").surroundings().host_failures == 1

    @pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FALSE_ALARM])
    def test_what_was_no_failure_makes_no_quarantine(self, rig: StoreRig, outcome: Outcome) -> None:
        """A report that was wrong does not count."""
        own(rig, "c1").end(outcome)
        assert own(rig, "c1").surroundings().host_failures == 0

    def test_a_recovery_past_its_proof_asks_for_no_numbers(self, rig: StoreRig) -> None:
        """Where no round can begin any more nothing is counted: such a recovery decides many times a minute."""
        own(rig, "c1").end()
        owner, other = own(rig, "c1"), own(rig, "c2")
        other.commit(begins(other))
        owner.commit(phase=Phase.MOVING)
        around = owner.surroundings()
        assert (around.power_offs, around.host_failures) == (PowerOffs(), 0)
