"""What the API announces of a change: a start and an end when it is stored, or a start and an error when it could not be.

Rules:
1. A refusal that the caller has earned (404, 409 because something is in use) is announced no more than upstream does.
2. Nothing that goes wrong here changes the answer: the change is stored by then, or its error is what counts.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmha.adapters.announcing import API, ENGINE, fault_of
from vmha.api.faults import Fault
from vmha.ports import Announcement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmha.api.call import Call

    Show = Callable[[dict[str, Any] | None], dict[str, Any]]

LOGGER = logging.getLogger(__name__)


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
        _tell(call, action, about.show, error)
        raise
    _tell(call, action, about.show)


def tell_processed(call: Call, begun: dict[str, Any], ended: dict[str, Any]) -> None:
    """Announce that a notification was processed at once, in the name of the engine, whose word listeners of upstream's wait for."""
    try:
        for phase, payload in (("start", begun), ("end", ended)):
            _announce(call, f"notification.process.{phase}", payload, binary=ENGINE)
    except Exception:  # (a defect in telling; it is logged with its traceback)
        LOGGER.exception("announcement lost", extra={"fields": {"type": "process", "request": call.request_id}})


def _tell(call: Call, action: str, show: Show | None, error: Exception | None = None) -> None:
    if show is None:
        return
    try:
        _announce(call, f"{action}.start", show(None))
        if error is None:
            _announce(call, f"{action}.end", show(None))
        else:
            _announce(call, f"{action}.error", show(fault_of(error)), is_error=True)
    except Exception:  # (a defect in telling; it is logged with its traceback)
        LOGGER.exception("announcement lost", extra={"fields": {"type": action, "request": call.request_id}})


def _announce(
    call: Call, event_type: str, payload: dict[str, Any], *, is_error: bool = False, binary: str = API
) -> None:
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
        Announcement(binary=binary, event_type=event_type, payload=payload, is_error=is_error, context=context)
    )
