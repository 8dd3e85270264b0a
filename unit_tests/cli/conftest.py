"""Programs with a configuration of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.cli.rig import Cloud, Installed, Manage


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Give a configuration on SQLite, without tables."""
    return Installed(tmp_path)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put the loggers back as they were: a program sets them up for its whole process."""
    names = (
        "",
        "vmha",
        "keystoneauth",
        "keystoneauth1",
        "keystonemiddleware",
        "openstack",
        "requests",
        "urllib3",
        "amqp",
    )
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.captureWarnings(capture=False)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def manage(
    installed: Installed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_logging: None,
) -> Manage:
    """Give masakari-manage."""
    return Manage(installed, monkeypatch, capsys)


@pytest.fixture
def cloud(installed: Installed) -> Iterator[Cloud]:
    """Give a cloud whose host c1 is dead, on the database of the configuration."""
    installed.sync()
    made = Cloud(installed)
    yield made
    made.close()
