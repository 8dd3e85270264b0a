"""What the API announces of a change: a start and an end when it is stored, or a start and an error when it could not be.

A refusal that the caller has earned (404, 409 because something is in use) is announced no more than upstream does.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmha.adapters.announcing import API, fault_of
from vmha.api.faults import Fault
from vmha.ports import Announcement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmha.api.call import Call

    Show = Callable[[dict[str, Any] | None], dict[str, Any]]


@dataclass(slots=True)
class About:
    """What is known so far: a function that shows it, given a fault or None."""

    show: Show | None = None


@contextmanager
def telling(call: Call, action: str) -> Iterator[About]:
    """Announce how the block ended. Put it around the transaction, so that what is announced is stored."""
    about = About()
    try:
        yield about
    except Fault:
        raise
    except Exception as error:
        if about.show is not None:
            _tell(call, f"{action}.start", about.show(None))
            _tell(call, f"{action}.error", about.show(fault_of(error)), is_error=True)
        raise
    if about.show is not None:
        _tell(call, f"{action}.start", about.show(None))
        _tell(call, f"{action}.end", about.show(None))


def _tell(call: Call, event_type: str, payload: dict[str, Any], *, is_error: bool = False) -> None:
    caller = call.caller
    context = {
        "user_id": caller.user_id,
        "user_name": caller.user_name,
        "project_id": caller.project_id,
        "roles": list(caller.roles),
        "is_admin": caller.is_admin,
        "request_id": call.request_id,
    }
    call.parts.announcer.announce(
        Announcement(binary=API, event_type=event_type, payload=payload, is_error=is_error, context=context)
    )
