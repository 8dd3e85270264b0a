"""Worker processes: made by fork, made anew when one ends, ended together.

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

from vmha.logs import log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)
LISTENED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
PAUSE_SECONDS = 1.0
"""Least time between two starts of one worker, so that one which cannot live does not keep a processor busy."""
MARGIN_SECONDS = 5.0
"""What a worker has to end beyond the time that its requests have; then it is killed."""
UNUSABLE = 2
"""A worker that ends with this code has found a configuration that cannot be used; a new one would find the same."""
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and who fills it."""

    number: int
    listening: socket.socket
    pid: int = 0
    started_at: float = field(default=float("-inf"))


def run_workers(
    work: Callable[[socket.socket], int], sockets: Sequence[socket.socket], *, stop_seconds: float | None
) -> int:
    """Run `work` in a process for each socket until SIGTERM; return the exit code.

    Workers that are still there `stop_seconds` and a margin after the signal are killed; None waits for them for ever.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, LISTENED)
    workers = [_Worker(number, listening) for number, listening in enumerate(sockets)]
    log(logger, "workers-start", workers=len(workers))
    while True:
        for worker in workers:
            if worker.pid == 0 and time.monotonic() - worker.started_at >= PAUSE_SECONDS:
                _start(worker, workers, work)
        heard = signal.sigtimedwait(LISTENED, PAUSE_SECONDS)
        if UNUSABLE in _reap(workers):
            return _end(workers, stop_seconds, code=UNUSABLE)
        if heard is not None and heard.si_signo != signal.SIGCHLD:
            return _end(workers, stop_seconds, code=0)


def _start(worker: _Worker, workers: Sequence[_Worker], work: Callable[[socket.socket], int]) -> None:
    worker.started_at = time.monotonic()
    parent = os.getpid()
    worker.pid = os.fork()
    if worker.pid == 0:
        _become(worker, workers, work, parent)
    log(logger, "worker-started", worker=worker.number, pid=worker.pid)


def _become(worker: _Worker, workers: Sequence[_Worker], work: Callable[[socket.socket], int], parent: int) -> NoReturn:
    """Be a worker, and end as a process does, with all that is to be done at its end."""
    code = 1
    try:
        # A parent that is killed takes its workers with it: they would keep its address.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            for other in workers:
                if other is not worker:
                    # A copy that nobody accepts on would still be given connections after its owner has closed it.
                    other.listening.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, LISTENED)
            code = work(worker.listening)
    except Exception:
        logger.exception("worker-failed")
    raise SystemExit(code)


def _reap(workers: Sequence[_Worker]) -> list[int]:
    """Take note of the workers that have ended; return their exit codes, those killed by a signal as negative ones."""
    codes = []
    for worker in workers:
        if worker.pid == 0:
            continue
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if pid != 0:
            code = os.waitstatus_to_exitcode(status)
            log(logger, "worker-ended", level=logging.WARNING, worker=worker.number, pid=pid, code=code)
            worker.pid = 0
            codes.append(code)
    return codes


def _end(workers: Sequence[_Worker], stop_seconds: float | None, *, code: int) -> int:
    """Let all workers end, then kill those that do not."""
    for worker in workers:
        # First, so that whoever connects from now on is refused rather than left waiting.
        worker.listening.close()
        if worker.pid:
            os.kill(worker.pid, signal.SIGTERM)
    until = float("inf") if stop_seconds is None else time.monotonic() + stop_seconds + MARGIN_SECONDS
    while any(worker.pid for worker in workers) and time.monotonic() < until:
        signal.sigtimedwait((signal.SIGCHLD,), PAUSE_SECONDS)
        _note_end(workers)
    for worker in workers:
        if worker.pid:
            log(logger, "worker-killed", level=logging.WARNING, worker=worker.number, pid=worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
    log(logger, "workers-ended")
    return code


def _note_end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
            worker.pid = 0
