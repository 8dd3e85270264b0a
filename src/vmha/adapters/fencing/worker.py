"""The processes that call BMCs: a server that only forks, and a child for each call. `fork_server.py` starts this file.

    python worker.py        with one end of a socket pair (SOCK_SEQPACKET) as standard input

Each message there is a deadline, a time on the clock of `SystemClock` (CLOCK_BOOTTIME), which all processes share, and with it comes
the socket of one call. On that socket the child first hands out a handle of itself (a pidfd) with which it can be
killed. Then it reads one JSON object until the end, and writes one:

    {"order": "read" | "off", "address", "port", "user", "password", "system_guid": text or null}

    {"power": "on" | "off"} or {"ordered": true}     what was asked for
    {"trouble": T, "detail": words}                  why not: T is a value of `PowerTrouble`, the words go on after
                                                     "its BMC 10.0.0.7:623 ..."

User and password come this way alone, so that no list of processes shows them.

Rules
1. The alarm comes first. Its signal keeps the default action, so that the kernel ends the child whatever Python, a
   library or a name server is doing, and whether the service lives, hangs or is stopped. Nothing is sent after it.
2. Identity before anything else: where the request names a GUID, the BMC must have it.
3. Off is off: chassis control "power down" and nothing softer, sent whatever state the BMC seems to be in.
4. One child, one thread, one session: pyghmi's second login to the same BMC in one process is broken, and its reading
   thread wakes the waiting one too late, by up to a second for each packet.
5. pyghmi sends a lost packet again, as IPMI over UDP must. Here that is safe: off twice is off.
6. The server has one thread and speaks to no BMC, so that a fork of it is clean. It ends when the service does.

This file imports nothing of the service: a child is small, and starts without reading a disk.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any
from uuid import UUID

_GET_SYSTEM_GUID = (0x06, 0x37)
_GET_CHASSIS_STATUS = (0x00, 0x01)
_CHASSIS_CONTROL = (0x00, 0x02)
_POWER_DOWN = 0x00
_POWER_IS_ON = 0x01
# pyghmi's own code for a command that got no answer.
_NO_ANSWER = 0xFFFF
_NO_PRIVILEGE = 0xD4
# What pyghmi says when user, password or privilege are refused: its own words in `_got_rakp2` and `_got_rakp4`, the
# status codes 9 to 0xD and 0xF of IPMI 2.0 table 13-15, and "Set Session Privilege Level".
_REFUSALS = ("password", "Unauthorized", "Invalid role", "username", "integrity c", "privelege", "user name")
# What it says, or does not say, when a session ends because nothing came any more.
_SILENCES = ("None", "timeout", "Timeout", "Session no longer connected")
_MESSAGE_BYTES = 64


def main() -> None:
    """Fork a child for each message, until the other end is closed."""
    # The kernel buries the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Loaded once, for all children. Where it is missing, each child says so.
    with contextlib.suppress(ImportError):
        importlib.import_module("pyghmi.ipmi.private.session")
    with socket.socket(fileno=sys.stdin.fileno()) as control:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 1)
            if not message:
                return
            # Closed here at once: the end of the child is then the end of the call's socket.
            with socket.socket(fileno=descriptors[0]) as call, contextlib.suppress(OSError):
                if os.fork() == 0:
                    control.close()
                    be_child(float(message), call)


def be_child(deadline: float, call: socket.socket) -> None:
    """Make one call and end; never returns."""
    try:
        end_at(deadline)
        socket.send_fds(call, [b"\n"], [os.pidfd_open(os.getpid())])
        with call.makefile("r", encoding="utf-8") as request:
            answer = respond(json.load(request))
        call.sendall(json.dumps(answer).encode())
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        # Past the server's own loop and what it would clean up.
        os._exit(1)


def end_at(deadline: float) -> None:
    """Let the kernel end this process at `deadline`, or end it now."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    left = deadline - time.clock_gettime(time.CLOCK_BOOTTIME)
    if left <= 0:
        os.kill(os.getpid(), signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, left)


def respond(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, also where it is trouble."""
    try:
        return perform(request)
    except Exception as error:  # noqa: BLE001 (pyghmi lets TypeError, struct.error and others out)
        return explain(error)


class Trouble(Exception):
    """Why the call gave no reading, or took no order. `kind` is a value of `PowerTrouble`."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def perform(request: dict[str, Any]) -> dict[str, Any]:
    """Log in, obey, log out. pyghmi's exceptions come out as they are."""
    from pyghmi.ipmi.private import session as pyghmi

    stay_in_one_thread(pyghmi)
    session = pyghmi.Session(request["address"], request["user"], request["password"], port=request["port"])
    try:
        answer = obey(session, request)
    except Trouble as trouble:
        answer = explain(trouble)
    # Does not wait for an answer. Sessions left open would fill the BMC's table, and then it refuses everybody.
    with contextlib.suppress(Exception):
        session.logout()
    return answer


def stay_in_one_thread(pyghmi: Any) -> None:
    """Let pyghmi read its socket where it waits for it, instead of in a thread of its own."""

    def wait(seconds: float, *ignored: object) -> None:
        select.select(pyghmi.iosockets, (), (), max(0.0, seconds))
        pyghmi._io_graball(pyghmi.iosockets, {})

    pyghmi._io_wait = wait
    pyghmi.iothread, pyghmi.iothreadready = threading.current_thread(), True


def obey(session: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Check the identity and do the one thing."""
    if request["system_guid"] is not None:
        check_identity(session, UUID(request["system_guid"]))
    if request["order"] == "off":
        command(session, _CHASSIS_CONTROL, _POWER_DOWN)
        return {"ordered": True}
    status = command(session, _GET_CHASSIS_STATUS)
    if not status:
        raise Trouble("error", "answered without a chassis status")
    return {"power": "on" if status[0] & _POWER_IS_ON else "off"}


def check_identity(session: Any, expected: UUID) -> None:
    """Raise unless the BMC has this GUID."""
    try:
        raw = command(session, _GET_SYSTEM_GUID)
    except Trouble as trouble:
        if trouble.kind != "error":
            raise
        raise Trouble("wrong_identity", f"{trouble.detail} when asked for its system GUID") from trouble
    if not is_same(raw, expected):
        shown = UUID(bytes=raw) if len(raw) == 16 else raw.hex() or "empty"
        raise Trouble("wrong_identity", f"says that its system GUID is {shown}")


def is_same(raw: bytes, expected: UUID) -> bool:
    """Compare a GUID from the wire with one that a human copied from some tool.

    Three orders of the same 16 bytes are in use: as RFC 4122 prints them, with the first three fields turned round
    (SMBIOS), and all turned round (IPMI 2.0, section 20.8). Neither BMCs nor tools agree on one: each is the same GUID.
    """
    return raw in (expected.bytes, expected.bytes_le, expected.bytes[::-1])


def command(session: Any, function: tuple[int, int], *data: int) -> bytes:
    """Send one command and return the data of its answer; any completion code but 0 is trouble."""
    from pyghmi.ipmi.private.util import get_ipmi_error

    netfn, number = function
    response = session.raw_command(netfn=netfn, command=number, data=data)
    code = response["code"]
    if code == _NO_ANSWER:
        raise Trouble("silent", "stopped answering")
    if code == _NO_PRIVILEGE:
        raise Trouble("bad_credentials", "insufficient privilege level")
    if code:
        words = str(get_ipmi_error(response)).lower()
        raise Trouble("error", f'answered "{words}" (completion code {code:#04x})')
    return bytes(response["data"])


def explain(error: Exception) -> dict[str, Any]:
    """Translate what a call raised."""
    kind, detail = "error", f"made pyghmi stumble ({type(error).__name__}: {error})"
    if isinstance(error, Trouble):
        kind, detail = error.kind, error.detail
    elif isinstance(error, OSError):
        detail = f"cannot be reached ({error.strerror or error})"
    elif type(error).__name__ == "IpmiException":
        text = str(error)
        detail = f'answered "{text}"'
        if text in _SILENCES:
            kind, detail = "silent", "did not answer"
        elif any(words in text for words in _REFUSALS):
            kind, detail = "bad_credentials", text
    return {"trouble": kind, "detail": detail}


if __name__ == "__main__":
    main()
