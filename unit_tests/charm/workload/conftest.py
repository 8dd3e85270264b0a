"""A machine in a folder, and a plan for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_tests.charm.workload.fake_system import FakeSystem, put_wheels


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    """Give a fresh machine with the wheels of a release on it."""
    made = FakeSystem(tmp_path)
    put_wheels(made)
    return made
