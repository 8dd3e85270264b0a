"""masakari-api alone: workers that are replaced, a stop that lets requests end, TLS, and an address that is its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from unit_tests.charm.pairs import locked_key, pair
from unit_tests.cli.rig import Installed, Running

pytestmark = [pytest.mark.timeout(400), pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")]
SECONDS = 30.0
BODY = b'{"segment": {"name": "s", "recovery_method": "auto", "service_type": "COMPUTE"}}'


def url(installed: Installed, scheme: str = "http") -> str:
    """Return where the API is."""
    return f"{scheme}://127.0.0.1:{installed.port}"


def wait_for_workers(api: Running, number: int) -> None:
    """Wait until so many have said that they serve."""
    until = time.monotonic() + SECONDS
    while sum(" api-started " in line for line in api.said) < number:
        assert api.is_alive, api.said
        assert time.monotonic() < until, api.said
        time.sleep(0.05)


def pids(api: Running) -> list[int]:
    """Return the processes of all workers that were ever started."""
    return [int(line.rpartition("pid=")[2]) for line in api.said if " worker-started " in line]


def lives(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def begun(installed: Installed) -> socket.socket:
    """Begin a request whose body is not all there yet; return when a worker has said that it waits for the body."""
    connection = socket.create_connection(("127.0.0.1", installed.port), timeout=SECONDS)
    head = (
        "POST /v1/segments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        part = connection.recv(100)
        assert part, said
        said += part
    assert said.startswith(b"HTTP/1.1 100 ")
    connection.sendall(BODY[:10])
    return connection


@pytest.fixture
def api(installed: Installed) -> Iterator[Running]:
    """Run masakari-api with three workers."""
    installed.configure(DEFAULT={"masakari_api_workers": 3, "masakari_api_threads": 4, "graceful_shutdown_timeout": 60})
    with installed.running("api") as process:
        wait_for_workers(process, 3)
        yield process


def test_a_worker_that_dies_is_replaced(api: Running, installed: Installed) -> None:
    """After the death of one, the others serve, and soon there are three again."""
    victim = pids(api)[0]
    os.kill(victim, signal.SIGKILL)
    api.until("worker-ended")
    wait_for_workers(api, 4)
    for _ in range(20):
        assert requests.get(f"{url(installed)}/v1/segments", timeout=SECONDS).status_code == 200
    assert sum(lives(pid) for pid in pids(api)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_requests_end(number: signal.Signals, api: Running, installed: Installed) -> None:
    """What was begun before the signal is answered, who comes after it is refused, the exit code is 0 and nobody is left."""
    with closing(begun(installed)) as connection:
        api.send(number)
        wait_until_refused(installed.port)
        connection.sendall(BODY[10:])
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
    assert api.wait() == 0
    assert not [pid for pid in pids(api) if lives(pid)]


def wait_until_refused(port: int) -> None:
    """Wait until nobody listens any more."""
    until = time.monotonic() + SECONDS
    while True:
        assert time.monotonic() < until
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue
        time.sleep(0.02)


def test_a_stop_has_an_end(installed: Installed) -> None:
    """A client that never ends its request is cut off when its time is over."""
    installed.configure(DEFAULT={"masakari_api_workers": 2, "graceful_shutdown_timeout": 1})
    with installed.running("api") as process:
        wait_for_workers(process, 2)
        with closing(begun(installed)) as connection:
            code, seconds = process.stop()
            assert code == 0
            assert not connection.recv(100).startswith(b"HTTP/1.1 2")
        assert 1 <= seconds < SECONDS


def test_a_parent_that_is_killed_leaves_nobody(api: Running, installed: Installed) -> None:
    """Without a parent the workers end at once, and the address is free for the next one."""
    api.kill()
    until = time.monotonic() + SECONDS
    while any(lives(pid) for pid in pids(api)):
        assert time.monotonic() < until
        time.sleep(0.05)
    with installed.running("api") as after:
        wait_for_workers(after, 3)


def test_an_address_is_not_shared_with_another_service(api: Running, installed: Installed) -> None:
    """A second masakari-api on the same port is refused, though workers share theirs: exit 1."""
    code, err = installed.ended("api")
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{installed.port}" in err


def test_options_of_the_server_count(installed: Installed) -> None:
    """keep_alive closes connections after an answer, max_header_line bounds the headers, and IPv6 is an address like another."""
    installed.configure(
        DEFAULT={"masakari_api_workers": 1, "masakari_api_listen": "::"},
        wsgi={"keep_alive": "false", "max_header_line": 2000},
    )
    with installed.running("api") as process:
        wait_for_workers(process, 1)
        answer = requests.get(f"{url(installed)}/v1/segments", timeout=SECONDS)
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert requests.get(f"http://[::1]:{installed.port}/", timeout=SECONDS).status_code == 200
        for size, status in ((2000, 200), (8000, 413)):
            large = requests.get(f"{url(installed)}/v1/segments", headers={"X-Large": "x" * size}, timeout=SECONDS)
            assert large.status_code == status
        assert process.stop()[0] == 0


@pytest.fixture
def certificates(installed: Installed) -> dict[str, Any]:
    """Write a certificate and its key; return the options that name them."""
    certificate, key = pair("localhost")
    (installed.folder / "api.crt").write_text(certificate)
    (installed.folder / "api.key").write_text(key)
    return {"ssl_cert_file": installed.folder / "api.crt", "ssl_key_file": installed.folder / "api.key"}


def test_tls(installed: Installed, certificates: dict[str, Any]) -> None:
    """With use_ssl requests and links are https; who connects in silence, or speaks plainly, holds up nobody."""
    installed.configure(DEFAULT={"use_ssl": "true", "masakari_api_workers": 2}, wsgi=certificates)
    with installed.running("api") as process:
        wait_for_workers(process, 2)
        where = ("127.0.0.1", installed.port)
        silent = [socket.create_connection(where, timeout=SECONDS) for _ in range(10)]
        with closing(socket.create_connection(where, timeout=SECONDS)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        for _ in range(6):
            answer = requests.get(f"{url(installed, 'https')}/", verify=False, timeout=SECONDS)
            assert answer.json()["versions"][0]["links"][0]["href"] == f"{url(installed, 'https')}/v1/"
        made = requests.post(
            f"{url(installed, 'https')}/v1/segments",
            data=BODY,
            headers={"Content-Type": "application/json"},
            verify=False,
            timeout=SECONDS,
        )
        assert made.status_code == 201
        assert time.monotonic() - began < SECONDS, "five who say nothing, one after the other, would take 50 s"
        for connection in silent:
            connection.close()
        assert process.stop()[0] == 0


def test_clients_show_a_certificate_where_a_ca_is_named(installed: Installed, certificates: dict[str, Any]) -> None:
    """With ssl_ca_file a client without a certificate of that CA gets nothing, one with it is served."""
    options = {**certificates, "ssl_ca_file": certificates["ssl_cert_file"]}
    installed.configure(DEFAULT={"use_ssl": "true", "masakari_api_workers": 1}, wsgi=options)
    with installed.running("api") as process:
        wait_for_workers(process, 1)
        with pytest.raises((requests.ConnectionError, ssl.SSLError)):
            requests.get(f"{url(installed, 'https')}/", verify=False, timeout=SECONDS)
        ours = (str(certificates["ssl_cert_file"]), str(certificates["ssl_key_file"]))
        assert requests.get(f"{url(installed, 'https')}/", verify=False, cert=ours, timeout=SECONDS).ok


@pytest.mark.parametrize("program", ["api", "standalone"])
@pytest.mark.parametrize("fault", ["unset", "missing", "locked"])
def test_tls_that_cannot_be_had_is_refused(
    fault: str, program: str, installed: Installed, certificates: dict[str, Any]
) -> None:
    """No certificate, no such file, or a key with a password are one line that names the options: exit 2."""
    match fault:
        case "unset":
            certificates = {}
        case "missing":
            certificates["ssl_key_file"].unlink()
        case _:
            certificates["ssl_key_file"].write_text(locked_key())
    installed.configure(DEFAULT={"use_ssl": "true"}, wsgi=certificates)
    code, err = installed.ended(program)
    assert code == 2
    assert "ssl_cert_file" in err
    assert "Traceback" not in err


def test_one_process_serves_standalone_over_tls(installed: Installed, certificates: dict[str, Any]) -> None:
    """masakari-standalone takes the same options."""
    installed.configure(DEFAULT={"use_ssl": "true"}, wsgi=certificates)
    with installed.running("standalone") as process:
        wait_for_workers(process, 1)
        assert requests.get(f"{url(installed, 'https')}/v1/segments", verify=False, timeout=SECONDS).ok
        assert process.stop()[0] == 0
