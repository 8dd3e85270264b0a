"""One unit's life, told by all tests of this folder in their order: a machine, a model, real neighbours, two packed charms."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.systemd import environment
from tests.systemd.container import why_not
from tests.systemd.environment import Environment

FAILED: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which test failed first."""
    report = yield
    if report.failed and report.when != "teardown":
        FAILED.append(item.name)
    return report


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Start everything that the unit needs, in a network of its own."""
    if reason := why_not():
        pytest.skip(reason)
    with environment.started(tmp_path_factory.mktemp("systemd")) as started:
        yield started


@pytest.fixture
def unit(world: Environment) -> Environment:
    """Give the unit as the test before has left it; what that one failed to do is not there."""
    if FAILED:
        pytest.skip(f"{FAILED[0]} failed, and this test goes on where it ended")
    return world
