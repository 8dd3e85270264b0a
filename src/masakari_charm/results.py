"""The results of actions: a sentence `outcome` and texts for a terminal, and everything for a program as one string `json`.

A result is an argument of Juju's tool action-set, and Linux takes none of more than 128 KiB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

RESULT_BYTES = 100_000
"""The longest that one result may be, with room for its name."""


def text(lines: Iterable[str]) -> str:
    """Return lines as one text. What would be too long ends with how many lines were left out."""
    kept: list[str] = []
    left_out, size = 0, 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > RESULT_BYTES:
            left_out += 1
        else:
            kept.append(line)
    if left_out:
        kept.append(f"… and {left_out} lines more")
    return "\n".join(kept) or "none"


def for_program(value: Any, *, otherwise: str) -> dict[str, str]:
    """Return the whole as the result `json`; where it is too long the result `json-left-out` says which command prints it."""
    whole = json.dumps(value, separators=(",", ":"))
    if len(whole) <= RESULT_BYTES:
        return {"json": whole}
    return {"json-left-out": f"too long for Juju; run on the unit: sudo -u masakari {otherwise}"}
