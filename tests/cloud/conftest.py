"""One real cloud for the whole suite, and a fresh service, database and set of hosts for each test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud.ha import Service
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.service import service_settings

UP_SECONDS = 900


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the number of instances: `make test` and `make soak` are the same but for that."""
    parser.addoption("--instances", type=int, default=20, help="instances of the host whose engine fails (default: 20)")


@pytest.fixture
def instance_count(request: pytest.FixtureRequest) -> int:
    """Say how many instances are to be evacuated where an engine fails."""
    return int(request.config.getoption("--instances"))


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Start the cloud, or take the one that runs; end it only if it was started here."""
    ran_before = _rig("status").returncode == 0
    started = _rig("up", timeout=UP_SECONDS)
    assert started.returncode == 0, f"the cloud did not start:\n{started.stdout[-4000:]}\n{started.stderr[-4000:]}"
    yield Cloud()
    if not ran_before and not os.environ.get("VMHA_CLOUD_KEEP"):
        _rig("wipe", timeout=120)


def _rig(verb: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.cloud.rig", verb]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture
def service(cloud: Cloud, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Return a maker of services; each begins on an empty database and hosts that are well."""
    cloud.reset()
    made: list[Service] = []

    def make(*engines: str, hosts: tuple[str, ...] | None = None, **options: dict[str, str]) -> Service:
        new = Service(tmp_path, service_settings(), options=options)
        made.append(new)
        _empty_database(new)
        new.start(*engines)
        new.make_segment("cloud", hosts or cloud.hosts)
        return new

    yield make
    for each in made:
        each.stop()


def _empty_database(service: Service) -> None:
    """Drop every table of the service's own database."""
    from sqlalchemy import MetaData, create_engine

    engine = create_engine(service.settings.database_url)
    tables = MetaData()
    tables.reflect(engine)
    tables.drop_all(engine)
    engine.dispose()
