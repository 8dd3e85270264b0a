"""One API for all requests, and how many there are to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.openapi.rig import Rig, rig

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the number of requests: `make test` and `make soak` are the same but for that."""
    parser.addoption("--requests", type=int, default=3000, help="how many requests to make in all (default: 3000)")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Build the API and its Keystone."""
    with rig(tmp_path_factory.mktemp("openapi")) as built:
        yield built
