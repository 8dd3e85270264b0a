"""What is left of a host that never comes back, and what is against clearing it away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import PRIOR, instance, migration
from vmha.core.explain import Code
from vmha.core.model import Power, ServiceReading
from vmha.core.retiring import Leftovers, judge
from vmha.core.returning import Known, Left, Past, Seen, Wish

NOW = 10_000.0
ANN = Wish(by="ann", why="burnt")
FAILED = Past(uuid="r1", ended_at=NOW - 600.0, was_proven_off=True, prior=PRIOR)
KNOWN = Known(host="c1", uuid="uuid-of-c1", now=NOW, on_maintenance=True, past=(FAILED,))
DOWN = ServiceReading(host="c1", heartbeat="b2", is_up=False, forced_down=True, disabled=True)
SEEN = Seen(service=DOWN, left=Left(), power=Power.OFF, address="10.0.0.1:623", watched_seconds=30.0)


def leftovers(
    known: Known = KNOWN,
    seen: Seen = SEEN,
    held: frozenset[str] = frozenset(),
    wish: Wish = ANN,
    *,
    is_in_inventory: bool = False,
) -> Leftovers:
    """Judge."""
    return judge(known, seen, held, wish, is_in_inventory=is_in_inventory, settle_seconds=15.0)


def left(**what: Any) -> Seen:
    """What was seen, with something left on the host."""
    return replace(SEEN, left=replace(Left(), **what))


def test_a_dead_and_empty_host_may_be_cleared_away() -> None:
    """Nova and Placement know it still, and nothing is against it."""
    found = leftovers()
    assert (found.against, found.holders, found.by_hand) == ((), (), ())
    assert (found.has_service, found.has_provider, found.record) == (True, True, "r1")


@pytest.mark.parametrize(
    ("known", "seen", "code"),
    [
        (replace(KNOWN, open=("r2", "held")), SEEN, Code.RETURN_RECOVERY_OPEN),
        (replace(KNOWN, past=(replace(FAILED, ended_at=NOW - 1.0),)), SEEN, Code.RETURN_TOO_SOON),
        (KNOWN, replace(SEEN, trouble="Nova is away"), Code.RETURN_NOVA_AWAY),
        (KNOWN, replace(SEEN, was_heard=True), Code.RETIRE_HEARD),
        (KNOWN, replace(SEEN, service=replace(DOWN, is_up=True)), Code.RETIRE_HEARD),
        (KNOWN, replace(SEEN, power=Power.ON), Code.RETIRE_READS_ON),
        (KNOWN, replace(SEEN, power=None, power_detail="no BMC"), Code.RETIRE_UNSEEN),
        (replace(KNOWN, claimed_by="r9"), SEEN, Code.RETURN_CLAIMED),
        (KNOWN, left(instances=(instance(),)), Code.RETIRE_NOT_EMPTY),
        (KNOWN, left(migrations=(migration(status="accepted"),)), Code.RETIRE_MOVING),
        (KNOWN, left(consumers=frozenset({"hidden"})), Code.RETURN_HIDDEN),
    ],
)
def test_one_reason_is_enough(known: Known, seen: Seen, code: Code) -> None:
    """Each of these alone leaves everything where it is."""
    assert [reason.code for reason in leftovers(known, seen).against] == [code]


def test_a_human_saw_that_the_machine_is_gone() -> None:
    """Without a reading a human's look counts; against a reading of ON, or a heartbeat, no word does."""
    looked = replace(ANN, inspected=True)
    assert leftovers(seen=replace(SEEN, power=None), wish=looked).against == ()
    assert leftovers(seen=replace(SEEN, power=Power.ON), wish=looked).against
    assert leftovers(seen=replace(SEEN, power=None, was_heard=True), wish=looked).against


def test_what_is_held_for_nothing() -> None:
    """What evacuated instances hold, and moves that are over; not an instance of the host, a live move, or what nobody knows."""
    done = migration(1, status="done", uuid="m1")
    over = migration(2, instance="i2", kind="live-migration", status="error", uuid="m2")
    alive = migration(3, instance="i3", kind="live-migration", status="running", uuid="m3")
    seen = left(
        instances=(instance("i9"),),
        migrations=(done, over, alive),
        consumers=frozenset({"i1", "i9", "gone"}),
        elsewhere=frozenset({"gone"}),
    )
    found = leftovers(seen=seen, held=frozenset({"i1", "i9", "gone", "m2", "m3"}))
    assert found.holders == ("i1", "m2")
    (rest,) = found.by_hand
    assert (rest.code, dict(rest.facts)["names"]) == (Code.RETIRE_ROOM, "gone, m3")


def test_what_is_gone_already() -> None:
    """A host whose service and provider are gone can still be taken out of its segment."""
    found = leftovers(seen=Seen(service=None, left=Left(consumers=None), power=None), wish=replace(ANN, inspected=True))
    assert (found.against, found.has_service, found.has_provider) == ((), False, False)


def test_the_inventory_is_a_humans() -> None:
    """A BMC that is still listed is named: nobody else may change that file."""
    assert [reason.code for reason in leftovers(is_in_inventory=True).by_hand] == [Code.RETIRE_INVENTORY]
