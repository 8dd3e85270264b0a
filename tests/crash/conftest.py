"""A MariaDB of our own for the crashes of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sql.servers import MariaDb, Server, running


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A private MariaDB."""
    yield from running(MariaDb)
