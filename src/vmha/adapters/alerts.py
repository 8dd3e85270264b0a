"""Alerts as lines of the log, for whoever watches it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vmha.logs import log

if TYPE_CHECKING:
    from vmha.core.explain import Reason

LOGGER = logging.getLogger(__name__)


class LogAlerts:
    """Writes each alert as a warning with the same words as API and timeline."""

    def send(self, *, recovery: str, host: str, reason: Reason) -> None:
        """Say `reason` about `host`."""
        log(
            LOGGER,
            "alert",
            level=logging.WARNING,
            host=host,
            recovery=recovery,
            code=reason.code.name,
            reason=reason.sentence,
        )
