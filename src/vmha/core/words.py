"""What a human may say of a recovery, by the verbs of API, command line and Juju actions, and in which phases it means something."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from vmha.core.events import Cancelled, Confirmed, Paused, Rejected, Resumed
from vmha.core.kinds import ENDED, STOPPED
from vmha.core.model import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.core.incidents import AnyPhase

AnyWord = Confirmed | Rejected | Paused | Resumed | Cancelled
Word = type[AnyWord]

WORDS: Mapping[str, Word] = {
    "confirm": Confirmed,
    "reject": Rejected,
    "pause": Paused,
    "resume": Resumed,
    "cancel": Cancelled,
}


def word(verb: str, *, by: str, why: str, is_off: bool = False) -> AnyWord:
    """Build what a human says; `is_off` belongs to a confirm."""
    return Confirmed(by=by, why=why, is_off=is_off) if verb == "confirm" else WORDS[verb](by=by, why=why)


PAST = {
    "confirm": "confirmed",
    "reject": "rejected",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}

OF_HOSTS = ("pause", "resume", "cancel")
"""What is said of recoveries of hosts alone. The others order one thing at a time, and are over within minutes."""


LONGEST_LINE = 255
"""Characters of a reason or a name: what is longer would be cut where it is shown."""


def is_line(text: str) -> bool:
    """Tell whether a name or a reason can be printed on one line of a timeline or a terminal: no line break, nothing that is not seen."""
    return all(is_printable(each) for each in text)


def is_printable(character: str) -> bool:
    """Tell whether a character is seen, or is a space."""
    category = unicodedata.category(character)
    return not category.startswith("C") and (category == "Zs" or not category.startswith("Z"))


def is_word(event: object) -> bool:
    """Tell whether it is something that a human said."""
    return isinstance(event, tuple(WORDS.values()))


def not_taken(verb: str, phase: AnyPhase) -> str | None:
    """Say why a word means nothing to a recovery in this phase; None where its engine will weigh it. None is taken after the end."""
    if phase in ENDED:
        return "it has ended"
    if verb in OF_HOSTS and not isinstance(phase, Phase):
        return f"it is no recovery of a host, and only such a one is {PAST[verb]}. Reject it, or disarm the host for a while"
    if verb in ("confirm", "pause", "cancel") and phase in STOPPED:
        return "it was stopped, since going on would break a promise, and orders nothing. Reject it"
    if verb == "confirm" and phase.name == "HALTED":
        return "it is paused or disarmed, and follows no confirm meanwhile. Resume it, or arm it, first"
    if verb == "confirm" and not phase.takes_confirm:
        waits = ", ".join(each.value for each in type(phase) if each.takes_confirm)
        return f"it is in phase {phase.value} and waits for no human. A confirm is taken in the phases {waits}"
    if verb == "resume" and phase is not Phase.HALTED:
        return f"it is in phase {phase.value}; only what is paused can go on"
    if verb in ("pause", "cancel") and phase is Phase.CANCELLING:
        return "it is cancelled already, and ends when what Nova works on has ended"
    return None
