"""What the checker holds against engines that stop and start guests where they are, by the record alone.

* GUEST_IN_MOVE: Nova took an engine's order for a guest while a migration of its instance was not over.
* GUEST_ON_DOWN_HOST: the same on a host whose service an engine had forced down: it was being recovered, or is not back yet.
* TOO_MANY_STARTS: a guest of the same instance ran by an engine's start for the fourth time within an hour.
* STALE_OWNER: an engine gave such an order after another one had taken the incident over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.sim.violations import Kind, Violation, is_outsider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.sim.record import Fact

OVER = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})
STARTS_PER_HOUR = 3
"""The service's own default."""
HOUR_SECONDS = 3600.0
STARTED = "started by "
"""How a guest's start that somebody ordered is told; the rest is who."""


class GuestRules:
    """Hears one fact after the other."""

    def __init__(self) -> None:
        self._moves: dict[str, set[int]] = {}
        self._down: set[str] = set()
        self._starts: dict[str, list[float]] = {}
        self._owners: dict[str, str] = {}
        self._former: dict[str, set[str]] = {}

    def hear(self, fact: Fact) -> Iterator[Violation]:
        """Take one more fact into account, and yield what it breaks."""
        match fact["what"]:
            case "migration":
                moves = self._moves.setdefault(fact["instance"], set())
                (moves.discard if fact["status"] in OVER else moves.add)(fact["migration"])
            case "service":
                self._hear_service(fact)
            case "claim" if fact.get("subject") is not None:
                self._own(fact["subject"], fact["engine"])
            case "order" if fact["outcome"] == "taken" and not is_outsider(fact["caller"]):
                yield from self._judge(fact)
            case "guest" if (
                fact["runs"] and fact["why"].startswith(STARTED) and not is_outsider(fact["why"].removeprefix(STARTED))
            ):
                yield from self._count(fact)
            case _:
                return

    def _hear_service(self, fact: Fact) -> None:
        if not fact["forced_down"]:
            self._down.discard(fact["host"])
        elif fact["orders_down"] and not is_outsider(fact["caller"]):
            self._down.add(fact["host"])

    def _judge(self, fact: Fact) -> Iterator[Violation]:
        instance, host, caller = fact["instance"], fact["host"], fact["caller"]
        what = f"Nova took the {fact['order']} of {instance} by {caller}"
        if self._moves.get(instance):
            sentence = f"{what} while migration {min(self._moves[instance])} was not over"
            yield Violation(kind=Kind.GUEST_IN_MOVE, at=fact["at"], host=host, sentence=sentence)
        if host in self._down:
            sentence = f"{what} on {host}, which an engine had forced down"
            yield Violation(kind=Kind.GUEST_ON_DOWN_HOST, at=fact["at"], host=host, sentence=sentence)
        if caller in self._former.get(instance, ()):
            sentence = f"{what} after {self._owners[instance]} had taken it over"
            yield Violation(kind=Kind.STALE_OWNER, at=fact["at"], host=host, sentence=sentence)

    def _count(self, fact: Fact) -> Iterator[Violation]:
        starts = [at for at in self._starts.get(fact["instance"], ()) if at > fact["at"] - HOUR_SECONDS]
        self._starts[fact["instance"]] = [*starts, fact["at"]]
        if len(starts) >= STARTS_PER_HOUR:
            sentence = (
                f"a guest of {fact['instance']} was {fact['why']}, for the time number {len(starts) + 1} within an hour"
            )
            yield Violation(kind=Kind.TOO_MANY_STARTS, at=fact["at"], host=fact["host"], sentence=sentence)

    def _own(self, instance: str, engine: str) -> None:
        before = self._owners.get(instance)
        former = self._former.setdefault(instance, set())
        if before not in (None, engine):
            former.add(str(before))
        former.discard(engine)
        self._owners[instance] = engine
