"""The promise about reserved hosts, derived anew as those of `invariants.py` are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.effects import ReturnReserved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.core.draft import Decision
    from vmha.core.model import Recovery


def spares_go_back_unused(after: Recovery, decision: Decision[Recovery]) -> Iterator[str]:
    """P6: only a reserved host of its own is given back, and none where a guest is or may be."""
    for effect in decision.effects:
        if not isinstance(effect, ReturnReserved):
            continue
        if effect.host not in {entry.host for entry in after.reserved}:
            yield f"P6: {effect.key} of a host that was not taken"
        ends = [(move.destination, move.pinned, *move.suspects) for move in after.moves]
        if any(effect.host in each for each in ends) or any(not move.status.is_final for move in after.moves):
            yield f"P6: {effect.key} while a guest may be there"
