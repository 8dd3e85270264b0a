"""Where the time of our requests goes: the application is called in a process of its own, and looked at every millisecond.

python -m bench.api_where TOKEN WORK, with OS_MASAKARI_CONFIG_DIR as for any WSGI server; prints shares by layer as JSON.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from bench import api_rows as rows
from bench import api_work
from bench.api_servers import OURS, Servers
from bench.api_work import LIST, POST, SEGMENTS, Workload

WORKS = {work.name: work for work in (SEGMENTS, LIST, POST)}
EVERY_SECONDS = 0.001
SECONDS = 6.0
WARM_UP = 20
WAITING = "MariaDB: waiting for its answers"
LAYERS = (
    ("/pymysql/", "PyMySQL"),
    ("/sqlalchemy/", "SQLAlchemy"),
    ("/oslo_db/", "SQLAlchemy"),
    ("/memcache.py", "memcached, and its client"),
    ("/keystonemiddleware/", "keystonemiddleware"),
    ("/oslo_policy/", "oslo.policy"),
    ("/jsonschema/", "jsonschema"),
    ("/falcon/", "falcon"),
    ("/vmha/", "our own code, with JSON"),
)
"""Whose frame is the innermost one of these, the moment counts for."""
WAITS = ("readinto", "_write_bytes")
"""PyMySQL's functions, and the socket's, that are on top while the server works or is spoken to."""


def of(running: Servers) -> dict[str, dict[str, float]]:
    """Return the parts of each request's time by layer."""
    return {name: _measured(running, work) for name, work in WORKS.items()}


def _measured(running: Servers, work: Workload) -> dict[str, float]:
    side = running.sides[OURS, work.size]
    folder = str(running.settings.data / side.database)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.api_where", running.token(), work.name],
        env={**os.environ, "OS_MASAKARI_CONFIG_DIR": folder, "HOME": folder},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the profile of {work.name} failed:\n{done.stderr[-2000:]}")
    running.database.sql(rows.remove_posted(side.database, is_ours=True))
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Call the application for some seconds and print what was seen."""
    from vmha.api.wsgi import application

    token, name = sys.argv[1:]
    work = WORKS[name]
    requests = itertools.cycle(api_work.requests_of(work, token))
    for _ in range(WARM_UP):
        _call(application, next(requests), api_work.status_of(work))
    print(json.dumps(_sampled(lambda: _call(application, next(requests), api_work.status_of(work)))))


def _sampled(act: Callable[[], None]) -> Mapping[str, float]:
    """Do it again and again, and return which part of the time each layer took."""
    seen: Counter[str] = Counter()
    signal.signal(signal.SIGALRM, lambda number, frame: seen.update([_layer(frame)]))
    signal.setitimer(signal.ITIMER_REAL, EVERY_SECONDS, EVERY_SECONDS)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        act()
    signal.setitimer(signal.ITIMER_REAL, 0)
    return {layer: count / seen.total() for layer, count in seen.items()}


def _layer(frame: FrameType | None) -> str:
    top = frame.f_code.co_name if frame is not None else ""
    while frame is not None:
        layer = next((layer for part, layer in LAYERS if part in frame.f_code.co_filename), None)
        if layer is not None:
            return WAITING if layer == "PyMySQL" and top in WAITS else layer
        frame = frame.f_back
    return "the rest"


def _call(application: Any, request: bytes, status: int) -> None:
    """Give a request as it goes over the wire to a WSGI application. Raises `AssertionError` for another answer than expected."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, protocol = first.split()
    path, _, query = target.partition("?")
    headers = {name.upper().replace("-", "_"): value for name, value in (line.split(": ", 1) for line in lines)}
    environ = {f"HTTP_{name}": value for name, value in headers.items() if not name.startswith("CONTENT_")}
    environ |= {name: value for name, value in headers.items() if name.startswith("CONTENT_")}
    environ |= {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query}
    environ |= {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": protocol, "wsgi.url_scheme": "http"}
    streams = {"wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0)}
    flags = {"wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False}
    said: list[str] = []
    chunks = application({**environ, **streams, **flags}, lambda line, headers, error=None: said.append(line))
    answer = b"".join(chunks)
    assert said[0].startswith(str(status)), f"{said[0]}: {answer[:500]!r}"


if __name__ == "__main__":
    main()
