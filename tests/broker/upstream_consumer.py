"""Runs inside an environment of upstream Masakari: hears versioned notifications as upstream's own objects, and says what it heard.

`upstream_consumer.py TRANSPORT_URL NUMBER SECONDS` prints `ready`, and then a JSON list with each notification: priority, publisher, event
type, payload, and what upstream's context knows of the caller. A payload that a class of upstream's does not take, or writes otherwise, is
an error. It imports nothing of ours.
"""

import json
import queue
import sys
import warnings

warnings.simplefilter("ignore")

import oslo_messaging  # noqa: E402 - what upstream imports warns
from masakari.notifications.objects import base as notification_base  # noqa: E402
from masakari.notifications.objects import exception, notification  # noqa: E402
from masakari.objects import base  # noqa: E402
from oslo_config import cfg  # noqa: E402

from masakari import objects, rpc  # noqa: E402

PAYLOADS = (
    notification.SegmentApiPayload,
    notification.HostApiPayload,
    notification.NotificationApiPayload,
    exception.ExceptionPayload,
)


class Consumer:
    """An endpoint of a listener."""

    def __init__(self):
        self.heard = queue.Queue()

    def info(self, context, publisher, event_type, payload, metadata):
        self.heard.put(("info", context, publisher, event_type, payload))

    def error(self, context, publisher, event_type, payload, metadata):
        self.heard.put(("error", context, publisher, event_type, payload))


def read(priority, context, publisher, event_type, payload):
    """Build upstream's objects of one notification, and write them again."""
    action, _, phase = event_type.rpartition(".")
    kind = notification_base.EventType(action=action, phase=phase)
    binary, _, host = publisher.partition(":")
    who = notification_base.NotificationPublisher(binary=binary, host=host)
    written = base.MasakariObject.obj_from_primitive(payload).obj_to_primitive()
    if written != payload:
        raise SystemExit(f"{event_type}: {payload} became {written}")
    caller = {"user_id": context.user_id, "request_id": context.request_id, "token": context.auth_token}
    return [priority, f"{who.binary}:{who.host}", kind.to_notification_event_type_field(), written, caller]


def main(url, number, seconds):
    """Hear so many notifications, each within so many seconds."""
    configuration = cfg.ConfigOpts()
    configuration(["--config-file", "/dev/null"], project="masakari")
    rpc.set_defaults(control_exchange="masakari")
    objects.register_all()
    for (
        payload
    ) in PAYLOADS:  # upstream only ever writes them, so they are known to no reader and begin with what they tell of
        payload.__init__ = base.MasakariObject.__init__
        base.MasakariObjectRegistry.register(payload)
    consumer = Consumer()
    listener = oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(configuration, url=url),
        [oslo_messaging.Target(topic="versioned_notifications")],
        [consumer],
        executor="threading",
        serializer=rpc.RequestContextSerializer(rpc.JsonPayloadSerializer()),
    )
    listener.start(override_pool_size=1)
    print("ready", flush=True)
    heard = [read(*consumer.heard.get(timeout=seconds)) for _ in range(number)]
    listener.stop()
    print(json.dumps(heard))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
