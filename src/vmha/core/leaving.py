"""The last steps of a host that is fenced and not evacuated (`power_off` in recovery.yaml)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core import moving
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus, Outcome
from vmha.core.workflows import Failure, Workflow, workflow

if TYPE_CHECKING:
    from vmha.core.draft import Draft


def moving_or_leaving(draft: Draft) -> None:
    """Move the instances, or leave them where they are."""
    if workflow(Failure.HOST, draft.around, draft.policy) is Workflow.POWER_OFF:
        _leave(draft)
    else:
        moving.moving(draft)


def _leave(draft: Draft) -> None:
    """Evacuate nothing, follow what Nova works on all the same, and end."""
    segment = draft.around.segment_name
    for move in draft.state.moves:
        if not (move.status.is_final or move.status.is_in_flight or move.status is MoveStatus.LANDED):
            reason = because(Code.NOT_EVACUATED, name=move.name, instance=move.instance, segment=segment)
            draft.put(replace(move, status=MoveStatus.SKIPPED, ended_at=draft.now, reason=reason))
    moving.follow(draft)
    moves = draft.state.moves
    if all(move.status.is_final for move in moves):
        left = sum(move.status is MoveStatus.SKIPPED for move in moves)
        reason = because(Code.ONLY_FENCED, host=draft.state.host, left=left, segment=segment)
        draft.end(Outcome.FENCED, reason)
