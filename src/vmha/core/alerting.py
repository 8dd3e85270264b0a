"""What humans are told and how urgent it is, and when an alert that a webhook did not take is tried again.

Rules: there is one incident for each recovery, and every alert of it names that; a wait is told once and then reminded of; an alert is
tried until it was taken or has grown too old, with pauses that grow up to a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code
from vmha.core.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.effects import Effect
    from vmha.core.incidents import AnyPhase, Incident


class Severity(Enum):
    """How urgent an alert is: somebody must act now, somebody should look today, or nobody has to."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


def alerts_of(before: Incident, after: Incident, effects: Iterable[Effect]) -> tuple[Alert, ...]:
    """Return what is to be told of one step: its alerts, and where somebody was told that the recovery does not go on, that it does."""
    told = tuple(effect for effect in effects if isinstance(effect, Alert))
    were_told = before.told is not None or any(alert.kind in (AlertKind.WAITS, AlertKind.HINDERED) for alert in told)
    if were_told and after.told is None and after.phase.name not in ("STOPPED", "ENDED"):
        return (*told, Alert(after.host, after.reason, AlertKind.RESUMED))
    return told


LEFT_TO_HUMANS = (Outcome.FAILED, Outcome.FENCED, Outcome.REPORTED)
"""Endings after which something does not run, and nobody here does anything about it."""

GRAVE_ENDS = (
    Code.REJECTED_POWERED_OFF,
    Code.CANCELLED_POWERED_OFF,
    Code.REJECTED_IN_DOUBT,
    Code.CANCELLED_IN_DOUBT,
)
"""Ends by a human's word that leave more behind than that human may know: a host that is off, a guest that may run twice."""

_SEVERITIES = {
    AlertKind.OPENED: Severity.WARNING,
    AlertKind.WAITS: Severity.CRITICAL,
    AlertKind.HINDERED: Severity.WARNING,
    AlertKind.RESUMED: Severity.INFO,
    AlertKind.REFUSED: Severity.WARNING,
    AlertKind.STOPPED: Severity.CRITICAL,
    AlertKind.ARMED: Severity.WARNING,
    AlertKind.TEST: Severity.INFO,
}


def severity(kind: AlertKind, phase: AnyPhase, outcome: Outcome | None, code: Code) -> Severity:
    """Say how urgent an alert is. A reminder is as urgent as what it reminds of, an end is where instances were left behind."""
    match kind:
        case AlertKind.REMINDER:
            return Severity.CRITICAL if phase.is_wait else Severity.WARNING
        case AlertKind.ENDED:
            return Severity.CRITICAL if outcome in LEFT_TO_HUMANS or code in GRAVE_ENDS else Severity.INFO
        case _:
            return _SEVERITIES[kind]


def needs_human(kind: AlertKind, phase: AnyPhase) -> bool:
    """Tell whether the recovery may not go on before a human does something."""
    return kind in (AlertKind.WAITS, AlertKind.STOPPED) or (kind is AlertKind.REMINDER and phase.is_wait)


CLAIM_MARGIN_SECONDS = 5.0
"""How much longer than its call a delivery stays with the engine that took it: what storing the outcome takes, and some more."""

LONGEST_CLAIM_SECONDS = 60.0 + CLAIM_MARGIN_SECONDS
"""The longest call that `[alerts] post_seconds` allows, and the margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTerms:
    """The pause after a first failure, doubled after each further one up to the longest, and the age at which an alert is given up."""

    retry_seconds: float = 5.0
    longest_retry_seconds: float = 300.0
    give_up_seconds: float = 21_600.0

    @property
    def longest_wait_seconds(self) -> float:
        """Bound how far ahead a delivery can be due: the longest pause, or the longest call of an engine with other settings."""
        return max(self.longest_retry_seconds, LONGEST_CLAIM_SECONDS)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The webhook took the alert."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A reminder that was not sent, since a younger alert of the same incident says how it stands now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """The webhook did not take it; it is sent again after a pause."""

    why: str
    pause_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """It is too old to be sent again."""

    why: str


Verdict = Delivered | Overtaken | TryAgain | GivenUp


def after_failure(why: str, *, attempt: int, age_seconds: float, terms: RetryTerms) -> TryAgain | GivenUp:
    """Decide on an alert of this age that failed for the `attempt`-th time (the first is 1)."""
    # No exponent above what any bound allows: 2 to the thousandth is no float.
    pause = min(terms.retry_seconds * 2.0 ** min(attempt - 1, 32), terms.longest_retry_seconds)
    if age_seconds + pause > terms.give_up_seconds:
        return GivenUp(why=why)
    return TryAgain(why=why, pause_seconds=pause)
