"""The ports of a host's way back: what the database does for it, and what lets a host back. Rules as in `vmha.ports`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vmha.core.explain import Reason
    from vmha.core.returning import Known, Returned, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The right to let one host back, for a few seconds: until it is over no recovery forces that host down.

    `token` is random, `by` who holds it. `record` is the recovery on whose timeline it is told, None where there is none.
    """

    host: str
    token: str
    by: str
    seconds: float
    record: str | None = None


class Returns(Protocol):
    """What the database does for a host that is let back. Every method is one transaction; `StoreUnavailable` as with `Store`."""

    def look(self, host: str) -> Known | None:
        """Return what is known of a host, None where no segment has one of this name.

        Raises `ReturnRefused` for a recovery that only a newer version can read.
        """

    def hold(self, hold: Hold, known: Known, *, ends_maintenance: bool, told: tuple[Reason, ...] = ()) -> None:
        """Take the right, end the maintenance where that is said, and put `told` on the timeline.

        Raises `ReturnRefused` while a recovery of the host is open, where one was since it was `known`, where a recovery took the host
        for its reserve since then, and while somebody else holds the host.
        """

    def settle(
        self,
        hold: Hold,
        *,
        is_reserved: bool | None = None,
        on_maintenance: bool | None = None,
        keeps: bool = False,
        told: tuple[Reason, ...] = (),
    ) -> None:
        """Give the right back, or keep it until its time is over; store these flags and put `told` on the timeline.

        A host with an open recovery is not put on maintenance: that recovery does it in its time. Raises `ReturnRefused` where the right
        was gone; then nothing is stored.
        """

    def tell(self, record: str, told: tuple[Reason, ...]) -> None:
        """Put reasons on the timeline of a recovery."""

    def forget(self, hold: Hold, told: tuple[Reason, ...]) -> None:
        """Take the host out of its segment, give the right back, and put `told` on the timeline.

        Raises `ReturnRefused` as `settle`, and while a recovery of the host is open.
        """


class LetBack(Protocol):
    """Lets one host back, and its spares into the reserve; waits for a heartbeat of it first, for half a minute at most.

    Raises `ReturnRefused` with every reason, `UnknownHost`, and `StoreUnavailable`. With `is_dry` nothing is changed.
    """

    def __call__(self, host: str, wish: Wish, *, is_dry: bool = False) -> Returned:
        """Do it."""
