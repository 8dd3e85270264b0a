"""The bare loop: tell Nova that the host is down, list its instances, post every evacuation, look now and then until all are done.

No fence, no proof, no record of what it did, no second try: the least that anybody could do, and as fast as we know to do it.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from tests.cloud.rig.cloud import EVACUATE_VERSION, Cloud
from tests.cloud.rig.errors import RigError

AGENT = "bare-loop"
POLL_SECONDS = 4.0
"""Narrow and seldom: `GET /servers/detail` every second, or a narrow list much more often, slows the moves themselves."""
WAIT_SECONDS = 300.0


def recover(cloud: Cloud, host: str, concurrency: int) -> None:
    """Evacuate the host; return when Nova's records say that all are done."""
    began = datetime.now(UTC)
    _call(cloud, "PUT", f"/os-services/{_service_id(cloud, host)}", {"forced_down": True, "status": "disabled"})
    servers = [server["id"] for server in _call(cloud, "GET", f"/servers?all_tenants=1&host={host}")["servers"]]

    def evacuate(server: str) -> None:
        _call(cloud, "POST", f"/servers/{server}/action", {"evacuate": {}})

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(evacuate, servers))
    _wait(cloud, host, set(servers), began)


def _service_id(cloud: Cloud, host: str) -> str:
    return str(_call(cloud, "GET", f"/os-services?binary=nova-compute&host={host}")["services"][0]["id"])


def _wait(cloud: Cloud, host: str, servers: set[str], began: datetime) -> None:
    # Only records of this loop: those of earlier failures would make each answer longer.
    since = began.strftime("%Y-%m-%dT%H:%M:%SZ")
    path = f"/os-migrations?source_compute={host}&migration_type=evacuation&changes-since={since}"
    until = time.monotonic() + WAIT_SECONDS
    done: set[str] = set()
    while done != servers:
        if time.monotonic() > until:
            raise RigError(f"the bare loop waited {WAIT_SECONDS:.0f} s for {len(servers - done)} instances in vain")
        time.sleep(POLL_SECONDS)
        records = _call(cloud, "GET", path)["migrations"]
        done = {record["instance_uuid"] for record in records if record["status"] == "done"} & servers


def _call(cloud: Cloud, method: str, path: str, body: Any = None) -> Any:
    answer = cloud.nova.send(method, path, body, version=EVACUATE_VERSION, headers={"User-Agent": AGENT})
    if not 200 <= answer.status < 300:
        raise RigError(f"the bare loop's {method} {path} answered {answer.status}: {answer.body}")
    return answer.body
