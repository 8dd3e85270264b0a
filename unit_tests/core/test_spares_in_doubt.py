"""A reserved host of which nobody knows whether it was enabled is looked at before the recovery ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, move, moving, power_is, proof
from vmha.adapters.db.records import spent_reserves
from vmha.core.effects import EnableReserved, ReturnReserved
from vmha.core.events import (
    Cancelled,
    OrderNotSent,
    ProgressRead,
    ReservedEnabled,
    ReservedFailed,
    ReservedKept,
    ReservedReturned,
    TakenOver,
    Ticked,
)
from vmha.core.explain import Code
from vmha.core.model import MoveStatus, Outcome, Power, RecoveryMethod, Reserved, ReservedStatus, Rung
from vmha.core.spares import MOST_RETURNS, next_due

ENABLING, READY, FAILED = ReservedStatus.ENABLING, ReservedStatus.READY, ReservedStatus.FAILED
LASTING = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
KEY = "enable-reserved:c5"
SETTLE = POLICY.answer_settle_seconds


def hand(*spares: Reserved, **changes: Any) -> Hand:
    """A recovery by reserved hosts whose one instance runs on c4, verified, but for what is to become of c5."""
    done = move(status=MoveStatus.MOVED, target="c4", destination="c4")
    known = {"method": RecoveryMethod.RESERVED_HOST, "proof": LASTING, "moves": (done,), "verified": True}
    state = moving(**(known | {"reserved": spares} | changes))
    return Hand(state=state, around=replace(AROUND, reserved_hosts=("c5",)))


def returns(decision: Any) -> list[ReturnReserved]:
    """The orders to give a host back."""
    return [each for each in decision.effects if isinstance(each, ReturnReserved)]


def test_one_whose_answer_got_lost_is_looked_at_once_it_has_settled() -> None:
    """The order may take effect late, so the look is late too; then it is a reserve again, and the recovery ends."""
    quiet = {f"{reading}_due": NOW + 900.0 for reading in ("heartbeat", "power", "nova", "survey", "alert")}
    now = hand(Reserved("c5", ENABLING), outstanding=frozenset({KEY}), **quiet)
    assert returns(now.hear(ReservedFailed(answers=KEY, host="c5", detail="timed out"))) == []
    assert spent_reserves(now.state) == ("c5",)
    assert now.state.wake_at == NOW + SETTLE
    assert returns(now.hear(Ticked(), after=SETTLE - 0.1)) == []
    assert now.state.outcome is None
    assert returns(now.hear(Ticked(), after=0.1)) == [ReturnReserved("c5", 1)]
    now.hear(ReservedReturned(answers="return-reserved:c5:1", host="c5"))
    assert now.state.outcome is Outcome.RECOVERED
    assert (now.state.given_back, spent_reserves(now.state)) == (("c5",), ())


def test_one_that_nova_refused_is_a_reserve_still() -> None:
    """Nothing was changed, so there is nothing to look at, and the end does not wait."""
    now = hand(Reserved("c5", ENABLING), outstanding=frozenset({KEY}))
    now.hear(ReservedFailed(answers=KEY, host="c5", detail="no such service", is_in_doubt=False))
    assert now.state.outcome is Outcome.RECOVERED
    assert spent_reserves(now.state) == ()


@pytest.mark.parametrize("status", [ENABLING, FAILED])
def test_one_that_cannot_be_looked_at_is_reported(status: ReservedStatus) -> None:
    """It is no reserve any more, and the way back of the failed host finds it."""
    now = hand(Reserved("c5", status, doubted_at=NOW - SETTLE))
    now.hear(Ticked())
    now.hear(ReservedKept(answers="return-reserved:c5:1", host="c5", detail="Nova is away"))
    assert now.state.outcome is Outcome.RECOVERED
    assert Code.SPARE_IN_DOUBT in now.said
    assert spent_reserves(now.state) == ("c5",)


def test_one_that_a_guest_is_on_is_reported_and_not_touched() -> None:
    """Nova chose it itself: it was enabled after all."""
    there = move(status=MoveStatus.MOVED, target=None, destination="c5")
    now = hand(Reserved("c5", FAILED, doubted_at=NOW - SETTLE), moves=(there,))
    assert returns(now.hear(Ticked())) == []
    assert now.state.outcome is Outcome.RECOVERED
    assert Code.SPARE_IN_DOUBT in now.said


def test_orders_that_never_leave_end_in_words() -> None:
    """What was not looked at stays no reserve, and is said to."""
    for spare in (Reserved("c5", READY), Reserved("c5", FAILED, doubted_at=NOW - SETTLE)):
        now = hand(spare)
        now.hear(Ticked())
        for number in range(1, MOST_RETURNS + 1):
            now.hear(OrderNotSent(answers=f"return-reserved:c5:{number}", instance=None, detail="late"), after=1.0)
        assert now.state.outcome is Outcome.RECOVERED
        assert {Code.SPARE_KEPT, Code.SPARE_IN_DOUBT} & set(now.said)
        assert spent_reserves(now.state) == ("c5",)


def test_a_giving_back_without_an_answer_is_given_again() -> None:
    """Nova may have disabled it: it is looked at after a while, and only what is then found on it keeps it in service."""
    now = hand(Reserved("c5", READY))
    assert returns(now.hear(Ticked())) == [ReturnReserved("c5", 1)]
    lost = ReservedKept(answers="return-reserved:c5:1", host="c5", detail="Nova is away", is_unclear=True)
    assert returns(now.hear(lost)) == []
    assert now.state.outcome is None
    assert returns(now.hear(Ticked(), after=SETTLE)) == [ReturnReserved("c5", 2)]
    now.hear(ReservedKept(answers="return-reserved:c5:2", host="c5", detail="1 instances are on it"))
    assert Code.SPARE_KEPT in now.said
    assert now.state.outcome is Outcome.RECOVERED


def test_the_end_waits_for_an_order_that_is_under_way() -> None:
    """All instances are settled while a host is being enabled: it is not left behind, enabled and reserved."""
    now = hand(Reserved("c5", ENABLING), outstanding=frozenset({KEY}))
    now.hear(Ticked())
    assert now.state.outcome is None
    assert returns(now.hear(ReservedEnabled(answers=KEY, host="c5"))) == [ReturnReserved("c5", 1)]


def take_over(now: Hand) -> Any:
    """Let another engine read what a new owner has to read first."""
    now.hear(TakenOver(engine="engine-2", before="engine-1"))
    now.hear(power_is(Power.OFF), after=0.1)
    return now.hear(ProgressRead(answers="progress", migrations=(), instances=()), after=0.1)


def test_a_successor_enables_it_again_where_it_is_wanted() -> None:
    """The order may be given twice; its predecessor's answer will not come."""
    now = hand(Reserved("c5", ENABLING), moves=(move(unlisted_since=None),), outstanding=frozenset({KEY}))
    now.hear(TakenOver(engine="engine-2", before="engine-1"))
    now.state = replace(now.state, checks=frozenset())
    assert now.state.reserved == (Reserved("c5", ENABLING, doubted_at=NOW),)
    assert EnableReserved("c5") not in now.hear(Ticked()).effects
    assert EnableReserved("c5") in now.hear(Ticked(), after=POLICY.power_read_spacing_seconds).effects
    now.hear(OrderNotSent(answers=KEY, instance=None, detail="the database is away"))
    assert now.state.reserved == (Reserved("c5", ENABLING, doubted_at=now.now),)
    assert EnableReserved("c5") in now.hear(Ticked(), after=POLICY.power_read_spacing_seconds).effects
    now.hear(ReservedEnabled(answers=KEY, host="c5"))
    assert now.state.reserved == (Reserved("c5", READY),)


def test_a_successor_looks_at_it_where_it_is_not_wanted() -> None:
    """What was ordered before it came may have taken effect."""
    now = hand(Reserved("c5", ENABLING), outstanding=frozenset({KEY}))
    take_over(now)
    assert now.state.outcome is None
    assert returns(now.hear(Ticked(), after=SETTLE)) == [ReturnReserved("c5", 1)]


def test_a_cancelled_recovery_leaves_it_to_the_way_back() -> None:
    """It orders nothing any more: what may be enabled is no reserve, and the way back of the failed host looks at it."""
    now = hand(Reserved("c5", ENABLING), outstanding=frozenset({KEY}))
    now.hear(Cancelled(by="ann", why="enough"))
    assert now.state.outcome is Outcome.REJECTED
    assert spent_reserves(now.state) == ("c5",)


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    """A doubt that began at a time to come began now."""
    ahead = NOW + 5000.0
    now = hand(Reserved("c5", FAILED, doubted_at=ahead), phase_since=ahead)
    now.hear(TakenOver(engine="engine-1", before="engine-1"))
    assert [entry.doubted_at for entry in now.state.reserved] == [NOW]
    assert next_due(now.state, POLICY) == (NOW + SETTLE,)
