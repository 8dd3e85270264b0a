"""A network of the test's own: loopback, and an `eth0` with a unit's addresses. No way leads out of it, to a package index neither.

It belongs to the thread that enters it, and to the processes and threads that this thread starts from then on.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
# Of the thread, not of the process: others keep the network that they have.
HERE = Path("/proc/thread-self/ns/net")


@contextmanager
def own_network(addresses: Iterable[str]) -> Iterator[None]:
    """Enter a new network with these addresses (each with its prefix), and go back to the old one at the end."""
    before = os.open(HERE, os.O_RDONLY)
    try:
        _call("unshare", CLONE_NEWNET)
        _set_up(addresses)
        yield
    finally:
        _call("setns", before, CLONE_NEWNET)
        os.close(before)


def _set_up(addresses: Iterable[str]) -> None:
    _ip("link", "set", "lo", "up")
    # A cable into nowhere: not every kernel has interfaces that are dummies.
    _ip("link", "add", "eth0", "type", "veth", "peer", "name", "cable")
    for address in addresses:
        _ip("address", "add", address, "dev", "eth0")
    for name in ("cable", "eth0"):
        _ip("link", "set", name, "up")


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, timeout=20)


def _call(name: str, *arguments: int) -> None:
    """Call the C library: Python has these two from 3.12 on only."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}; this suite needs root")
