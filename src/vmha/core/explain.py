"""Reasons as data: a code of the table in `codes.py`, and its facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.core.codes import Code as Code

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and its facts as texts, in the order in which they were given."""

    code: Code
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        """Say it in words."""
        return self.code.value.format(**dict(self.facts))


def because(code: Code, **facts: object) -> Reason:
    """Build a reason; numbers are rounded to a tenth, since nobody reads more at three in the morning."""
    return Reason(code, tuple((name, _text(value)) for name, value in facts.items()))


LONGEST_FACT = 500
"""Characters of one fact that are kept: an error from outside may quote a whole page."""


def _text(value: object) -> str:
    text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_FACT else f"{text[: LONGEST_FACT - 1]}…"


NAMED = 3
"""Instances that a sentence names; the others are counted."""


def names(found: Collection[str]) -> str:
    """Name a few of them."""
    shown = sorted(found)[:NAMED]
    return ", ".join(shown) + (", …" if len(found) > NAMED else "")
