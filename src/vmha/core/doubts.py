"""Where a guest may be of which nobody here will say more: what a recovery tells that ends before its moves are settled.

Rule: an instance is left behind only where no guest of it may be elsewhere (P2). Who reads that it was left behind evacuates it by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import diagnosing
from vmha.core.copying import replace
from vmha.core.explain import Code
from vmha.core.model import MoveStatus
from vmha.core.targets import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.draft import Draft
    from vmha.core.explain import Reason
    from vmha.core.model import Move, Recovery

MOST_NAMED = 3
"""Instances that the one sentence of an end names; the list of instances has them all."""


def leave(draft: Draft, why: Callable[[Move], Reason]) -> None:
    """Order nothing more: skip what stands on the host alone, give to a human what may run elsewhere. What Nova works on is not touched."""
    for move in draft.state.moves:
        if move.status.is_final or move.status.is_in_flight or move.status is MoveStatus.LANDED:
            continue
        hosts = _elsewhere(move, draft.around.proven_off)
        if hosts:
            reason = draft.say(Code.LEFT_IN_DOUBT, suspects=", ".join(hosts), why=why(move).sentence)
            # What was found of a move that hangs stays true; what was found of one that waited does not.
            found = move.diagnosis if move.status is MoveStatus.STALLED else None
            given_up = replace(move, status=MoveStatus.FAILED, suspects=hosts, ended_at=draft.now, reason=reason)
            draft.put(replace(given_up, diagnosis=found))
        else:
            draft.put(replace(move, status=MoveStatus.SKIPPED, ended_at=draft.now, reason=why(move)))


def is_settled(draft: Draft) -> bool:
    """Tell whether nothing is left to follow, nor a cause to be found."""
    return all(move.status.is_final for move in draft.state.moves) and not diagnosing.is_open(draft.state)


def in_doubt(state: Recovery, proven_off: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Return the instances, by name, of which a guest may be elsewhere, and where: those given up so, and those that are not over."""
    found = {move.name: _elsewhere(move, proven_off) for move in state.moves}
    return {name: hosts for name, hosts in found.items() if hosts}


def places(doubts: dict[str, tuple[str, ...]]) -> str:
    """Say in words where which guest may be."""
    said = [f"{name} on {' or '.join(hosts)}" for name, hosts in list(doubts.items())[:MOST_NAMED]]
    more = len(doubts) - len(said)
    return ", ".join(said) + (f", and {more} more" if more else "")


def _elsewhere(move: Move, proven_off: frozenset[str]) -> tuple[str, ...]:
    """Name the hosts that may hold a guest of the instance beside its own, and are not proven off."""
    hosts: set[str | None] = set()
    if move.status is MoveStatus.STALLED or (move.reason is not None and move.reason.code is Code.LEFT_IN_DOUBT):
        hosts |= set(move.suspects) or {UNNAMED}
    elif move.status.is_in_flight or move.status is MoveStatus.LANDED:
        hosts.add(move.destination or move.target or UNNAMED)
    if not move.status.is_final:
        hosts.add(move.pinned)
    return tuple(sorted(host for host in hosts - proven_off if host))
