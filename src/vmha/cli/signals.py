"""What a program does on a signal: SIGTERM and SIGINT end it, SIGHUP lets it begin anew with the configuration as it stands then.

Rules:
1. To begin anew is to end in good order and to be executed again as the same process: whoever watches over it sees no end.
2. A configuration that cannot be used changes nothing, and is told. A SIGHUP never just ends a program.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from vmha.errors import ConfigurationError
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Signals:
    """Hears signals from now on, in the main thread's process. `stop` is set when the program shall end."""

    def __init__(self, check: Callable[[], object] | None) -> None:
        """`check` raises `ConfigurationError` for a configuration that could not be begun with; without it SIGHUP is ignored."""
        self.stop = threading.Event()
        self.begins_anew = False
        self._check = check
        self._heard, told = socket.socketpair()
        told.setblocking(False)
        self._told = told  # kept open: the interpreter has its number alone
        # Written at once, by whatever is called when a signal comes in. Python's own handler waits for the main thread, which does not
        # run one that comes just before it begins to wait.
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if check is None else _leave_to_the_listener)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave_to_the_listener)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while heard := self._heard.recv(1):
            if heard[0] != signal.SIGHUP:
                # Also while it leaves to begin anew: then it only leaves.
                self.begins_anew = False
                self.stop.set()
            elif not self.stop.is_set() and self._is_usable():
                self.begins_anew = True
                self.stop.set()

    def _is_usable(self) -> bool:
        if self._check is None:
            return False
        try:
            self._check()
        except ConfigurationError as error:
            tell_refused(error)
            return False
        log(logger, "reload", says="ends what is under way, and begins anew with the configuration as it is now")
        return True


def _leave_to_the_listener(_number: int, _frame: object) -> None:
    """Take the place of what the signal does by default; the thread that listens does the work."""


def tell_refused(error: ConfigurationError) -> None:
    """Say that a new configuration was not taken."""
    says = "the program goes on with the configuration that it has"
    log(logger, "reload-refused", level=logging.ERROR, detail=str(error), says=says)


def ignore_reload() -> None:
    """Let a SIGHUP that comes before anybody listens change nothing; on its own it would end the process."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def begin_anew() -> NoReturn:
    """Execute this program again as this process. For the main thread, when nothing is under way any more."""
    # What is ignored stays so across the call, until the program hears signals again: a second SIGHUP would end it in between.
    ignore_reload()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell is wanted
