"""Prints payloads of upstream's versioned notifications, made by upstream's own classes.

Run by the Python of an environment that has upstream Masakari (tests/differential/upstream.txt pins one):

    python unit_tests/adapters/upstream_payloads.py > unit_tests/adapters/upstream_payloads.json
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from masakari.api import utils as api
from masakari.context import RequestContext
from masakari.engine import utils as engine
from oslo_config import cfg

from masakari import objects, rpc

CREATED = datetime(2026, 3, 1, 3, 0, 0, tzinfo=UTC)
SEGMENT = {
    "id": 7,
    "uuid": "c4dcb36d-5d4e-4e48-8c6b-2a8fb0c8a8d1",
    "name": "rack-1",
    "service_type": "COMPUTE",
    "description": None,
    "recovery_method": "auto",
    "enabled": True,
}
HOST = {
    "id": 9,
    "uuid": "2c8fd2b1-0f5b-4d9b-9c1c-6c1b2f1f4a10",
    "name": "c1",
    "type": "COMPUTE",
    "reserved": False,
    "control_attributes": "SSH",
    "on_maintenance": True,
}
NOTIFICATION = {
    "id": 11,
    "notification_uuid": "9e66b95d-45da-4695-bfb6-ace68b35d955",
    "source_host_uuid": HOST["uuid"],
    "type": "COMPUTE_HOST",
    "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
    "status": "new",
}


class Recorder:
    """Keeps what is emitted; stands where upstream looks for its notifier."""

    def __init__(self) -> None:
        self.found: list[dict[str, object]] = []

    def prepare(self, publisher_id: str) -> Recorder:
        """Take the publisher."""
        self.publisher = publisher_id.partition(":")[0]
        return self

    def _keep(self, _context: object, event_type: str, payload: object) -> None:
        self.found.append({"publisher": self.publisher, "event_type": event_type, "payload": payload})

    info = error = _keep


def main() -> None:
    """Emit one of each and print them all."""
    cfg.CONF([], project="masakari", default_config_files=[])
    recorder = Recorder()
    rpc.NOTIFIER = recorder
    objects.register_all()
    context = RequestContext(user_id="user", project_id="project")
    times = {"created_at": CREATED, "updated_at": None, "deleted_at": None, "deleted": False}
    segment = objects.FailoverSegment(context, **SEGMENT, **times)
    host = objects.Host(context, **HOST, failover_segment=segment, **times)
    notification = objects.Notification(context, **NOTIFICATION, generated_time=CREATED, **times)
    for each in (segment, host, notification):
        each.obj_reset_changes()
    api.notify_about_segment_api(context, segment, "segment.create", phase="end")
    api.notify_about_host_api(context, host, "host.update", phase="end")
    api.notify_about_notification_api(context, notification, "notification.create", phase="end")
    engine.notify_about_notification_update(context, notification, "notification.process", phase="start")
    try:
        raise ValueError("what happened")
    except ValueError as error:
        api.notify_about_segment_api(
            context, segment, "segment.create", phase="error", exception=error, tb="Traceback: as text"
        )
    json.dump(recorder.found, sys.stdout, indent=1, sort_keys=True, default=str)
    print()


if __name__ == "__main__":
    main()
