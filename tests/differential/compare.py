"""Finds what differs between two answers, and holds it against the file of differences that have a reason."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.differential.exchange import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.exchange import Answer

FILE = Path(__file__).with_name("differences.yaml")
_SHOWN = 300
"""Characters of a long answer that are enough to tell it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that one request was answered differently in: `status`, `header vary`, `body.segment.name`."""

    request: str
    where: str
    upstream: str
    ours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A difference of one request that stays, and why. In what the two answered `*` stands for any text."""

    reason: str
    request: str
    where: str
    upstream: str
    ours: str

    def covers(self, found: Difference) -> bool:
        """Tell whether this is what was found."""
        same = (found.request, found.where) == (self.request, self.where)
        return same and _fits(found.upstream, self.upstream) and _fits(found.ours, self.ours)


def accepted(path: Path = FILE) -> list[Accepted]:
    """Read the file of differences; an entry stands for each of its requests and places."""
    return [
        Accepted(
            reason=entry["reason"],
            request=request,
            where=where,
            upstream=str(entry["upstream"]),
            ours=str(entry["ours"]),
        )
        for entry in yaml.safe_load(path.read_text()) or []
        for each in entry["requests"]
        for request in expanded(each)
        for where in expanded(entry["where"])
    ]


def differences(request: str, upstream: Answer, ours: Answer) -> list[Difference]:
    """Compare two answers; where the status differs, bodies and their types are compared as a whole."""
    alike = upstream.status == ours.status
    pairs = list(_walk("body", upstream.body, ours.body)) if alike else [("answer", _summary(upstream), _summary(ours))]
    names = {*upstream.headers, *ours.headers} - (set() if alike else {"content-type"})
    sides = (upstream.headers, ours.headers)
    pairs += [(f"header {name}", *(headers.get(name, "nothing") for headers in sides)) for name in sorted(names)]
    return [
        Difference(request=request, where=where, upstream=_shown(left), ours=_shown(right))
        for where, left, right in pairs
        if json.dumps(left) != json.dumps(right)  # to Python True is 1
    ]


def _walk(where: str, upstream: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    """Go into what both have; of lists of different lengths take what only one has."""
    if isinstance(upstream, dict) and isinstance(ours, dict) and not upstream.keys().isdisjoint(ours):
        common = [name for name in upstream if name in ours]
        yield f"{where} order of keys", common, [name for name in ours if name in upstream]
        for name in common:
            yield from _walk(f"{where}.{name}", upstream[name], ours[name])
        for name in (*upstream, *ours):
            if name not in common:
                yield f"{where}.{name}", upstream.get(name, "nothing"), ours.get(name, "nothing")
    elif isinstance(upstream, list) and isinstance(ours, list) and len(upstream) != len(ours):
        left, right = (
            [each for each in one if each not in other] for one, other in ((upstream, ours), (ours, upstream))
        )
        yield (f"{where} only there", left, right) if left or right else (f"{where} only there", upstream, ours)
    elif isinstance(upstream, list) and isinstance(ours, list):
        for number, (left, right) in enumerate(zip(upstream, ours, strict=True)):
            yield from _walk(f"{where}.{number}", left, right)
    else:
        yield where, upstream, ours


def _summary(answer: Answer) -> str:
    return f"{answer.status} {answer.headers.get('content-type')} {_shown(answer.body)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _fits(text: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None
