"""Looks at one host for whoever lets it back or retires it: its service, what is left on it, its power, what really runs there.

Steps are a generator of pauses in seconds, so that the simulator can let other things happen between them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vmha.core.flags import flags_of
from vmha.core.model import Power
from vmha.core.returning import Left, Seen
from vmha.errors import NovaRefused, NovaUnavailable
from vmha.ports import Deadline, PowerError

if TYPE_CHECKING:
    from vmha.core.flags import OurReasons, ServiceFlags
    from vmha.core.model import ServiceReading
    from vmha.ports import Clock, Nova, PowerDevices
    from vmha.return_ports import Returns

T = TypeVar("T")
Steps = Generator[float, None, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long things may take, in seconds. `settle` is how long an order of a recovery that ended may still be on its way.

    A heartbeat that does not change within `watch` has not come back; it is looked at every `look`.
    """

    order: float = 12.0
    settle: float = 15.0
    read: float = 60.0
    power_call: float = 8.0
    watch: float = 30.0
    look: float = 2.0

    @property
    def hold(self) -> float:
        """Return for how long a host is held: an order, a look at what came of it, an order to undo it, and a margin."""
        return 2 * self.order + self.settle


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What it takes to let a host back. `census` gives the guests that really run on a host, None where nothing reports them.

    `our_reasons` are what Nova shows for a service that we disabled.
    """

    nova: Nova
    power: PowerDevices
    returns: Returns
    census: Callable[[str], frozenset[str] | None]
    clock: Clock
    new_uuid: Callable[[], str]
    our_reasons: OurReasons
    bounds: Bounds = Bounds()

    def within(self, seconds: float) -> Deadline:
        """Return the moment so long from now."""
        return Deadline(at=self.clock.monotonic() + seconds)


def finish(steps: Steps[T], clock: Clock) -> T:
    """Take all steps, with their pauses in between."""
    while True:
        try:
            pause = next(steps)
        except StopIteration as end:
            answer: T = end.value
            return answer
        clock.sleep(pause)


def see(host: str, hands: Hands, *, watches: bool = True) -> Steps[Seen]:
    """Look at everything. The heartbeat comes before the lists, which then are as young as can be.

    A host whose BMC reads OFF is not waited for, nor is one for which it makes no difference (`watches` False).
    """
    service, was_heard, watched = None, False, 0.0
    left, trouble = None, None
    power, address, detail = _power(host, hands)
    try:
        if watches and power is not Power.OFF:
            service, was_heard, watched = yield from _watch(host, hands)
        else:
            service = service_of(host, hands, hands.within(hands.bounds.read))
        left = left_on(host, hands, hands.within(hands.bounds.read))
    except (NovaUnavailable, NovaRefused) as error:
        trouble = str(error)
    return Seen(
        service=service,
        left=left,
        was_heard=was_heard,
        watched_seconds=watched,
        power=power,
        power_detail=detail,
        address=address,
        census=hands.census(host),
        trouble=trouble,
    )


def glance(host: str, hands: Hands, deadline: Deadline) -> Seen:
    """Look at service and instances only, without waiting for a heartbeat."""
    try:
        return Seen(service=service_of(host, hands, deadline), left=left_on(host, hands, deadline))
    except (NovaUnavailable, NovaRefused) as error:
        return Seen(service=None, left=None, trouble=str(error))


def _watch(host: str, hands: Hands) -> Steps[tuple[ServiceReading | None, bool, float]]:
    """Wait until the heartbeat changes under our eyes; nothing else says that nova-compute lives now.

    Nova's `updated_at` moves with a change of the flags too: after one the watch begins anew.
    """
    began, bounds = hands.clock.monotonic(), hands.bounds
    first = service = service_of(host, hands, hands.within(bounds.read))
    while True:
        watched = hands.clock.monotonic() - began
        was_heard = first is not None and service is not None and service.heartbeat != first.heartbeat
        if was_heard or first is None or watched >= bounds.watch:
            return service, was_heard, watched
        yield bounds.look
        service = service_of(host, hands, hands.within(bounds.read))
        if service is not None and flags_of(service) != flags_of(first):
            first = service


def service_of(host: str, hands: Hands, deadline: Deadline) -> ServiceReading | None:
    """Read Nova's view of one service. Raises `NovaUnavailable` and `NovaRefused`."""
    services = hands.nova.services(deadline=deadline)
    return next((service for service in services if service.host == host), None)


def left_on(host: str, hands: Hands, deadline: Deadline) -> Left:
    """Read what Nova and Placement hold for a host. Raises `NovaUnavailable` and `NovaRefused`."""
    found = hands.nova.survey(host, deadline=deadline)
    return Left(
        instances=found.instances,
        migrations=found.migrations,
        consumers=found.consumers,
        elsewhere=found.elsewhere,
    )


def has_flags(host: str, flags: ServiceFlags, hands: Hands, deadline: Deadline) -> bool:
    """Tell whether Nova shows these flags; where it does not answer, it does not."""
    try:
        service = service_of(host, hands, deadline)
    except (NovaUnavailable, NovaRefused):
        return False
    return service is not None and flags_of(service) == flags


def _power(host: str, hands: Hands) -> tuple[Power | None, str, str]:
    """Return reading, address, and why there is no reading."""
    try:
        power, address = hands.power.read(host, deadline=hands.within(hands.bounds.power_call))
    except PowerError as error:
        return None, error.address, error.detail
    return power, address, ""
