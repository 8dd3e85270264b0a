"""SIGHUP, which `systemctl reload` sends: the configuration is read again, nobody is refused, and what cannot be used changes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.servers.test_ours import BODY, SECONDS, begun, lives, pids, url, wait_for_workers
from unit_tests.cli.rig import Installed

pytestmark = pytest.mark.timeout(400)
WORKERS = 2
SERVER = {"masakari_api_workers": WORKERS, "masakari_api_threads": 4, "graceful_shutdown_timeout": 60}


def made(installed: Installed, names: str = "abc") -> None:
    """Make segments."""
    for name in names:
        body = {"segment": {"name": name, "recovery_method": "auto", "service_type": "COMPUTE"}}
        assert requests.post(f"{url(installed)}/v1/segments", json=body, timeout=SECONDS).status_code == 201


def listed(installed: Installed) -> int:
    """Count what a list answers with."""
    return len(requests.get(f"{url(installed)}/v1/segments", timeout=SECONDS).json()["segments"])


def wait_until_listed(installed: Installed, number: int) -> None:
    """Wait until a list answers with so many."""
    until = time.monotonic() + SECONDS
    while listed(installed) != number:
        assert time.monotonic() < until
        time.sleep(0.05)


def wait_until_gone(old: list[int]) -> None:
    """Wait until processes have ended."""
    until = time.monotonic() + SECONDS
    while any(lives(pid) for pid in old):
        assert time.monotonic() < until
        time.sleep(0.05)


class Client(threading.Thread):
    """Asks again and again, each time on a connection of its own, and keeps what went wrong."""

    def __init__(self, installed: Installed) -> None:
        super().__init__(daemon=True)
        self.answered = 0
        self.failures: list[str] = []
        self._url = f"{url(installed)}/v1/segments?limit=1"
        self._enough = threading.Event()

    def run(self) -> None:
        """Ask."""
        while not self._enough.is_set():
            try:
                answer = requests.get(self._url, timeout=SECONDS)
            except requests.RequestException as error:
                self.failures.append(repr(error))
            else:
                self.answered += answer.status_code == 200

    def finish(self) -> None:
        """Ask no more."""
        self._enough.set()
        self.join(SECONDS)


def test_an_api_takes_another_configuration(installed: Installed) -> None:
    """Options count for the next request, requests under way are answered, nobody is refused meanwhile, and the parent stays."""
    installed.configure(DEFAULT=SERVER)
    with installed.running("api") as api:
        wait_for_workers(api, WORKERS)
        made(installed)
        assert listed(installed) == 3
        old, client = pids(api), Client(installed)
        client.start()
        with closing(begun(installed)) as connection:
            installed.configure(DEFAULT={**SERVER, "osapi_max_limit": 2})
            api.send(signal.SIGHUP)
            wait_for_workers(api, 2 * WORKERS)
            wait_until_listed(installed, 2)  # an old worker may take a last request
            connection.sendall(BODY[10:])
            assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
        wait_until_gone(old)
        assert {listed(installed) for _ in range(10)} == {2}
        client.finish()
        assert client.failures == []
        assert client.answered > 10
        assert sum(lives(pid) for pid in pids(api)) == WORKERS
        assert api.stop()[0] == 0


def test_a_request_that_never_ends_is_cut(installed: Installed) -> None:
    """A worker that was replaced has the time of a graceful stop, and no more; who replaced it serves."""
    installed.configure(DEFAULT={**SERVER, "graceful_shutdown_timeout": 1})
    with installed.running("api") as api:
        wait_for_workers(api, WORKERS)
        old = pids(api)
        with closing(begun(installed)) as connection:
            api.send(signal.SIGHUP)
            wait_until_gone(old)
            assert not connection.recv(100).startswith(b"HTTP/1.1 2")
        assert listed(installed) == 0


UNUSABLE: tuple[tuple[dict[str, object], str], ...] = (
    ({"osapi_max_limit": "many"}, "osapi_max_limit = many"),
    ({"use_ssl": "true"}, "use_ssl needs a certificate"),
    ({"osapi_max_limit": 2, "transport_url": "pigeon://u:p@nowhere/"}, "transport_url cannot be used"),
)


def test_what_cannot_be_used_changes_nothing(installed: Installed) -> None:
    """The API goes on as it was, with its workers, and says what to correct; corrected, it is taken."""
    installed.configure(DEFAULT=SERVER)
    with installed.running("api") as api:
        wait_for_workers(api, WORKERS)
        made(installed)
        before = pids(api)
        for changed, words in UNUSABLE:
            installed.configure(DEFAULT={**SERVER, **changed})
            api.send(signal.SIGHUP)
            api.until(words)
            assert listed(installed) == 3
            assert pids(api) == before
        assert sum("reload-refused" in line for line in api.said) == len(UNUSABLE)
        installed.configure(DEFAULT={**SERVER, "osapi_max_limit": 1})
        api.send(signal.SIGHUP)
        wait_for_workers(api, 2 * WORKERS)
        wait_until_gone(before)
        assert listed(installed) == 1


def test_what_waits_for_a_restart_is_named(installed: Installed) -> None:
    """Address, port and number of workers stay as they were, and the log says so."""
    installed.configure(DEFAULT=SERVER)
    with installed.running("api") as api:
        wait_for_workers(api, WORKERS)
        installed.configure(DEFAULT={**SERVER, "masakari_api_workers": 3, "masakari_api_listen_port": 1})
        api.send(signal.SIGHUP)
        wait_for_workers(api, 2 * WORKERS)
        (line,) = [line for line in api.said if "options-wait-for-restart" in line]
        assert "masakari_api_listen_port, masakari_api_workers" in line
        assert listed(installed) == 0


def test_a_signal_to_all_processes_is_one_reload(installed: Installed) -> None:
    """`pkill -HUP` hits the workers too: they leave it to the parent, and none of them dies of it."""
    installed.configure(DEFAULT={**SERVER, "masakari_api_workers": 1})
    with installed.running("api") as api:
        wait_for_workers(api, 1)
        (worker,) = pids(api)
        os.kill(worker, signal.SIGHUP)
        api.send(signal.SIGHUP)
        wait_for_workers(api, 2)
        wait_until_gone([worker])
        assert listed(installed) == 0
        assert not [line for line in api.said if " worker-ended " in line]


@pytest.mark.parametrize("program", ["engine", "standalone"])
def test_an_engine_begins_anew(program: str, installed: Installed) -> None:
    """With a fault in the inventory it stays as it was and names it; without, the same process gives its work back and begins again."""
    with installed.running(program) as process:
        process.until("engine-started")
        installed.configure(DEFAULT={"host": "another-name"})
        installed.inventory.write_text("segments: {rack-1: {policy: detectr}}\n")
        process.send(signal.SIGHUP)
        process.until("reload-refused")
        assert [line for line in process.said if 'policy \\"detectr\\" is none' in line]
        assert not [line for line in process.said if "engine-stopped" in line]
        installed.inventory.write_text("segments: {rack-1: {policy: detector}}\n")
        policy = installed.inventory.with_name("recovery.yaml")
        policy.write_text("default: {host: rebot}\n")
        for changed, words in (
            ({"recovery": {"policy_file": str(policy)}}, "is no workflow"),
            ({"taskflow_driver_recovery_flows": {"process_failure_recovery_tasks": "pre:[my_task]"}}, "my_task"),
            ({"alerts": {"webhooks": "ftp://pager"}}, "[alerts] webhooks"),
        ):
            installed.configure(DEFAULT={"host": "another-name"}, **changed)
            process.send(signal.SIGHUP)
            process.until(words)
        assert sum("reload-refused" in line for line in process.said) == 4
        assert not [line for line in process.said if "engine-stopped" in line]
        for name in ("another-name", "a-third-name"):
            installed.configure(DEFAULT={"host": name})
            process.send(signal.SIGHUP)
            process.until(f"INFO {name} vmha.cli.serving engine-started")
        assert sum(" engine-stopped" in line for line in process.said) == 2
        assert sum(" policy-detector segments=rack-1" in line for line in process.said) == 2
        assert not [line for line in process.said if "Traceback" in line]
        if program == "standalone":
            assert listed(installed) == 0
        assert process.stop()[0] == 0


def test_a_stop_outweighs_a_reload(installed: Installed) -> None:
    """Who is told to end while it leaves to begin anew ends."""
    with installed.running("engine") as process:
        process.until("engine-started")
        process.send(signal.SIGHUP)
        process.until(" reload ")
        code, _ = process.stop()
    assert code in (0, -signal.SIGTERM)
    assert sum(" engine-started" in line for line in process.said) == 1


def test_unit_files_reload(request: pytest.FixtureRequest) -> None:
    """`systemctl reload` sends the signal."""
    templates = Path(request.config.rootpath) / "templates"
    for program in ("api", "engine"):
        assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in (templates / f"masakari-{program}.service.j2").read_text()
