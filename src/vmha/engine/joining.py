"""Adds a reserved host to aggregates of a failed one, and takes it out of them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.aggregates import Joined, Joining
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired

if TYPE_CHECKING:
    from vmha.core.aggregates import Membership
    from vmha.ports import Deadline, Nova


def join_all(host: str, joins: tuple[Membership, ...], nova: Nova, *, deadline: Deadline) -> tuple[Joining, ...]:
    """Add the host to each; what does not work is told, and stops nothing. Raises `OrderExpired`, where nothing was sent."""
    done: list[Joining] = []
    for to in joins:
        try:
            done.append(_join(host, to, nova, deadline))
        except OrderExpired as error:
            if not done:
                raise
            done.append(Joining(to=to, came=Joined.REFUSED, detail=str(error)))
    return tuple(done)


def _join(host: str, to: Membership, nova: Nova, deadline: Deadline) -> Joining:
    try:
        nova.join(to.id, host, deadline=deadline)
    except NovaRefused as error:
        if error.status == 409 and _is_in(host, to, nova, deadline):
            return Joining(to=to, came=Joined.THERE)
        return Joining(to=to, came=Joined.REFUSED, detail=str(error))
    except NovaUnavailable as error:
        return Joining(to=to, came=Joined.UNKNOWN, detail=str(error))
    return Joining(to=to, came=Joined.ADDED)


def _is_in(host: str, to: Membership, nova: Nova, deadline: Deadline) -> bool:
    """Tell whether Nova refused since the host is a member; where it does not say, it does not count as one: nothing was changed."""
    try:
        return any(each.id == to.id and host in each.hosts for each in nova.aggregates(deadline=deadline))
    except (NovaRefused, NovaUnavailable):
        return False


def leave_all(
    host: str, leaves: tuple[Membership, ...], nova: Nova, *, deadline: Deadline
) -> tuple[tuple[Membership, str], ...]:
    """Take the host out of each; return those that it is in still, or may be, and why."""
    stuck: list[tuple[Membership, str]] = []
    for each in leaves:
        try:
            nova.leave(each.id, host, deadline=deadline)
        except NovaRefused as error:
            if error.status != 404:
                stuck.append((each, str(error)))
        except (NovaUnavailable, OrderExpired) as error:
            stuck.append((each, str(error)))
    return tuple(stuck)
