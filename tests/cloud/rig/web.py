"""The OpenStack APIs as gunicorn processes, and the stand-in for Neutron. Keystone's is described in `keystone`."""

import dataclasses
import shlex
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.cloud.rig import environments, layout
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, Settings
from tests.cloud.rig.waiting import until

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True, slots=True)
class WebServer:
    """One OpenStack API: the environment it runs in, its WSGI module and its processes."""

    settings: Settings
    name: str
    project: str
    module: str
    workers: int
    threads: int
    environment: dict[str, str]

    def daemon(self) -> Daemon:
        """Describe the gunicorn process."""
        environment = {
            "GUNICORN_CMD_ARGS": f"--config {shlex.quote(str(HERE / 'gunicorn_conf.py'))}",
            "RIG_WSGI_APP": f"{self.module}:application",
            "RIG_WSGI_BIND": f"{ADDRESS}:{self.settings.port(self.name)}",
            "RIG_WSGI_WORKERS": str(self.workers),
            "RIG_WSGI_THREADS": str(self.threads),
            "RIG_WSGI_ACCESS_LOG": str(layout.access_log(self.settings, self.name)),
        }
        program = environments.program(self.project, "gunicorn")
        return layout.daemon(self.settings, self.name, (program,), environment | self.environment)

    def start(self) -> None:
        """Start the API and return when it answers."""
        daemon = self.daemon()
        daemon.start()
        wait_for_http(daemon, self.settings.url(self.name, "/"))


def placement(settings: Settings) -> WebServer:
    """Return Placement's API."""
    config = {"OS_PLACEMENT_CONFIG_DIR": str(layout.config_file(settings, "placement"))}
    return WebServer(settings, "placement", "placement", "placement.wsgi.api", 2, 1, config)


def glance(settings: Settings) -> WebServer:
    """Return Glance's API."""
    config = {"OS_GLANCE_CONFIG_DIR": str(layout.config_file(settings, "glance"))}
    return WebServer(settings, "glance", "glance", "glance.wsgi.api", 1, 2, config)


def nova_api(settings: Settings) -> WebServer:
    """Return Nova's API. Its requests wait for RPC answers, hence more processes than cores."""
    config = {"OS_NOVA_CONFIG_DIR": str(layout.config_file(settings, "nova"))}
    return WebServer(settings, "nova-api", "nova", "nova.wsgi.osapi_compute", 4, 1, config)


def neutron(settings: Settings) -> Daemon:
    """Describe the stand-in for Neutron."""
    command = (sys.executable, str(HERE / "neutron_stub.py"), ADDRESS, str(settings.port("neutron")))
    return layout.daemon(settings, "neutron", command)


def start_neutron(settings: Settings) -> None:
    """Start the stand-in for Neutron and return when it answers."""
    daemon = neutron(settings)
    daemon.start()
    wait_for_http(daemon, settings.url("neutron", "/"))


def wait_for_http(daemon: Daemon, url: str) -> None:
    """Return when the server gives any answer that is no failure of its own."""

    def answers() -> bool:
        daemon.expect_alive()
        try:
            with urllib.request.urlopen(url, timeout=10):
                return True
        except urllib.error.HTTPError as error:
            # 300 and 401 are how OpenStack APIs greet a stranger.
            return error.code < 500
        except OSError:
            return False

    until(answers, daemon.name, timeout_seconds=240, hint=str(daemon.log))
