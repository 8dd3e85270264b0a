"""The traps that others fell into, each with the scenario that plays it or the reason why it does not apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent
TRAPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "peers.yaml").read_text())


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap["trap"])
def test_each_trap_is_played_or_does_not_apply(trap: dict[str, Any]) -> None:
    """A trap names scenarios that are there, or says in a sentence why none can play it."""
    assert set(trap) <= {"trap", "scenarios", "because"}
    missing = [name for name in trap.get("scenarios", ()) if not (FOLDER / f"{name}.scenario").is_file()]
    assert not missing
    assert trap.get("scenarios") or trap["because"].endswith(".")


def test_no_trap_stands_twice() -> None:
    """Twenty-five are known, and each has one entry."""
    assert len({trap["trap"] for trap in TRAPS}) == len(TRAPS) == 25
