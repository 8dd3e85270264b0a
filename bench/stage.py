"""What all sides share: the host that fails, and the clock that stops by Nova's own database.

The database is read without any API: looking costs Nova nothing, and costs every side the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pymysql

from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.settings import ADDRESS, PASSWORD
from tests.cloud.rig.waiting import until

HOST = "host-1"
LOOK_SECONDS = 0.1
"""Time between two looks at the database: the resolution of every figure."""
SILENCE_SECONDS = 12.0
"""How long the host's heartbeat is silent when the clock starts; the service's own setting on this cloud."""
END_SECONDS = 300.0
LANDED = (
    "SELECT uuid, host FROM instances WHERE uuid IN ({marks}) AND host <> %s "
    "AND vm_state = 'active' AND task_state IS NULL"
)


def prepare(cloud: Cloud, instances: int) -> list[str]:
    """Reset every host and boot the instances on the one that will fail; return their ids."""
    cloud.reset()
    return cloud.boot_instances(HOST, instances)


def wait_for_silence(cloud: Cloud) -> None:
    """Return when Nova has not heard of the host for as long as the service waits before it believes that."""
    until(
        lambda: time.time() - cloud.last_heartbeat(HOST) >= SILENCE_SECONDS,
        f"{HOST} is silent",
        timeout_seconds=60,
        poll_seconds=0.25,
    )


@dataclass
class Watch:
    """Sees in Nova's database when each instance runs elsewhere: another host, active, no task left."""

    cloud: Cloud
    instances: list[str]
    landed: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    all_landed: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Return when all of them run elsewhere."""
        until(self.all_landed.is_set, f"all instances run elsewhere than on {HOST}", timeout_seconds=END_SECONDS)

    def look_on(self, stop: threading.Event) -> None:
        """Look until all have landed, or until `stop`."""
        query = LANDED.format(marks=", ".join(["%s"] * len(self.instances)))
        with contextlib.closing(_connect(self.cloud)) as connection, connection.cursor() as cursor:
            while not stop.wait(LOOK_SECONDS) and not self.all_landed.is_set():
                cursor.execute(query, (*self.instances, HOST))
                now = time.time()
                for uuid, host in cursor.fetchall():
                    self.landed.setdefault(uuid, now)
                    self.hosts[uuid] = host
                if len(self.landed) == len(self.instances):
                    self.all_landed.set()


@contextlib.contextmanager
def watching(cloud: Cloud, instances: list[str]) -> Iterator[Watch]:
    """Watch the instances from here to the end of the block."""
    watch, stop = Watch(cloud, instances), threading.Event()
    thread = threading.Thread(target=watch.look_on, args=(stop,), name="watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def _connect(cloud: Cloud) -> pymysql.Connection[pymysql.cursors.Cursor]:
    return pymysql.connect(
        host=ADDRESS,
        port=cloud.settings.port("cloud-database"),
        user="rig",
        password=PASSWORD,
        database="nova",
        autocommit=True,
        init_command="SET SESSION TRANSACTION READ ONLY",
    )
