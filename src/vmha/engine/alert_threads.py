"""Runs dispatcher and couriers in threads of an engine: one that looks at the outbox, and one for each webhook."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from vmha.core.alerting import alerts_of
from vmha.errors import StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.engine.couriers import Courier, Dispatcher
    from vmha.ports import Change

T = TypeVar("T")
logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the outbox where nobody rings: another process stored an alert, or a pause is over."""


class AlertThreads:
    """Started with the engine. Threads of it end with the process, whatever they wait for: what they had in hand is due again soon."""

    def __init__(self, dispatcher: Dispatcher, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._dispatcher = dispatcher
        self._look_seconds = look_seconds
        self._stopping = threading.Event()
        self._bell = threading.Event()
        self._due = {key: threading.Event() for key in dispatcher.couriers}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to deliver; without webhooks there is nothing to do, and no thread."""
        if not self._dispatcher.couriers:
            return
        self._run("alerts", self._look)
        for key, courier in self._dispatcher.couriers.items():
            self._run("webhook", self._deliver, courier, self._due[key])

    def committed(self, _version: int, change: Change[Any]) -> None:
        """Look at once where a change was stored that is to be told. Never blocks."""
        if alerts_of(change.before, change.after, (order.effect for order in change.orders)):
            self._bell.set()

    def stop(self, *, timeout_seconds: float) -> bool:
        """Take nothing more, and wait so long for what is being posted. Tell whether all of it ended."""
        self._stopping.set()
        for event in (self._bell, *self._due.values()):
            event.set()
        until = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _look(self) -> None:
        safely = _Safely("alerts-not-looked-at")
        while not self._stopping.is_set():
            for key in safely.do(self._dispatcher.look) or ():
                self._due[key].set()
            self._bell.wait(self._look_seconds)
            self._bell.clear()  # only now: what rang during the look is looked at next

    def _deliver(self, courier: Courier, due: threading.Event) -> None:
        safely = _Safely("alerts-not-delivered")
        while not self._stopping.is_set():
            due.wait()
            due.clear()
            if not self._stopping.is_set() and not safely.do(courier.deliver_due):
                self._stopping.wait(courier.terms.retry_seconds)


class _Safely:
    """Does something again and again, and tells each new trouble once; nothing of it may end a thread."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._trouble = ""

    def do(self, act: Callable[[], T]) -> T | None:
        """Return what it returned, None where it failed."""
        try:
            done = act()
        except StoreUnavailable as error:
            self._tell(logging.WARNING, str(error).partition("\n")[0], type(error).__name__)
            return None
        except Exception as error:  # noqa: BLE001 - a defect here may not end what goes on
            self._tell(logging.CRITICAL, repr(error), repr(error))
            return None
        self._trouble = ""
        return done

    def _tell(self, level: int, detail: str, trouble: str) -> None:
        if trouble != self._trouble:
            log(logger, self._event, level=level, detail=detail)
        self._trouble = trouble
