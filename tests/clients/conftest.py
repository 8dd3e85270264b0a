"""One Keystone and one server for all tests, and for each an API with a database of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.commands import Commands
from tests.clients.rig import Rig, Stage
from tests.cloud.rig import environments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# python-masakariclient 8.0 with openstacksdk 0.101, of the end of 2022. Neither loads on a later Python than Debian 12's.
PINNED, DEBIAN_12 = "clients-pinned", "clients-debian-12"
RELEASES = (PINNED, DEBIAN_12) if sys.version_info < (3, 12) else (PINNED,)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that look at what the others have used come last."""
    items.sort(key=lambda item: item.path.stem == "test_nothing_is_left_out")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start Keystone and the server."""
    started = Stage(tmp_path_factory.mktemp("stage"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def make_rig(stage: Stage, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Return what puts an API on the server."""
    made: list[Rig] = []

    def make(**options: Any) -> Rig:
        made.append(Rig(stage, tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Put an API with the usual options on the server."""
    return make_rig()


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Commands]]:
    """Load `openstack` of each release."""
    if DEBIAN_12 in RELEASES:
        environments.make([DEBIAN_12])
    loaded: dict[str, Commands] = {}
    try:
        for name in RELEASES:
            python = sys.executable if name == PINNED else environments.program(name, "python")
            loaded[name] = Commands(python, tmp_path_factory.mktemp(name))
        yield loaded
    finally:
        for each in loaded.values():
            each.stop()


@pytest.fixture(params=RELEASES)
def commands(request: pytest.FixtureRequest, releases: dict[str, Commands]) -> Commands:
    """Return `openstack` of one of the releases."""
    return releases[request.param]
