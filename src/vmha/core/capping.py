"""The waits at the guards that no single failure explains: a budget that is spent, and what only a human may let go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import evidence, fencing
from vmha.core.budgets import spent
from vmha.core.evidence import View
from vmha.core.explain import Code, because
from vmha.core.model import Phase
from vmha.core.workflows import confirm_wanted

if TYPE_CHECKING:
    from vmha.core.draft import Draft


def capped(draft: Draft) -> None:
    """Wait until others have given a slot back; a host that reads OFF needs none, and one that Nova hears was no failure."""
    if fencing.proven(draft):
        return
    if evidence.view(draft.state.witness, draft.now, draft.policy) is View.ALIVE:
        fencing.dispute(draft)
    elif reason := spent(draft.state, draft.around, draft.policy):
        draft.enter(Phase.CAPPED, reason)
    else:
        draft.enter(Phase.WITNESSING, draft.say(Code.BUDGET_FREE, host=draft.state.host))


def asking(draft: Draft) -> None:
    """Wait for a human, whatever the power reads; a host that Nova hears was no failure."""
    is_by_choice = draft.state.reason.code is Code.CONFIRM_WANTED
    if evidence.view(draft.state.witness, draft.now, draft.policy) is View.ALIVE:
        fencing.dispute(draft)
    elif is_by_choice and confirm_wanted(draft.state, draft.around, draft.policy) is None:
        # An engine that was started since was told otherwise.
        draft.enter(Phase.WITNESSING, because(Code.OPENED, host=draft.state.host))
