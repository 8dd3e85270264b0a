"""What is heard first of the facts in hand."""

from __future__ import annotations

from unit_tests.core.states import NOW, Hand, off_twice, recovery, silent_witness
from vmha.core.effects import ForceDown
from vmha.core.events import Event, Notified, PowerRead, TakenOver
from vmha.core.explain import Code, because
from vmha.core.kinds import turn
from vmha.core.model import Fence, Halt, Phase, Power


def test_that_all_has_to_be_read_anew_is_heard_before_reports_and_these_before_answers() -> None:
    """Whatever came first."""
    facts: list[Event] = [PowerRead(answers="power", power=Power.OFF, address=""), Notified(notification="n2")]
    assert sorted([*facts, TakenOver(engine="e2", before="e1")], key=turn) == [
        TakenOver(engine="e2", before="e1"),
        *facts[::-1],
    ]


def test_a_new_owner_orders_nothing_by_what_the_one_before_read() -> None:
    """Armed again and reported anew in the same moment: the two readings of OFF are another engine's, and the host may be on again."""
    halt = Halt(phase=Phase.WITNESSING, reason=because(Code.OPENED, host="c1"))
    fence = Fence(readings=off_twice(), known=Power.OFF, was_off=True)
    hand = Hand(state=recovery(Phase.HALTED, halt=halt, witness=silent_witness(), fence=fence, power_due=NOW + 60.0))
    facts: list[Event] = [Notified(notification="n2"), TakenOver(engine="e2", before="e1")]
    ordered = [effect for event in sorted(facts, key=turn) for effect in hand.hear(event).effects]
    assert not any(isinstance(effect, ForceDown) for effect in ordered)
    assert hand.state.proof is None
