"""A private RabbitMQ that tests may kill and start again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cloud.rig import brokers
from tests.cloud.rig.ports import free_block
from tests.cloud.rig.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = ("ha-broker", "ha-broker-cluster", "epmd")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    """Describe a broker on free ports, with a port mapper that runs; the broker itself is started by the test."""
    settings = Settings(data=tmp_path_factory.mktemp("broker"), first_port=free_block(PORTS))
    broker = brokers.ha_broker(settings)
    brokers.start_port_mapper(settings)
    try:
        yield broker
    finally:
        broker.daemon().stop()
        brokers.port_mapper(settings).stop()
