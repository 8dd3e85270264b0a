"""A configuration on SQLite with its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_tests.cli.rig import Installed


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Give a masakari.conf whose database has its tables."""
    ready = Installed(tmp_path)
    ready.sync()
    return ready
