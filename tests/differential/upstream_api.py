"""Upstream's API with just as much of its engine as the API asks for; runs inside upstream's environment, not in ours.

Both are in one process, so that oslo.messaging's in-memory transport carries the calls. The engine answers what a recovery
has done so far, with upstream's own code; it takes notifications and does nothing, for what an engine does is no matter here.

    OS_MASAKARI_CONFIG_DIR=folder DIFFERENTIAL_PORT=port python upstream_api.py
"""

import os
from typing import Any

# First of all, because this import lets eventlet replace the standard library's sockets and threads.
from masakari.wsgi.api import application  # type: ignore[import-not-found] # isort: skip
import eventlet  # type: ignore[import-not-found]
import eventlet.wsgi  # type: ignore[import-not-found]
import oslo_messaging
from masakari.engine.manager import MasakariManager  # type: ignore[import-not-found]
from masakari.objects import base  # type: ignore[import-not-found]

from masakari import rpc


class Engine(MasakariManager):  # type: ignore[misc] # its base is unknown to our type checker
    """Upstream's engine, idle."""

    target = MasakariManager.target

    def process_notification(self, context: Any, notification: Any = None) -> None:
        """Take a notification and do nothing."""


def main() -> None:
    """Serve until killed."""
    target = oslo_messaging.Target(topic="ha_engine", server="differential")
    rpc.get_server(target, [Engine()], base.MasakariObjectSerializer()).start()
    eventlet.wsgi.server(
        eventlet.listen(("127.0.0.1", int(os.environ["DIFFERENTIAL_PORT"]))), application, log_output=False
    )


if __name__ == "__main__":
    main()
