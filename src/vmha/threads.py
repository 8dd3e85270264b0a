"""Plain threads for everything. oslo.service would load eventlet, and eventlet would change what a thread is."""

from __future__ import annotations

import sys


def choose_threads() -> None:
    """Choose oslo.service's threading backend and keep eventlet out of this process.

    Call it before the first import of an oslo library: some load eventlet as soon as they find it.
    Calling it again does nothing.
    """
    if "eventlet" not in sys.modules:
        # None makes `import eventlet` fail, as on a machine without it; every oslo library is written for that case.
        sys.modules["eventlet"] = None  # type: ignore[assignment]
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)
