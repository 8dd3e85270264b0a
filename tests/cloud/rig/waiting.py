"""Wait for a condition, never for a length of time."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

from tests.cloud.rig.errors import RigError

Answer = TypeVar("Answer")


def until(
    condition: Callable[[], Answer | None],
    what: str,
    *,
    timeout_seconds: float,
    poll_seconds: float = 0.1,
    hint: str = "",
) -> Answer:
    """Ask again and again until `condition` answers something true, and return that answer.

    Raises RigError, naming `what` and `hint`, when the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() >= deadline:
            message = f"{what}: not within {timeout_seconds:g} s"
            raise RigError(f"{message}; see {hint}" if hint else message)
        time.sleep(poll_seconds)


def tcp_port_answers(address: str, port: int) -> bool:
    """Say whether something accepts connections on the port."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
