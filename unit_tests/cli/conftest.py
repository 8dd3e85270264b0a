"""Programs with a configuration of their own."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unit_tests.cli.rig import Cloud, Installed, Programs

Manage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Give a configuration on SQLite, without tables."""
    return Installed(tmp_path)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put the loggers back as they were: a program sets them up for its whole process."""
    names = (
        "",
        "sqlalchemy.pool",
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
def own_signals() -> Iterator[None]:
    """Put the handlers of signals back as they were, and write them nowhere."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def programs(
    installed: Installed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_logging: None,
    own_signals: None,
) -> Programs:
    """Give the programs in this process."""
    return Programs(installed, monkeypatch, capsys)


@pytest.fixture
def manage(programs: Programs) -> Manage:
    """Give masakari-manage: a call returns exit code, standard output and standard error."""
    return programs.manage


@pytest.fixture
def cloud(installed: Installed) -> Iterator[Cloud]:
    """Give a cloud whose host c1 is dead, on the database of the configuration."""
    installed.sync()
    made = Cloud(installed)
    yield made
    made.close()
