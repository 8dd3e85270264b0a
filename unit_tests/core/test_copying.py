"""`copying.replace` does what `dataclasses.replace` does, on every noun that the core copies."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError

import pytest

from unit_tests.core.states import recovery
from vmha.core import copying
from vmha.core.model import Fence, Move, MoveStatus, Phase, Witness

MOVE = Move(instance="i", name="vm1", vm_state="active", status=MoveStatus.PENDING)
"""Any move."""


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (Witness(heartbeat="a"), {"heartbeat": "b", "advances": 2}),
        (Fence(orders=1), {"rounds": 3}),
        (MOVE, {"status": MoveStatus.MOVED, "suspects": ("c2",)}),
        (MOVE, {}),
    ],
)
def test_it_gives_the_same_copy(before: object, changes: dict[str, object]) -> None:
    """The copy is equal to the one that the standard library makes, of the same class, and another object."""
    after = copying.replace(before, **changes)
    assert (type(after), after) == (type(before), dataclasses.replace(before, **changes))  # type: ignore[type-var]
    assert after is not before


def test_the_copy_is_frozen_and_the_original_untouched() -> None:
    """What was copied stays as it was, and nobody can write into the copy."""
    before = recovery()
    after = copying.replace(before, phase=Phase.MOVING)
    assert (before.phase is Phase.MOVING, after.phase) == (False, Phase.MOVING)
    with pytest.raises(FrozenInstanceError):
        after.phase = Phase.ENDED  # type: ignore[misc]


def test_a_field_that_there_is_not_is_refused() -> None:
    """A name that is mistyped does not pass in silence."""
    with pytest.raises(KeyError):
        copying.replace(MOVE, sttaus=MoveStatus.MOVED)
