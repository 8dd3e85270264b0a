"""One real cloud for the whole suite, and a fresh service, database and set of hosts for each test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine

from tests.cloud.ha import Service
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.service import service_settings

UP_SECONDS = 900

VERSIONS = ("vmha_alembic_version", "masakari_alembic_version")
"""Tables that say which schema the others have."""


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


@pytest.fixture(scope="session")
def schema(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the tables of this version, once for the whole suite."""
    first = Service(tmp_path_factory.mktemp("schema"), service_settings(cloud.settings))
    _drop_tables(first.settings.database_url)
    first.manage("db", "sync")


@pytest.fixture
def service(cloud: Cloud, schema: None, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Return a maker of services; each begins on an empty database and hosts that are well."""
    with _services(cloud, tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def ha(cloud: Cloud, schema: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return one service for all tests of a file, where none of them spoils anything for the next."""
    with _services(cloud, tmp_path_factory.mktemp("service")) as make:
        yield make()


@contextmanager
def _services(cloud: Cloud, folder: Path) -> Iterator[Callable[..., Service]]:
    with ThreadPoolExecutor(1) as pool:
        # Beside the start of the service, which asks nothing of the hosts before one of them is reported.
        well = pool.submit(cloud.reset)
        made: list[Service] = []

        def make(
            *engines: str,
            segments: Mapping[str, tuple[str, ...]] | None = None,
            method: str = "auto",
            reserved: tuple[str, ...] = (),
            **options: dict[str, str],
        ) -> Service:
            new = Service(folder, service_settings(), options=options)
            made.append(new)
            _empty_tables(new.settings.database_url)
            new.start(*engines)
            for name, hosts in (segments or {"cloud": cloud.hosts}).items():
                new.make_segment(name, hosts, method=method, reserved=reserved)
            well.result()
            return new

        try:
            yield make
        finally:
            for each in made:
                try:
                    _tell(each)
                finally:
                    each.stop()


def _tell(service: Service) -> None:
    """Print what the service says of its recoveries: pytest shows it where a test failed."""
    for recovery in service.recoveries():
        print(f"recovery of {recovery['host']}:")
        for line in service.timeline(recovery["uuid"]):
            print(f"  {line['at']} {line['sentence']}")


def _drop_tables(url: str) -> None:
    """Drop every table of the service's own database."""
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    tables.drop_all(engine)
    engine.dispose()


def _empty_tables(url: str) -> None:
    """Leave no row of an earlier test in the service's own database."""
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for table in reversed(tables.sorted_tables):
            if table.name not in VERSIONS:
                connection.execute(table.delete())
    engine.dispose()
