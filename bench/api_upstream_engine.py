"""Upstream's engine, which takes each notification off the broker and does nothing about it; runs in upstream's environment.

python api_upstream_engine.py --config-file masakari.conf
"""

import sys
from typing import Any

# First of all, because this import lets eventlet replace the standard library's sockets and threads.
import eventlet
import oslo_messaging
from masakari.engine.manager import MasakariManager
from masakari.objects import base

from masakari import config, objects, rpc


class IdleEngine(MasakariManager):
    """Hears what the API casts."""

    target = MasakariManager.target

    def process_notification(self, context: Any, notification: Any = None) -> None:
        """Take a notification."""


def main() -> None:
    """Listen until killed."""
    config.parse_args(sys.argv)
    objects.register_all()
    target = oslo_messaging.Target(topic="ha_engine", server="bench")
    rpc.get_server(target, [IdleEngine()], base.MasakariObjectSerializer()).start()
    print("listening", flush=True)
    while True:
        eventlet.sleep(60)


if __name__ == "__main__":
    main()
