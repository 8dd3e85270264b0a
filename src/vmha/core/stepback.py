"""Mends a state after the database's clock was set back: times to come stand in it, and by them nothing would be due, or over, for long.

Only a new owner does this (`TakenOver`): an engine that sees the clock jump gives up what it holds and claims it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.copying import replace
from vmha.core.explain import Code, because
from vmha.core.model import CLOCK_TOLERANCE_SECONDS

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.model import Move, Proof, Recovery, Witness


def forget_times_to_come(draft: Draft) -> None:
    """Let what happened have happened by now, watch Nova anew, and let the proof die that was read at a time to come."""
    state, now = draft.state, draft.now
    if max(_happened(state), default=now) <= now + CLOCK_TOLERANCE_SECONDS:
        return
    draft.change(
        opened_at=min(state.opened_at, now),
        phase_since=min(state.phase_since, now),
        alert_due=now,
        awaited_until=_by(now + draft.policy.proof_valid_seconds, state.awaited_until),
        witness=_watch_anew(state.witness, now),
        fence=replace(
            state.fence,
            ordered_at=_by(now, state.fence.ordered_at),
            round_started_at=_by(now, state.fence.round_started_at),
        ),
        moves=tuple(_move(move, now) for move in state.moves),
        reserved=tuple(replace(entry, doubted_at=_by(now, entry.doubted_at)) for entry in state.reserved),
    )
    if state.proof is not None and not state.proof.holds(now):
        _suspend(draft, state.proof)


def _happened(state: Recovery) -> list[float]:
    """Return the times at which something happened, as far as they are known: none of them can be later than now."""
    times = [state.phase_since, state.witness.read_at, state.witness.looked_at, state.fence.asked_at]
    times += [
        time for move in state.moves for time in (move.ordered_at, move.started_at, move.ended_at, move.no_room_since)
    ]
    times += [state.proof.read_at] if state.proof is not None else []
    return [time for time in times if time is not None]


def _watch_anew(witness: Witness, now: float) -> Witness:
    """Keep what Nova said and date it by now: a host that it heard is not forgotten, and its silence has to last once more."""
    changed_at = None if witness.changed_at is None else now
    dateless = replace(witness, read_at=None, looked_at=None, heard_since=None, peers=())
    return replace(dateless, changed_at=changed_at, watched_since=now)


def _by(latest: float, time: float | None) -> float | None:
    return None if time is None else min(time, latest)


def _move(move: Move, now: float) -> Move:
    return replace(
        move,
        ordered_at=_by(now, move.ordered_at),
        started_at=_by(now, move.started_at),
        ended_at=_by(now, move.ended_at),
        retry_at=_by(now, move.retry_at),
        no_room_since=_by(now, move.no_room_since),
    )


def _suspend(draft: Draft, proof: Proof) -> None:
    reason = because(Code.CLOCK_SET_BACK, host=draft.state.host, seconds=proof.read_at - draft.now)
    draft.lose_proof(reason)
