"""nova-compute with Nova's own fake hypervisor; runs inside Nova's environment, not in ours.

Nova's fake driver draws a new node identity in every process, and Nova refuses a compute service whose node
changed. This one keeps it. It can also fail, or hang, when it is told to spawn a guest, for the tests of
destinations that do: a file `spawn-fails` or `spawn-hangs` in the folder that RIG_HOST_FOLDER names, with the
instances that it is about, or empty for all. With `spawn-fetches` it asks for the image first, as other drivers do. And it
reports to Nova as soon as it serves, not five seconds later, because every test waits for that.
"""

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

# First of all, because this import decides between native threads and eventlet.
from nova.cmd import compute  # type: ignore[import-not-found] # isort: skip
from nova import exception  # type: ignore[import-not-found]
from nova.image import glance  # type: ignore[import-not-found]
from nova.servicegroup import api as servicegroup  # type: ignore[import-not-found]
from nova.virt import fake  # type: ignore[import-not-found]

# Nova loads drivers by name from below nova.virt only.
MODULE = "nova.virt.rig"


class StableDriver(fake.FakeDriver):  # type: ignore[misc] # its base is unknown to our type checker
    """The fake driver with a node identity that survives a restart."""

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """Report the node with the identity that its name gives it."""
        resources: dict[str, Any] = super().get_available_resource(nodename)
        if resources:
            resources["uuid"] = _node_uuid(nodename)
        return resources

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        """Map that identity back to the name."""
        return {_node_uuid(name): name for name in self.get_available_nodes()}

    def spawn(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        """Start a guest, unless a test wants that to fail or to hang."""
        folder = Path(os.environ["RIG_HOST_FOLDER"])
        if _is_told(folder / "spawn-fetches", instance.uuid):
            glance.API().get(context, instance.image_ref)
        if _is_told(folder / "spawn-fails", instance.uuid):
            raise exception.InternalError("this host was told to fail every spawn")
        super().spawn(context, instance, *arguments, **options)
        while _is_told(folder / "spawn-hangs", instance.uuid):
            time.sleep(0.2)


def _is_told(file: Path, instance: str) -> bool:
    """Say whether the file is there, and is about this instance or about all."""
    try:
        named = file.read_text().split()
    except FileNotFoundError:
        return False
    return not named or instance in named


def _node_uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


if __name__ == "__main__":
    servicegroup.INITIAL_REPORTING_DELAY = 0
    sys.modules[MODULE] = sys.modules[__name__]
    compute.main()
