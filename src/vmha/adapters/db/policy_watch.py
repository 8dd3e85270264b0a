"""Sees that the recovery policy is written for segments that exist: a name that is misspelt is no fault of the file, and counts for nobody."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vmha.adapters.db.connection import reading
from vmha.adapters.db.fleet import segments_with_hosts
from vmha.errors import StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from vmha.core.workflows import Workflows
    from vmha.ports import Clock

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 300.0
"""How often an engine compares them: a segment may be renamed, or deleted, while it runs."""


class PolicyWatch:
    """Warns at the start, and when it changes, of segments that have workflows and are not there. For one thread."""

    def __init__(self, engine: Engine, clock: Clock, workflows: Workflows, file: Path) -> None:
        self._engine = engine
        self._clock = clock
        self._workflows = workflows
        self._file = file
        self._told: tuple[str, ...] = ()
        self._due = clock.monotonic()

    def look(self) -> None:
        """Look if it is time. A database that is away is asked again in the next round, which says so."""
        if not self._workflows.choices or self._clock.monotonic() < self._due:
            return
        try:
            with reading(self._engine) as connection:
                unknown = self._workflows.strangers(group.name for group in segments_with_hosts(connection))
        except StoreUnavailable:
            return
        self._due = self._clock.monotonic() + LOOK_SECONDS
        if unknown and unknown != self._told:
            says = "no segment has this name: what fails in the one that was meant is recovered by the default"
            names = ", ".join(unknown)
            log(LOG, "workflows-unknown", level=logging.WARNING, file=str(self._file), segments=names, says=says)
        self._told = unknown
