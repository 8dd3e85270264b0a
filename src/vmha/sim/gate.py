"""The door of a simulated API: outages, replies that get lost, orders that get lost or arrive late.

A call fails in one of two ways, and a caller can tell them apart only as with the real thing: `Refused` says that nothing was begun,
`NoAnswer` says nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.world import World

Answer = TypeVar("Answer")


class Refused(Exception):
    """The API answered with a client error; nothing was begun."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class NoAnswer(Exception):
    """The caller hears nothing: the connection broke, or time ran out. An order may have been taken, or may be taken later."""


class Away(NoAnswer):
    """The whole API is away, and something in front of it says so."""


class Mishap(Enum):
    """What may happen to one call."""

    REPLY_LOST = "reply_lost"
    ORDER_LOST = "order_lost"
    ORDER_LATE = "order_late"


@dataclass(slots=True)
class Trap:
    """A mishap that waits for the next `left` calls of one name (None: of any write)."""

    mishap: Mishap
    call: str | None
    left: int
    seconds: float


class Gate:
    """Every call to one API passes its gate. `closed_until` is the end of an outage."""

    __slots__ = ("closed_until", "name", "traps", "world")

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.closed_until = world.now
        self.traps: list[Trap] = []

    def close(self, seconds: float) -> None:
        """Let the whole API be away for `seconds`."""
        self.closed_until = max(self.closed_until, self.world.now + seconds)

    def spoil(self, mishap: Mishap, *, call: str | None = None, times: int = 1, seconds: float = 0.0) -> None:
        """Let `mishap` befall the next `times` calls named `call`; a late order is taken `seconds` later."""
        self.traps.append(Trap(mishap, call, times, seconds))

    def read(self, call: str) -> None:
        """Pass a reading call. A lost reply and a lost order are the same to a reader."""
        self.check_open()
        if self.traps and (trap := self._spring(call, is_write=False)) is not None:
            raise NoAnswer(f"{self.name} did not answer {call} ({trap.mishap.value})")

    def write(self, call: str, act: Callable[[], Answer]) -> Answer:
        """Pass an order: do it, unless a mishap says otherwise."""
        self.check_open()
        trap = self._spring(call, is_write=True) if self.traps else None
        if trap is None:
            return act()
        if trap.mishap is Mishap.REPLY_LOST:
            unheard(act)
        if trap.mishap is Mishap.ORDER_LATE:
            self.world.after(trap.seconds, lambda: unheard(act))
        raise NoAnswer(f"{self.name} did not answer {call} ({trap.mishap.value})")

    def check_open(self) -> None:
        """Raise `Away` during an outage."""
        if self.world.now < self.closed_until:
            raise Away(f"{self.name} is away")

    def _spring(self, call: str, *, is_write: bool) -> Trap | None:
        for trap in self.traps:
            if trap.call == call or (trap.call is None and is_write):
                trap.left -= 1
                if trap.left <= 0:
                    self.traps.remove(trap)
                self.world.note("mishap", api=self.name, call=call, mishap=trap.mishap.value)
                return trap
        return None


def unheard(act: Callable[[], object]) -> None:
    """Do an order whose answer nobody hears, a refusal neither."""
    try:
        act()
    except (Refused, NoAnswer):
        return
