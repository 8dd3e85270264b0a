"""The port of Nova's host aggregates, a part of `ports.Nova`, whose errors and deadlines it shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vmha.core.aggregates import Aggregate
    from vmha.ports import Deadline


class Aggregates(Protocol):
    """Which hosts are in which aggregates. Both orders are given once; `NovaRefused` says that nothing was changed."""

    def aggregates(self, *, deadline: Deadline) -> tuple[Aggregate, ...]:
        """List all aggregates with their hosts."""

    def join(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Add a host: 409 where it is in it, or where that would change its availability zone; 404 where Nova knows either not."""

    def leave(self, aggregate: int, host: str, *, deadline: Deadline) -> None:
        """Take a host out: 404 where it is not in it, 409 where that would change the zone of its instances."""
