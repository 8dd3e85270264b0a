"""Has the cause found for each instance that could not be moved, before the recovery ends.

Rules: Nova is asked only about orders of ours that failed or stalled, once for each, a few at a time and about no more than `MOST_ASKED`
instances; what is beyond that, or was never ordered, is classified by what is known. A diagnosis orders nothing, and goes when the
instance goes on after all.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vmha.core.causes import Cause
from vmha.core.copying import replace
from vmha.core.diagnosis import classify, diagnosed
from vmha.core.draft import SELF_MENDING
from vmha.core.effects import ExamineInstance
from vmha.core.explain import Code
from vmha.core.model import MoveStatus, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmha.core.causes import Diagnosis
    from vmha.core.draft import Draft
    from vmha.core.events import InstanceExamined
    from vmha.core.model import Move, Recovery

MOST_ASKED = 50
"""Instances of one recovery that Nova and Placement are asked about: some nine questions each. What fails by the hundred has one cause."""

AT_ONCE = 2
"""Instances that are asked about at the same time: moves and readings of power go first."""

SETTLE_SECONDS = 5.0
"""Nova ends the record of a failed evacuation first, and writes the fault and the end of the event afterwards."""

LOST = (MoveStatus.FAILED, MoveStatus.STALLED)


def examined(draft: Draft, event: InstanceExamined) -> None:
    """Find the cause with what Nova brought."""
    move = next((move for move in draft.state.moves if move.instance == event.instance), None)
    if move is None or event.answers != _question(draft, move).key or move.diagnosis is not None:
        return
    found = classify(move, event.findings, move_seconds=draft.policy.move_seconds)
    if event.findings is None:
        found = replace(found, evidence=(*found.evidence, f"Nova was asked in vain: {event.detail}"))
    _tell(draft, move, replace(found, is_asked=True))


def look(draft: Draft) -> bool:
    """Ask for evidence where it is wanted, and classify what needs none. Tell whether a failed instance got its cause without a question."""
    state = draft.state
    for move in state.moves:
        if move.status not in LOST:
            _by_itself(draft, move)
    lost = [move for move in state.moves if move.status in LOST and move.diagnosis is None]
    if not lost:
        return False
    asked = sum(move.diagnosis is not None and move.diagnosis.is_asked for move in state.moves)
    under_way = {key for key in state.outstanding if key.startswith(ExamineInstance.prefix)}
    may_ask = state.phase is not Phase.ENDED
    settled = False
    for move in lost:
        if _question(draft, move).key not in under_way:
            if may_ask and move.attempts and asked + len(under_way) < MOST_ASKED:
                if len(under_way) < AT_ONCE and _settles_at(move) <= draft.now:
                    effect = _question(draft, move)
                    draft.ask(effect)
                    under_way.add(effect.key)
            else:
                _tell(draft, move, classify(move, None, move_seconds=draft.policy.move_seconds))
                settled = True
    return settled


def _question(draft: Draft, move: Move) -> ExamineInstance:
    return ExamineInstance(
        instance=move.instance, source=draft.state.host, target=move.target, status=move.status.value
    )


def keep(before: Move, after: Move) -> Move:
    """Keep the diagnosis of an instance that is ruled on anew and still stalled by the same hosts."""
    is_same = (after.status, after.suspects) == (before.status, before.suspects)
    return replace(after, diagnosis=before.diagnosis) if is_same else after


def next_due(state: Recovery) -> list[float]:
    """Return when instances that just failed may be asked about."""
    return [_settles_at(move) for move in state.moves if move.status is MoveStatus.FAILED and move.diagnosis is None]


def _settles_at(move: Move) -> float:
    return (move.ended_at or 0.0) + (SETTLE_SECONDS if move.status is MoveStatus.FAILED else 0.0)


def is_open(state: Recovery) -> bool:
    """Tell whether the cause of a failed instance is still being looked for."""
    return any(move.status is MoveStatus.FAILED and move.diagnosis is None for move in state.moves)


def _by_itself(draft: Draft, move: Move) -> None:
    """Say the cause of what only waits, and forget that of what goes on."""
    state = draft.state
    if move.status not in (MoveStatus.HELD, MoveStatus.PENDING) and move.diagnosis is None:
        return
    if state.phase is Phase.ENDED and move.status is not MoveStatus.HELD:
        return
    found: Diagnosis | None = None
    if move.status is MoveStatus.HELD:
        found = classify(move, None, move_seconds=draft.policy.move_seconds)
    elif move.status is MoveStatus.PENDING and state.phase is Phase.UNPROVEN and state.reason.code not in SELF_MENDING:
        found = diagnosed(
            Cause.FENCING_GAP, f"{state.host} is not proven off any more ({state.reason.code.name.lower()})"
        )
    if found != move.diagnosis:
        draft.put(replace(move, diagnosis=found))


def _tell(draft: Draft, move: Move, found: Diagnosis) -> None:
    draft.put(replace(move, diagnosis=found))
    draft.say(
        Code.DIAGNOSED,
        name=move.name,
        instance=move.instance,
        cause=found.cause.value,
        evidence="; ".join(found.evidence),
        next=found.next_step,
    )


def summary(moves: Sequence[Move]) -> str:
    """Count the causes, the most frequent first, and quote the first instance: for the one sentence that a notification has."""
    causes = Counter(move.diagnosis.cause.value for move in moves if move.diagnosis is not None)
    counted = ", ".join(f"{cause} {number}" for cause, number in causes.most_common())
    words = moves[0].words or ""
    return f"{counted}; first: {words}" if counted and len(moves) > 1 else words
