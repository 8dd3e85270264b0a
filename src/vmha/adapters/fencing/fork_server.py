"""Makes one call to a BMC in a child process that is gone at the deadline.

The child is forked from a server (`worker.py`) that has pyghmi loaded. A process started anew for each call would cost
some 60 ms of CPU; forty hosts that fail together would then keep a small controller busy for longer than a call may
last. It would also have to read the disk, in a moment when more than one host may be ill.

Rules
1. A call ends at its deadline: the child ends itself, and is killed here too. An answer that comes later is none.
2. A child is killed by the handle that it gave us, never by its number, which another process may have by then.
3. A server that is gone is replaced at once, one that forks nothing until a deadline is replaced after it. Children do
   not need the server once they run.
4. The server's environment is cut down to what Python needs: ours may hold passwords that the inventory names.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from vmha.adapters.fencing import worker

if TYPE_CHECKING:
    from vmha.ports import Deadline

_KEPT_VARIABLES = ("PATH", "PYTHON", "LD_", "LANG", "LC_")
_ANSWER_BYTES = 65536
# A server that forked nothing for so long is stuck, and not only busy.
_STUCK_SECONDS = 2.0
# A timeout of 0 would mean not to wait at all, even for a server that is well.
_LEAST_SECONDS = 0.001
# A killed process is gone in microseconds, unless the kernel itself is in trouble.
_BURIAL_SECONDS = 1.0


class NoWorker(Exception):
    """There was no child, or it ended without an answer; the text says which, after "the process that ..."."""


class ForkServer:
    """Starts its server with the first call. Calls may come from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def call(self, request: str, deadline: Deadline) -> str:
        """Return a child's answer. Raises `TimeoutError` when none came by the deadline, `NoWorker`, and `OSError`."""
        # The request goes out only to a child that gave its handle: a second try repeats nothing.
        child = self._fork(deadline) or self._fork(deadline)
        if child is None:
            raise NoWorker("ended before it began")
        call, handle = child
        with call:
            try:
                return _converse(call, request, deadline)
            finally:
                _end(handle)

    def _fork(self, deadline: Deadline) -> tuple[socket.socket, int] | None:
        """Return the socket and the handle of a new child; None when the server could not fork, or died before."""
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_kept:
            unless_kept.enter_context(ours)
            with theirs:
                server = self._hand_over(theirs, deadline)
            if server is None:
                return None
            handed_over = time.monotonic()
            try:
                handle = _handle(ours, deadline)
            except TimeoutError as error:
                if time.monotonic() - handed_over >= _STUCK_SECONDS:
                    self._discard(server)
                raise NoWorker("did not start in time") from error
            if handle is None:
                self._discard(server)
                return None
            unless_kept.pop_all()
            return ours, handle

    def close(self) -> None:
        """End the server. Calls under way come to their end."""
        self._discard(self._server)

    def _hand_over(self, call: socket.socket, deadline: Deadline) -> subprocess.Popen[bytes] | None:
        """Give the server its end of the call; return the server, None where it was just dying and took nothing."""
        if not self._lock.acquire(timeout=_seconds_left(deadline)):
            raise NoWorker("could not be asked for in time")
        try:
            if self._server is not None and self._server.poll() is not None:
                self._bury()
            server, control = self._server, self._control
            if server is None or control is None:
                server, control = self._start()
            control.settimeout(max(_seconds_left(deadline), _LEAST_SECONDS))
            socket.send_fds(control, [repr(deadline.at).encode()], [call.fileno()])
            return server
        except ConnectionError:
            self._bury()
            return None
        except OSError as error:
            self._bury()
            raise NoWorker(f"did not start ({error.strerror or 'the server of such processes hangs'})") from error
        finally:
            self._lock.release()

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as unless_kept, theirs:
            unless_kept.enter_context(control)
            server = subprocess.Popen(
                # -P: the folder of the script is no place to import from.
                (sys.executable, "-P", worker.__file__),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: text for name, text in os.environ.items() if name.startswith(_KEPT_VARIABLES)},
                # What is sent to our terminal or process group, such as Ctrl-C, is not for calls under way.
                start_new_session=True,
            )
            unless_kept.pop_all()
        self._server, self._control = server, control
        return server, control

    def _discard(self, server: subprocess.Popen[bytes] | None) -> None:
        """Let go of a server, unless another thread has replaced it already."""
        with self._lock:
            if server is self._server:
                self._bury()

    def _bury(self) -> None:
        server, control = self._server, self._control
        self._server = self._control = None
        if control is not None:
            control.close()
        if server is not None:
            server.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(_BURIAL_SECONDS)


def _handle(call: socket.socket, deadline: Deadline) -> int | None:
    """Return the handle with which the child is killed; None when the other end was closed before."""
    _limit(call, deadline)
    with contextlib.suppress(ConnectionError):
        _, handles, _, _ = socket.recv_fds(call, 1, 1, socket.MSG_CMSG_CLOEXEC)
        return handles[0] if handles else None
    return None


def _converse(call: socket.socket, request: str, deadline: Deadline) -> str:
    """Send the request and return the answer, which ends with the child."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        _limit(call, deadline)
        call.sendall(request.encode())
        call.shutdown(socket.SHUT_WR)
        while part := call.recv(_ANSWER_BYTES):
            answer += part
            _limit(call, deadline)
    if not _seconds_left(deadline):
        raise TimeoutError
    if not answer:
        raise NoWorker("ended without an answer")
    return answer.decode(errors="replace")


def _end(handle: int) -> None:
    """Kill the child, if it still runs, and see it gone: its BMC is free for the next call then."""
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select((handle,), (), (), _BURIAL_SECONDS)
    finally:
        os.close(handle)


def _limit(call: socket.socket, deadline: Deadline) -> None:
    """Let the next wait end at the deadline."""
    left = _seconds_left(deadline)
    if not left:
        raise TimeoutError
    call.settimeout(left)


def _seconds_left(deadline: Deadline) -> float:
    return max(0.0, deadline.at - time.clock_gettime(time.CLOCK_BOOTTIME))
