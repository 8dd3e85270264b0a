"""What is ordered while a host is held: one change of its service's flags, and its undoing. Both end before the right does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.core.explain import Code, because, names
from vmha.core.reserve import holders
from vmha.core.returning import ReturnRefused
from vmha.engine.looking import glance, has_flags
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import Deadline
from vmha.return_ports import Hold

if TYPE_CHECKING:
    from vmha.core.explain import Reason
    from vmha.core.flags import ServiceFlags
    from vmha.core.returning import Known
    from vmha.engine.looking import Hands


@dataclass(slots=True, kw_only=True)
class Held:
    """A host that we hold, from `began` by the local clock on. `is_open`: Nova may still take an order of ours that it did not answer."""

    hold: Hold
    began: float
    hands: Hands
    is_open: bool = False

    def deadline(self, orders: int = 1) -> Deadline:
        """Return when that many orders, one after the other, have to be over; what is held outlasts two of them."""
        return Deadline(at=self.began + orders * self.hands.bounds.order)

    def order(self, flags: ServiceFlags, *, seen: ServiceFlags, undoes: bool = False) -> None:
        """Give the service these flags. Raises `ReturnRefused`.

        After no answer Nova is asked: a lost answer is no reason to stop, and what is under way may be taken until the right is over.
        """
        host, hands = self.hold.host, self.hands
        try:
            hands.nova.set_flags(host, flags, seen=seen, deadline=self.deadline(2 if undoes else 1))
        except (NovaRefused, OrderExpired) as error:
            raise ReturnRefused(because(Code.RETURN_NOT_TAKEN, host=host, detail=error)) from error
        except NovaUnavailable as error:
            if not has_flags(host, flags, hands, self.deadline(2)):
                self.is_open = True
                wait = self.hold.seconds
                raise ReturnRefused(because(Code.RETURN_UNANSWERED, host=host, detail=error, wait=wait)) from error

    def filled(self) -> Reason | None:
        """Say what came to the host after the last look, before Nova knew that nothing more should; None where it is empty."""
        host, hands = self.hold.host, self.hands
        seen = glance(host, hands, self.deadline(2))
        if seen.trouble is not None or seen.left is None:
            return because(Code.RETURN_NOVA_AWAY, host=host, detail=seen.trouble or "Nova has no compute service on it")
        on_it = holders(seen.left)
        return because(Code.RETURN_NOT_EMPTY, host=host, count=len(on_it), names=names(on_it)) if on_it else None

    def settle(
        self, *, is_reserved: bool | None = None, on_maintenance: bool | None = None, told: tuple[Reason, ...] = ()
    ) -> None:
        """Store what came of it, and give the right back unless an order of ours may still be taken."""
        self.hands.returns.settle(
            self.hold, is_reserved=is_reserved, on_maintenance=on_maintenance, keeps=self.is_open, told=told
        )


def take(
    known: Known,
    hands: Hands,
    *,
    by: str,
    record: str | None = None,
    ends_maintenance: bool = False,
    told: tuple[Reason, ...] = (),
) -> Held:
    """Take the right to a host. Raises `ReturnRefused`."""
    hold = Hold(host=known.host, token=hands.new_uuid(), by=by, seconds=hands.bounds.hold, record=record)
    began = hands.clock.monotonic()
    hands.returns.hold(hold, known, ends_maintenance=ends_maintenance, told=told)
    return Held(hold=hold, began=began, hands=hands)
