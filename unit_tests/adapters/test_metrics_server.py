"""The port of an engine's metrics: what it answers, and that nothing about it hinders the engine."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter

from vmha.adapters.metrics_server import THREADS, MetricsServer

SECONDS = 30.0


@contextmanager
def serving(registry: CollectorRegistry) -> Iterator[str]:
    """Serve a registry on a free port of loopback; give the URL."""
    server = MetricsServer(registry, address="127.0.0.1", port=0)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry with one counter."""
    made = CollectorRegistry()
    Counter("vmha_tests", "Tests.", registry=made).inc()
    return made


def test_it_answers_prometheus(registry: CollectorRegistry) -> None:
    """GET /metrics shows what the registry has, as text that Prometheus reads; other paths and methods show nothing."""
    with serving(registry) as url:
        answer = requests.get(f"{url}/metrics", timeout=SECONDS)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert "vmha_tests_total 1.0" in answer.text
        assert [requests.get(url + path, timeout=SECONDS).status_code for path in ("/", "/metrics/x")] == [404, 404]
        assert requests.post(f"{url}/metrics", timeout=SECONDS).status_code == 405


@pytest.mark.slow
def test_clients_that_say_nothing_hold_it_only_for_a_while(registry: CollectorRegistry) -> None:
    """As many mute clients as there are threads are hung up on, and the next scrape is answered."""
    with serving(registry) as url, ExitStack() as stack:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        for _ in range(THREADS + 1):
            mute = stack.enter_context(socket.create_connection(address))
            mute.sendall(b"GET /metrics HTTP/1.1\r\nX-")
        assert requests.get(f"{url}/metrics", timeout=SECONDS).status_code == 200


def test_a_port_that_is_taken_stops_nobody(registry: CollectorRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """Where the address cannot be had the log says so, with what to correct, and the engine goes on."""
    with serving(registry) as url:
        taken = int(url.rpartition(":")[2])
        other = MetricsServer(registry, address="127.0.0.1", port=taken)
        with caplog.at_level(logging.ERROR, logger="vmha"):
            other.start()
        assert [record.message for record in caplog.records] == ["metrics-not-served"]
        assert "correct [metrics] engine_port" in caplog.records[0].fields["says"]  # type: ignore[attr-defined]
        assert other.port is None
        other.stop()


def test_an_address_that_is_none_stops_nobody(registry: CollectorRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """The same for an address of another machine."""
    with caplog.at_level(logging.ERROR, logger="vmha"):
        MetricsServer(registry, address="192.0.2.1", port=9).start()
    assert [record.message for record in caplog.records] == ["metrics-not-served"]
