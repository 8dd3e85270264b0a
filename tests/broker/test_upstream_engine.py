"""A real engine of upstream's on the broker is noticed before it and ours recover the same host."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.adoption import environments
from tests.cloud.rig import layout
from tests.cloud.rig.brokers import Broker
from vmha.adapters import upstream_engine
from vmha.settings import load

RELEASE = "22.0.0"
# RabbitMQ needs 15 s on a machine that has nothing else to do, and the first test of a machine installs upstream.
pytestmark = pytest.mark.timeout(300)
CONFIGURATION = """
[DEFAULT]
transport_url = {broker}
host = upstream-1
{more}
state_path = {folder}
[database]
connection = sqlite:///{folder}/masakari.sqlite
[taskflow]
connection = sqlite:///{folder}/masakari.sqlite
[oslo_messaging_notifications]
driver = noop
"""
SECONDS = 60.0


@pytest.mark.parametrize("more", ["", "masakari_topic = ha_elsewhere\ncontrol_exchange = openstack"])
def test_an_engine_of_upstreams_is_noticed(broker: Broker, tmp_path: Path, more: str) -> None:
    """Without an engine of upstream's nobody answers; while one runs it answers, wherever it listens; when it has stopped, nobody does."""
    if not broker.daemon().alive():
        broker.start()
    path = tmp_path / "masakari.conf"
    url = layout.broker_url(broker.settings, broker.name)
    path.write_text(CONFIGURATION.format(broker=url, folder=tmp_path, more=more))
    config = load(["--config-file", str(path)], "test").config
    assert not upstream_engine.answers(config, seconds=1.0)
    with upstreams_engine(path):
        end = time.monotonic() + SECONDS
        while not upstream_engine.answers(config, seconds=1.0):
            assert time.monotonic() < end, (tmp_path / "engine.log").read_text()[-2000:]
    assert not upstream_engine.answers(config, seconds=1.0)


def test_a_broker_that_is_away_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that the broker did not take is told apart from one that nobody answered."""
    path = tmp_path / "masakari.conf"
    path.write_text(CONFIGURATION.format(broker="rabbit://nobody:nothing@127.0.0.1:1/", folder=tmp_path, more=""))
    config = load(["--config-file", str(path)], "test").config
    monkeypatch.setattr(upstream_engine, "CONNECT_SECONDS", 1.0)
    with pytest.raises(upstream_engine.BrokerSilent, match="could not be reached within 2 s"):
        upstream_engine.answers(config, seconds=1.0)


@contextmanager
def upstreams_engine(configuration: Path) -> Iterator[None]:
    """Run upstream's engine on an empty database."""
    programs = environments.make(RELEASE) / "bin"
    options = ("--config-file", str(configuration))
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(
        (str(programs / "masakari-manage"), *options, "db", "sync"), check=True, capture_output=True, timeout=60
    )
    with (configuration.parent / "engine.log").open("wb") as log:
        engine = subprocess.Popen(
            (str(programs / "masakari-engine"), *options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        yield
    finally:
        engine.terminate()
        try:
            engine.wait(60)
        finally:
            engine.kill()
            engine.wait()
