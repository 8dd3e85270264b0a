"""Hears our doorbell on the broker, as an engine does, and does nothing about it: `python -m bench.api_ears --config-file FILE`."""

from __future__ import annotations

import sys

from vmha.adapters.messaging import DoorbellListener
from vmha.cli.serving import begin
from vmha.cli.signals import Signals


def main() -> None:
    """Listen until a signal."""
    signals = Signals(None)
    settings = begin("bench-ears", sys.argv[1:])
    listener = DoorbellListener(settings.config, engine="bench", on_ring=lambda: None)
    listener.start()
    print("listening", flush=True)
    signals.stop.wait()
    listener.stop()


if __name__ == "__main__":
    main()
