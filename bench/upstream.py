"""Upstream Masakari 22.0.0 on the same cloud, tuned, in an environment of its own. An optional leg: `--upstream`.

Tuned means: it neither sleeps before it evacuates (180 s as it ships) nor before it takes a notification (up to 5 s), and it evacuates
in 20 threads instead of 3. It does not fence, so the host is forced down for it before the clock starts, with the notification.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench import stage
from bench.run import UPSTREAM, Run, observed
from tests.cloud.ha import Service, environment, wait_for
from tests.cloud.rig import databases, layout
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.service import ServiceSettings, service_settings
from tests.cloud.rig.waiting import tcp_port_answers
from tests.differential.environment import VERSION, install, paste_config, program, run

__all__ = ["VERSION", "install", "measure"]

AGENT = "python-novaclient"
LOGIN_AGENT = "masakari-engine"
DATABASE = "upstream"
CONFIG = """
[DEFAULT]
transport_url = {s.transport_url}
host = upstream-1
masakari_api_listen = {s.address}
masakari_api_listen_port = {s.port}
masakari_api_workers = 1
notification_delay_max = 0
wait_period_after_service_update = 0
verify_interval = 1
state_path = {folder}
os_privileged_user_name = {s.user}
os_privileged_user_password = {s.password}
os_privileged_user_tenant = {s.project}
os_privileged_user_auth_url = {s.auth_url}
os_user_domain_name = {s.user_domain}
os_project_domain_name = {s.project_domain}
os_region_name = {s.region}
use_ssl = false
host_failure_recovery_threads = 20
[wsgi]
api_paste_config = {paste}
[database]
connection = {database}
[taskflow]
connection = {database}
[oslo_concurrency]
lock_path = {folder}
[oslo_messaging_notifications]
driver = noop
[keystone_authtoken]
auth_type = password
auth_url = {s.auth_url}
www_authenticate_uri = {s.auth_url}
username = {s.user}
password = {s.password}
project_name = {s.project}
user_domain_name = {s.user_domain}
project_domain_name = {s.project_domain}
memcached_servers = {s.memcached}
"""


def measure(cloud: Cloud, folder: Path, instances: int) -> Run:
    """Let nova-compute die, force the host down, and let upstream recover it. The clock starts when the notification is posted."""
    ids = stage.prepare(cloud, instances)
    with (
        _running(cloud, folder / f"upstream-{time.time():.0f}") as client,
        observed(cloud, ids, AGENT, LOGIN_AGENT) as seen,
    ):
        cloud.kill_compute(stage.HOST)
        stage.wait_for_silence(cloud)
        cloud.force_down(stage.HOST)
        began = time.time()
        notification = client.report(stage.HOST)
        seen.watch.wait()
        wait_for(
            "upstream to finish the notification",
            lambda: client.notification(notification).status == "finished",
            timeout_seconds=120,
        )
    return seen.run(UPSTREAM, began)


@contextlib.contextmanager
def _running(cloud: Cloud, folder: Path) -> Iterator[Service]:
    """Run upstream's API and engine on an empty database; yield a client of theirs."""
    settings = service_settings(cloud.settings)
    client = Service(folder, settings)
    config = ["--config-file", str(_configure(cloud, folder, settings))]
    run([program("masakari-manage"), *config, "db", "sync"], environment())
    processes = []
    try:
        for name in ("masakari-api", "masakari-engine"):
            log = (folder / f"{name}.log").open("ab")
            command = [program(name), *config]
            processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())
            )
        wait_for("upstream's API to answer", lambda: tcp_port_answers(settings.address, settings.port))
        client.make_segment("bench", cloud.hosts)
        yield client
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()


def _configure(cloud: Cloud, folder: Path, settings: ServiceSettings) -> Path:
    server = databases.ha_database(cloud.settings)
    server.sql(f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET utf8mb3;")
    url = f"{layout.database_url(cloud.settings, 'ha-database')}/{DATABASE}?charset=utf8mb3"
    path = folder / "upstream.conf"
    path.touch(mode=0o600)
    path.write_text(CONFIG.format(s=settings, paste=paste_config(), folder=folder, database=url))
    return path
