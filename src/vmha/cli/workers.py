"""Worker processes: made by fork, made anew when one ends, replaced when the configuration is read again, ended together.

The parent waits for signals and does nothing else: it has no threads, opens no database and takes no request. A worker builds all
of that for itself after the fork.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from vmha.cli.signals import ignore_reload
from vmha.logs import log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)
LISTENED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
PAUSE_SECONDS = 1.0
"""Least time between two starts of one worker, so that one which cannot live does not keep a processor busy."""
MARGIN_SECONDS = 5.0
"""What a worker has to end beyond the time that its requests have; then it is killed."""
UNUSABLE = 2
"""A worker that ends with this code has found a configuration that cannot be used; a new one would find the same."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Work:
    """What each worker does with its socket; it has `stop_seconds` and a margin after SIGTERM to end, None for ever."""

    serve: Callable[[socket.socket], int]
    stop_seconds: float | None

    def latest_end(self) -> float:
        """Return when a worker that is told to end now is killed, on the monotonic clock."""
        return float("inf") if self.stop_seconds is None else time.monotonic() + self.stop_seconds + MARGIN_SECONDS


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and who fills it."""

    number: int
    listening: socket.socket
    pid: int = 0
    started_at: float = field(default=float("-inf"))


class Workers:
    """A worker for each socket. SIGTERM and SIGINT end them all; SIGHUP replaces them where `renew` gives other work."""

    def __init__(self, work: Work, sockets: Sequence[socket.socket], *, renew: Callable[[], Work | None]) -> None:
        self._work = work
        self._renew = renew
        self._places = [_Worker(number, listening) for number, listening in enumerate(sockets)]
        self._leaving: dict[int, float] = {}
        """Workers that were replaced, by their pid, and when they are killed."""

    def run(self) -> int:
        """Run until a signal says otherwise, and return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, LISTENED)
        log(logger, "workers-start", workers=len(self._places))
        while True:
            for place in self._places:
                if place.pid == 0 and time.monotonic() - place.started_at >= PAUSE_SECONDS:
                    self._start(place)
            heard = signal.sigtimedwait(LISTENED, PAUSE_SECONDS)
            if UNUSABLE in self._reap():
                return self._end(UNUSABLE)
            self._kill_late()
            if heard is not None and heard.si_signo == signal.SIGHUP:
                self._replace()
            elif heard is not None and heard.si_signo != signal.SIGCHLD:
                return self._end(0)

    def _start(self, place: _Worker) -> None:
        place.started_at = time.monotonic()
        parent = os.getpid()
        place.pid = os.fork()
        if place.pid == 0:
            self._become(place, parent)
        log(logger, "worker-started", worker=place.number, pid=place.pid)

    def _become(self, place: _Worker, parent: int) -> NoReturn:
        """Be a worker, and end as a process does, with all that is to be done at its end."""
        code = 1
        try:
            # A parent that is killed takes its workers with it: they would keep its address.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                for other in self._places:
                    if other is not place:
                        # A copy that nobody accepts on would still be given connections after its owner has closed it.
                        other.listening.close()
                # The parent's business, whoever else was sent it.
                ignore_reload()
                signal.pthread_sigmask(signal.SIG_UNBLOCK, LISTENED)
                code = self._work.serve(place.listening)
        except Exception:
            logger.exception("worker-failed")
        raise SystemExit(code)

    def _replace(self) -> None:
        """Give each place a new worker, and let the old one end: the socket is open all the while, so that nobody is refused."""
        work = self._renew()
        if work is None:
            return
        latest_end = self._work.latest_end()
        self._work = work
        for place in self._places:
            old = place.pid
            self._start(place)
            if old:
                self._leaving[old] = latest_end
                os.kill(old, signal.SIGTERM)
        log(logger, "workers-replaced", workers=len(self._places))

    def _reap(self) -> list[int]:
        """Take note of the workers that have ended; return the exit codes of those that were not told to, by a signal as negative ones."""
        codes = []
        for place in self._places:
            code = _ended(place.pid) if place.pid else None
            if code is not None:
                log(logger, "worker-ended", level=logging.WARNING, worker=place.number, pid=place.pid, code=code)
                place.pid = 0
                codes.append(code)
        self._leaving = {pid: until for pid, until in self._leaving.items() if _ended(pid) is None}
        return codes

    def _kill_late(self) -> None:
        for pid in [pid for pid, until in self._leaving.items() if time.monotonic() >= until]:
            log(logger, "worker-killed", level=logging.WARNING, pid=pid)
            os.kill(pid, signal.SIGKILL)
            self._leaving[pid] = float("inf")

    def _end(self, code: int) -> int:
        """Let all workers end, then kill those that do not."""
        latest_end = self._work.latest_end()
        for place in self._places:
            # First, so that whoever connects from now on is refused rather than left waiting.
            place.listening.close()
            if place.pid:
                self._leaving[place.pid] = latest_end
                os.kill(place.pid, signal.SIGTERM)
        self._places = []
        while self._leaving:
            signal.sigtimedwait((signal.SIGCHLD,), PAUSE_SECONDS)
            self._reap()
            self._kill_late()
        log(logger, "workers-ended")
        return code


def _ended(pid: int) -> int | None:
    """Return the exit code of a process of ours that has ended, None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None
