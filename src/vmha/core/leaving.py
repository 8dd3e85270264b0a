"""The last steps of a host that is fenced and not evacuated (`power_off` in recovery.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import doubts, moving
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
    doubts.leave(
        draft, lambda move: because(Code.NOT_EVACUATED, name=move.name, instance=move.instance, segment=segment)
    )
    moving.follow(draft)
    if not doubts.is_settled(draft):
        return
    state = draft.state
    left = sum(move.status is MoveStatus.SKIPPED for move in state.moves)
    reason = because(Code.ONLY_FENCED, host=state.host, left=left, segment=segment)
    if unclear := doubts.in_doubt(state, draft.around.proven_off):
        facts, count = {"host": state.host}, len(unclear)
        places = doubts.places(unclear)
        reason = because(Code.ONLY_FENCED_IN_DOUBT, **facts, left=left, segment=segment, count=count, places=places)
    draft.end(Outcome.FENCED, reason)
