"""Every test has servers and a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """The API and its Keystone, with the endpoint that most clouds have."""
    servers = Rig(tmp_path, "/v1/$(project_id)s")
    yield servers
    servers.stop()
