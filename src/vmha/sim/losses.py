"""Which instances a recovery left behind that says it recovered them. Judged by the record alone, as `checker.py` does.

An instance is lost where its guest stopped because the host did, while Nova held it to be active there, and until the recovery ended
neither was a guest of it started anywhere, nor had its owner deleted or stopped it, nor did Nova hold it to be elsewhere. Instances
that were stopped, paused or in error when the host died are none of this: nothing of them ran. That a guest runs only once is the
checker's to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.model import Recovery
    from vmha.sim.record import Fact

DEATHS = ("power off", "crash")
"""Why a guest stops that nobody wanted to stop."""

OWNERS_ACTS = ("delete", "stop")
"""What an owner wants after which nobody need bring the guest back, though Nova may not have done it yet."""


def contradicted(recovery: Recovery, facts: Iterable[Fact]) -> list[str]:
    """Say which instances were lost by a recovery that has ended and does not name them as failed."""
    if recovery.outcome is None or recovery.ended_at is None:
        return []
    if recovery.outcome.value not in ("recovered", "nothing_to_move", "failed"):
        return []
    named = {move.instance for move in recovery.moves if move.status.value == "failed"}
    return [
        f"recovery of {recovery.host} ended as {recovery.outcome.value}, and {instance}, which was active there, runs nowhere"
        for instance in left_behind(facts, recovery.host, recovery.ended_at)
        if instance not in named
    ]


def left_behind(facts: Iterable[Fact], host: str, until: float) -> list[str]:
    """Name the instances that died on the host and were not brought back by a time."""
    held: dict[str, tuple[str, str]] = {}
    dead: set[str] = set()
    let_go: set[str] = set()
    for fact in facts:
        if fact["at"] > until:
            break
        instance = fact.get("instance")
        if instance is None:
            continue
        if fact["what"] == "server":
            held[instance] = (fact["host"], fact["vm_state"])
            if fact["host"] != host or fact["vm_state"] == "deleted":
                dead.discard(instance)
        elif fact["what"] == "guest" and fact["runs"]:
            dead.discard(instance)
        elif fact["what"] == "guest" and fact["host"] == host and fact["why"] in DEATHS:
            if held[instance] == (host, "active"):
                dead.add(instance)
        elif fact["what"] == "owner":
            (let_go.add if fact["act"] in OWNERS_ACTS else let_go.discard)(instance)
    return sorted(dead - let_go)
