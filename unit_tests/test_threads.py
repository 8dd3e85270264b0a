"""No process of ours ever loads eventlet."""

from __future__ import annotations

import subprocess
import sys

# A process of its own: this one has loaded who knows what for other tests.
PROGRAM = """
from vmha.threads import choose_threads
choose_threads()
choose_threads()
import importlib, pkgutil, sys
import vmha
for module in pkgutil.walk_packages(vmha.__path__, "vmha."):
    # Alembic alone can run its environment and its steps, and wsgi builds the API from masakari.conf as soon as it is imported.
    if module.name.rpartition(".")[2] not in ("__main__", "wsgi") and ".migrations." not in module.name:
        importlib.import_module(module.name)
import keystonemiddleware.auth_token, oslo_db.sqlalchemy.enginefacade, oslo_messaging, oslo_middleware, oslo_policy.policy
from oslo_service import backend
assert backend.get_backend_type() is backend.BackendType.THREADING
assert sys.modules["eventlet"] is None
loaded = [name for name in sys.modules if name.startswith("eventlet.")]
assert not loaded, loaded
"""


def test_nothing_that_we_import_loads_eventlet() -> None:
    """All of vmha and the oslo libraries that it uses are imported, and eventlet is not among the modules."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)


def test_the_doorbell_chooses_threads_itself() -> None:
    """Whoever imports the messaging adapter first gets threads, for oslo.messaging would choose eventlet."""
    program = "import vmha.adapters.messaging, sys; assert sys.modules['eventlet'] is None"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
