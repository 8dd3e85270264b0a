"""gunicorn and uWSGI run the API by its module path, ours or upstream's, and do not start with a configuration that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from unit_tests.cli.rig import Installed

pytestmark = pytest.mark.timeout(600)
SECONDS = 60.0
"""Longest wait for a server: it imports the service once for each worker."""
BIN = Path(sys.executable).parent
OURS, UPSTREAMS = "vmha.api.wsgi:application", "masakari.wsgi.api:application"
SEGMENT = {"segment": {"name": "s", "recovery_method": "auto", "service_type": "COMPUTE"}}


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started: its words, with the port and the module path to be filled in, and where the API is then."""

    name: str
    words: tuple[str, ...]
    module: str
    prefix: str = ""

    def command(self, port: int) -> list[str]:
        """Return the command line."""
        return [str(BIN / self.words[0]), *(word.format(port=port, module=self.module) for word in self.words[1:])]


GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--no-control-socket", "--workers", "2")
UWSGI = ("uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--need-app", "--die-on-term", "--processes", "2")
SERVERS = (
    Server("gunicorn", (*GUNICORN, "{module}"), OURS),
    Server(
        "gunicorn with threads, loaded before the fork",
        (*GUNICORN, "--threads", "4", "--preload", "{module}"),
        UPSTREAMS,
    ),
    Server("uwsgi", (*UWSGI, "--enable-threads", "--module", "{module}"), UPSTREAMS),
    Server(
        "uwsgi below a prefix, as devstack has it",
        (*UWSGI, "--enable-threads", "--manage-script-name", "--mount", "/instance-ha={module}"),
        UPSTREAMS,
        "/instance-ha",
    ),
    Server("uwsgi loaded in each worker", (*UWSGI, "--enable-threads", "--lazy-apps", "--module", "{module}"), OURS),
)


@contextmanager
def running(server: Server, installed: Installed) -> Iterator[str]:
    """Run a server until the end of the block; yield the URL of the API."""
    url = f"http://127.0.0.1:{installed.port}{server.prefix}"
    output = installed.folder / "server.out"
    with output.open("wb") as file:
        process = subprocess.Popen(server.command(installed.port), stdout=file, stderr=file, env=environment(installed))
    try:
        wait_for(url, process, output)
        yield url
    finally:
        process.terminate()
        process.wait(SECONDS)


def environment(installed: Installed) -> dict[str, str]:
    """Say where masakari.conf is, as deployers' unit files do."""
    return dict(os.environ) | {"OS_MASAKARI_CONFIG_DIR": str(installed.folder), "HOME": str(installed.folder)}


def wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < until, output.read_text()
        try:
            requests.get(f"{url}/healthcheck", timeout=SECONDS)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_server_runs_the_api(server: Server, installed: Installed) -> None:
    """Documents, a creation, a list, a refusal in upstream's envelope, and links below the prefix, all by two workers."""
    with running(server, installed) as url:
        (version,) = requests.get(f"{url}/", timeout=SECONDS).json()["versions"]
        assert version["links"] == [{"rel": "self", "href": f"{url}/v1/"}]
        assert requests.get(f"{url}/v1/segments", timeout=SECONDS).json() == {"segments": []}
        made = requests.post(f"{url}/v1/segments", json=SEGMENT, timeout=SECONDS)
        assert made.status_code == 201
        for _ in range(8):
            (listed,) = requests.get(f"{url}/v1/segments", timeout=SECONDS).json()["segments"]
            assert listed["uuid"] == made.json()["segment"]["uuid"]
        large = requests.post(f"{url}/v1/segments", data=b" " * 114_689, timeout=SECONDS)
        assert large.json()["overLimit"]["code"] == 413
        assert requests.get(f"{url}/v1/segments/x", timeout=SECONDS).status_code == 404


@pytest.mark.parametrize("server", [SERVERS[0], SERVERS[2]], ids=lambda server: server.name)
def test_a_server_does_not_start_with_what_cannot_be_used(server: Server, installed: Installed) -> None:
    """A value out of its bounds ends the server, and its log has our message."""
    installed.configure(DEFAULT={"osapi_max_limit": "many"})
    done = subprocess.run(
        server.command(installed.port),
        env=environment(installed),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode != 0
    assert f"[DEFAULT] osapi_max_limit = many in {installed.path} cannot be used" in done.stdout + done.stderr


def test_upstreams_name_stands_in_nobodys_way() -> None:
    """`masakari` is empty but for its one module, loads nothing by itself, and hides no other package of a similar name."""
    code = (
        "import sys, importlib.util, masakari, masakari.wsgi\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('vmha', 'falcon')]\n"
        "assert importlib.util.find_spec('masakari.api') is None\n"
        "assert importlib.util.find_spec('masakari.wsgi.api')\n"
        "import masakariclient\n"
        "import vmha.api.app\n"
        "assert 'masakari.wsgi.api' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
