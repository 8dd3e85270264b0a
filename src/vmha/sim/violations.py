"""What a checker blames a run for: kinds of broken promises, and one of them with its time and place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# Callers who are no engine: humans, and the BMC's side of IPMI, which cannot know who speaks to it.
OUTSIDERS = frozenset({"operator", "owner", "ipmi"})


class Kind(Enum):
    """What was done wrong."""

    TWO_GUESTS = "two_guests"
    SOURCE_WAS_ON = "source_was_on"
    LATE_ORDER = "late_order"
    CAME_BACK = "came_back"
    NO_PROOF = "no_proof"
    HEALTHY_HOST_SHOT = "healthy_host_shot"
    EVACUATED_TWICE = "evacuated_twice"
    OTHERS_SERVICE = "others_service"
    GUEST_IN_MOVE = "guest_in_move"
    GUEST_ON_DOWN_HOST = "guest_on_down_host"
    TOO_MANY_STARTS = "too_many_starts"
    STALE_OWNER = "stale_owner"
    LET_BACK_EARLY = "let_back_early"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken promise: when, on which host, and what happened as a sentence."""

    kind: Kind
    at: float
    host: str
    sentence: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.at:.1f} s: {self.sentence} ({self.kind.value})"


def is_outsider(caller: str) -> bool:
    """Tell whether this is no engine. Over HTTP that is known by the product in its User-Agent, such as "openstacksdk/4.22.0"."""
    return caller in OUTSIDERS or "/" in caller
