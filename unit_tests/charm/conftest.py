"""Keeps what ops does to a process, which is a hook's own in real life, from the tests that come after."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Put back the root logger and the hook for exceptions: ops lets both lead to Juju's log, and everything through."""
    root = logging.getLogger()
    level, handlers, hook = root.level, root.handlers[:], sys.excepthook
    yield
    sys.excepthook = hook
    root.setLevel(level)
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
