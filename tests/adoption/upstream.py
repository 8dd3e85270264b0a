"""Runs inside an environment of upstream Masakari: fills a database through upstream's own API and engine, and reads it back.

`upstream.py TASK CONFIG PASTE` does one of `TASKS` and prints what the API then shows: one JSON object, path to answer.
It imports nothing of ours. Nova is a class of this file and the message bus a direct call; all else is upstream's: API, engine, task flows.
"""

import json
import sys
import warnings
from types import SimpleNamespace

warnings.simplefilter("ignore")

import webob  # noqa: E402 - what upstream imports warns
from masakari.compute import nova  # noqa: E402
from masakari.db.sqlalchemy import migration  # noqa: E402
from masakari.engine import manager, rpcapi  # noqa: E402
from masakari.engine.drivers.taskflow import base, driver  # noqa: E402
from oslo_config import cfg  # noqa: E402
from paste import deploy  # noqa: E402

from masakari import config, context, exception, objects, rpc  # noqa: E402

METHODS = ("auto", "reserved_host", "auto_priority", "rh_priority")
NEWEST = {"OpenStack-API-Version": "instance-ha latest"}
STOPPED = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}


class Nova:
    """A cloud in which evacuations end at once, but for the reserved host r-bad, and guests obey."""

    servers = {}

    def _get(self, context, uuid):
        return self.servers[uuid]

    get_server = _get

    def get_servers(self, context, host):
        return [server for server in self.servers.values() if getattr(server, HOST) == host]

    def evacuate_instance(self, context, uuid, target=None):
        server = self.servers[uuid]
        if target == "r-bad" or (target is None and server.metadata.get("needs_reserve")):
            raise exception.InstanceEvacuateFailed(instance_uuid=uuid)
        setattr(server, HOST, target or "elsewhere")

    def stop_server(self, context, uuid):
        setattr(self.servers[uuid], STATE, "stopped")

    def start_server(self, context, uuid):
        setattr(self.servers[uuid], STATE, "active")

    def reset_instance_state(self, context, uuid, status="error"):
        setattr(self.servers[uuid], STATE, status)

    def find_compute_service(self, context, compute_name):
        return SimpleNamespace(host=compute_name)

    def is_service_disabled(self, context, host_name, binary):
        return host_name.startswith("off-") or host_name in self.disabled

    disabled = set()

    def enable_disable_service(self, context, host_name, enable=False, reason=None):
        self.disabled.add(host_name)

    def get_aggregate_list(self, context):
        return []

    def lock_server(self, context, uuid):
        self.servers[uuid].locked = True

    def unlock_server(self, context, uuid):
        self.servers[uuid].locked = False


HOST, STATE = "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-STS:vm_state"


def guest(host, number, state="active", **metadata):
    """Run an instance and return its uuid."""
    uuid = f"{1000 * len(Nova.servers) + number:08}-0000-4000-8000-000000000000"
    server = SimpleNamespace(id=uuid, name=f"gäst-{number}", metadata=metadata, locked=False)
    server.__dict__.update({HOST: host, STATE: state, "OS-EXT-STS:task_state": None, "OS-EXT-STS:power_state": 1})
    Nova.servers[uuid] = server
    return uuid


class Cloud:
    """Upstream's API and engine in this process."""

    def __init__(self, configuration, paste):
        config.parse_args(["upstream", "--config-file", configuration], default_config_files=[configuration])
        objects.register_all()
        rpc.init(cfg.CONF)
        # Read when the modules are imported, which in upstream's own programs comes after the configuration.
        base.PERSISTENCE_BACKEND = driver.PERSISTENCE_BACKEND = cfg.CONF.taskflow.connection
        nova.API = Nova
        self.engine = manager.MasakariManager()
        self.process = True
        rpcapi.EngineAPI.process_notification = self._process
        rpcapi.EngineAPI.get_notification_recovery_workflow_details = self._details
        self.app = deploy.loadapp(f"config:{paste}", name="masakari_api")

    def _process(self, context, notification):
        if self.process:
            self.engine.process_notification(context, notification=notification)

    def _details(self, context, notification):
        return self.engine.get_notification_recovery_workflow_details(context, notification)

    def call(self, method, path, body=None):
        request = webob.Request.blank("/v1" + path, method=method, headers=dict(NEWEST))
        if body is not None:
            request.body = json.dumps(body).encode()
            request.content_type = "application/json"
        answer = request.get_response(self.app)
        if answer.status_int >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {answer.text}")
        return answer.json if answer.body else None

    def report(self, kind, host, payload, generated="2026-03-14T03:00:00.123456"):
        body = {"type": kind, "hostname": host, "generated_time": generated, "payload": payload}
        return self.call("POST", "/notifications", {"notification": body})["notification"]["notification_uuid"]


def fill(cloud):
    """Leave behind what years leave behind: every kind of notification, in every status, with and without a task flow."""
    migration.db_sync()  # what `masakari-manage db sync` calls
    for method in METHODS:
        make_segment(cloud, method)
        for number in (1, 2):
            guest(
                "c-" + method, number, HA_Enabled="True" if number == 1 else "False", needs_reserve="priority" in method
            )
        cloud.report("COMPUTE_HOST", "c-" + method, STOPPED)
    cloud.report("COMPUTE_HOST", "empty-auto", STOPPED)
    cloud.report("COMPUTE_HOST", "odd-auto", {"event": "STOPPED", "host_status": "UNKNOWN"})
    cloud.report("COMPUTE_HOST", "odd-auto", {"event": "STARTED", "host_status": "NORMAL"})
    vm_events(cloud, "odd-auto")
    cloud.report("PROCESS", "process-auto", {"event": "STOPPED", "process_name": "nova-compute"})
    cloud.report("PROCESS", "libvirt-auto", {"event": "STOPPED", "process_name": "libvirtd"})
    cloud.process = False
    make_segment(cloud, "auto", "waits")
    cloud.report("COMPUTE_HOST", "c-waits", STOPPED)
    cloud.process = True
    cloud.call("PUT", "/segments/" + make_segment(cloud, "auto", "off"), {"segment": {"enabled": False}})
    gone = make_segment(cloud, "auto", "gone")
    for host in cloud.call("GET", f"/segments/{gone}/hosts")["hosts"][:1]:
        cloud.call("DELETE", "/segments/{}/hosts/{}".format(gone, host["uuid"]))
    cloud.call("DELETE", "/segments/" + gone)


def go_on(cloud):
    """Be upstream again, on a database that another service has used: sweep what is unfinished, and recover another host."""
    cloud.engine._process_unfinished_notifications(context.get_admin_context())
    make_segment(cloud, "auto", "again")
    guest("c-again", 1)
    cloud.report("COMPUTE_HOST", "c-again", STOPPED)


def vm_events(cloud, host):
    """Report guests: one that is restarted, one that is left alone, one that stands still, and noise."""
    crash = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED"}
    cloud.report("VM", host, {**crash, "instance_uuid": guest(host, 11, HA_Enabled="True")})
    cloud.report("VM", host, {**crash, "instance_uuid": guest(host, 12)})
    cloud.report("VM", host, {**crash, "instance_uuid": guest(host, 13, "paused", HA_Enabled="True")})
    noise = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_DESTROYED", "instance_uuid": guest(host, 14)}
    cloud.report("VM", host, noise)


def fleet(cloud, *hosts):
    """Leave a small cloud as it is on the day before a takeover: one segment, and the last host has failed and was recovered once."""
    migration.db_sync()
    body = {"name": "racks", "recovery_method": "auto", "service_type": "COMPUTE"}
    segment = cloud.call("POST", "/segments", {"segment": body})["segment"]["uuid"]
    for host in hosts:
        make_host(cloud, segment, host)
    guest(hosts[-1], 1)
    cloud.report("COMPUTE_HOST", hosts[-1], STOPPED)
    for host in cloud.call("GET", f"/segments/{segment}/hosts")["hosts"]:
        if host["on_maintenance"]:
            where = "/segments/{}/hosts/{}".format(segment, host["uuid"])
            cloud.call("PUT", where, {"host": {"on_maintenance": False}})


def make_segment(cloud, method, name=None):
    """Make a segment with hosts, two of them reserved, and return its uuid."""
    name = name or method
    body = {"name": "s-" + name, "recovery_method": method, "service_type": "COMPUTE", "description": "Zürich"}
    uuid = cloud.call("POST", "/segments", {"segment": body})["segment"]["uuid"]
    for host in ("c", "empty", "odd", "process", "libvirt") if name == "auto" else ("c", "empty"):
        make_host(cloud, uuid, host + "-" + name)
    # Upstream takes the youngest first; only one segment at a time may have hosts of these names.
    if method != "auto":
        make_host(cloud, uuid, "r-good-" + name, reserved=True)
        make_host(cloud, uuid, "r-bad", reserved=True) if name == "reserved_host" else None
    return uuid


def make_host(cloud, segment, name, **more):
    """Add a host."""
    host = {"name": name, "type": "COMPUTE", "control_attributes": "SSH", **more}
    cloud.call("POST", f"/segments/{segment}/hosts", {"host": host})


def read(cloud):
    """Read everything that upstream's API shows."""
    seen = {}

    def get(path):
        seen[path] = cloud.call("GET", path)
        return seen[path]

    for segment in get("/segments")["segments"]:
        get("/segments/" + segment["uuid"])
        for host in get("/segments/{}/hosts".format(segment["uuid"]))["hosts"]:
            get("/segments/{}/hosts/{}".format(segment["uuid"], host["uuid"]))
    for row in get("/notifications")["notifications"]:
        get("/notifications/" + row["notification_uuid"])
        if hasattr(objects, "VMove") and row["type"] == "COMPUTE_HOST":
            for move in get("/notifications/{}/vmoves".format(row["notification_uuid"]))["vmoves"]:
                get("/notifications/{}/vmoves/{}".format(row["notification_uuid"], move["uuid"]))
    return seen


TASKS = {"fill": fill, "fleet": fleet, "go_on": go_on, "read": lambda cloud: None}


if __name__ == "__main__":
    upstream = Cloud(sys.argv[2], sys.argv[3])
    TASKS[sys.argv[1]](upstream, *sys.argv[4:])
    print(json.dumps(read(upstream)))
