"""What humans and monitors said, and what of it keeps a recovery from ordering anything."""

from __future__ import annotations

from dataclasses import dataclass

from vmha.core.explain import Reason
from vmha.core.phases import Phase


@dataclass(frozen=True, slots=True)
class HumanWord:
    """What a named human said of a recovery, and why.

    A confirm answers the question that stood in the phase `asked`, empty where nobody wrote that down, or says that the host `is_off`.
    """

    by: str
    why: str
    at: float
    asked: str = ""
    is_off: bool = False


@dataclass(frozen=True, slots=True)
class DetectorWord:
    """A monitor said with its notification that the host is off (host_status NORMAL): a text that nothing backs."""

    notification: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why a recovery orders nothing for now, a human's word or, without one, that it is disarmed; and where it goes on."""

    phase: Phase
    reason: Reason
    word: HumanWord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disarm:
    """An operator's order that nothing is ordered, until then or until it is taken back. `scope` names what it is for and
    `until_text` the end, both in words."""

    scope: str
    by: str
    why: str
    until: float
    until_text: str

    @property
    def facts(self) -> dict[str, str]:
        """Return who ordered it, for what, until when and why, as sentences take it."""
        return {"by": self.by, "scope": self.scope, "until": self.until_text, "why": self.why}
