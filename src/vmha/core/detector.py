"""The detector's word in the place of a proof, for segments whose operator chose that (`policy: detector` in the fencing inventory).

Upstream acts on a monitor's `host_status` NORMAL alone. Here that word is taken once, for a host without a fence device that Nova does
not hear, and not beyond the brake. It is called what it is, no proof, wherever it is shown. It dies as a human's word does: by a
reading of ON, a heartbeat or its age; then a human is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import evidence
from vmha.core.evidence import View
from vmha.core.explain import Code
from vmha.core.model import PowerTrouble, Proof, Rung

if TYPE_CHECKING:
    from vmha.core.draft import Draft


def may_be_believed(draft: Draft) -> bool:
    """Tell whether the monitor's word is taken now. A BMC that ever gave a reading, or does not answer, is not overruled by it."""
    state, fence = draft.state, draft.state.fence
    return (
        state.detector is not None
        and draft.trusts_detector
        and fence.trouble is PowerTrouble.NO_DEVICE
        and fence.known is None
        and fence.proofs == 0
        and "power" not in state.checks
        and evidence.view(state.witness, draft.now, draft.policy) is View.SILENT
    )


def believe(draft: Draft) -> None:
    """Write down, in the place of a proof, that the word is acted on."""
    state, now = draft.state, draft.now
    silent_seconds = (state.witness.read_at or 0.0) - (state.witness.changed_at or 0.0)
    draft.say(
        Code.DETECTOR_BELIEVED,
        host=state.host,
        notification=state.detector.notification if state.detector else "",
        segment=draft.around.segment_name,
        seconds=silent_seconds,
    )
    word = Proof(
        uuid=draft.new_uuid,
        host=state.host,
        recovery=state.uuid,
        rung=Rung.DETECTOR,
        readings=(),
        established_at=now,
        read_at=now,
        valid_until=now + draft.policy.detector_word_valid_seconds,
        silent_seconds=silent_seconds,
    )
    evidence.establish(draft, word)
