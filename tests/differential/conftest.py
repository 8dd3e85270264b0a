"""Both APIs run once for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.differential.servers import Servers, servers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Run upstream and ours."""
    with servers(tmp_path_factory.mktemp("differential")) as running:
        yield running
