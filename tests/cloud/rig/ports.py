"""Blocks of ports for those who run a part of the cloud beside another one."""

import random
import socket
from collections.abc import Iterable
from pathlib import Path

from tests.cloud.rig.errors import RigError
from tests.cloud.rig.settings import ADDRESS, Settings


def free_block(names: Iterable[str]) -> int:
    """Find a first port for settings with which the ports of these servers, keys of PORTS, are free."""
    for first in random.sample(range(24000, 31000, 50), 50):
        settings = Settings(data=Path(), first_port=first)
        if all(_is_free(settings.port(name)) for name in names):
            return first
    raise RigError("no free block of ports between 24000 and 31000")


def _is_free(port: int) -> bool:
    """Tell whether somebody could listen on the port."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((ADDRESS, port))
        except OSError:
            return False
    return True
