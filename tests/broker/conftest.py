"""A private RabbitMQ that tests may kill and start again."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cloud.rig import brokers
from tests.cloud.rig.settings import ADDRESS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = ("ha-broker", "ha-broker-cluster", "epmd")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    """Describe a broker on free ports, with a port mapper that runs; the broker itself is started by the test."""
    settings = Settings(data=tmp_path_factory.mktemp("broker"), first_port=free_ports())
    broker = brokers.ha_broker(settings)
    brokers.start_port_mapper(settings)
    try:
        yield broker
    finally:
        broker.daemon().stop()
        brokers.port_mapper(settings).stop()


def free_ports() -> int:
    """Find a block of ports of which those of a broker are free."""
    for first in random.sample(range(24000, 31000, 50), 50):
        settings = Settings(data=Path(), first_port=first)
        if all(is_free(settings.port(name)) for name in PORTS):
            return first
    raise AssertionError("no free block of ports between 24000 and 31000")


def is_free(port: int) -> bool:
    """Tell whether somebody could listen on the port."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((ADDRESS, port))
        except OSError:
            return False
    return True
