"""Where a recovery stands, and how it ended."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a recovery stands. A phase with `is_wait` stands until a fact or a human ends it, and alerts again."""

    WITNESSING = "witnessing"
    UNWITNESSED = "unwitnessed"
    DISPUTED = "disputed"
    BRAKED = "braked"
    CAPPED = "capped"
    ASKING = "asking"
    FENCING = "fencing"
    UNPROVEN = "unproven"
    FORCING_DOWN = "forcing_down"
    PLANNING = "planning"
    MOVING = "moving"
    HELD = "held"
    HALTED = "halted"
    CANCELLING = "cancelling"
    STOPPED = "stopped"
    ENDED = "ended"

    @property
    def is_undecided(self) -> bool:
        """Tell whether it is not yet clear that the host is dead: no power-off was ordered, and none may be before that is known."""
        return self in _UNDECIDED

    @property
    def is_wait(self) -> bool:
        """Tell whether the recovery stands until a fact or a human lets it go on, and alerts meanwhile."""
        return self in _WAITS

    @property
    def asks_to_order(self) -> bool:
        """Tell whether a confirm begins a round of fencing."""
        return self in _ASKED_BEFORE

    @property
    def takes_confirm(self) -> bool:
        """Tell whether a human may end this phase with confirm or reject."""
        return self in _TAKES_CONFIRM


_ASKED_BEFORE = (Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.CAPPED, Phase.ASKING)
"""Waits before the first power-off in which a human's confirm begins a round of fencing."""

_UNDECIDED = (Phase.WITNESSING, Phase.FENCING, *_ASKED_BEFORE)
_TAKES_CONFIRM = (Phase.UNPROVEN, Phase.HELD, *_ASKED_BEFORE)
_WAITS = (*_TAKES_CONFIRM, Phase.HALTED, Phase.STOPPED)


class Outcome(Enum):
    """How a recovery ended."""

    RECOVERED = "recovered"
    NOTHING_TO_MOVE = "nothing_to_move"
    FAILED = "failed"
    FENCED = "fenced"
    REPORTED = "reported"
    REJECTED = "rejected"
    FALSE_ALARM = "false_alarm"
    RESTARTED = "restarted"
    LEFT_ALONE = "left_alone"
    DISABLED = "disabled"
    ENABLED = "enabled"
    SKIPPED = "skipped"
    ABSORBED = "absorbed"
