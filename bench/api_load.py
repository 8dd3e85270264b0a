"""A load generator: one process, several connections, on each of them one request under way at any time.

It reads no more of an answer than its status and its length, so that it costs a fraction of what a server does; `top_speed` shows
how fast it is by itself.
"""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle

ADDRESS = "127.0.0.1"
ANSWER_SECONDS = 60.0
"""Longest wait for any of the answers under way."""
TOP_SPEED_SECONDS = 3.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class LoadError(Exception):
    """An answer is not what was expected, or did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is sent to a port, in turn, and the status that each answer must have.

    A list of requests that comes to its end begins anew, unless each may be sent `once` only. `keep_alive` says whether a
    connection has more than one request.
    """

    port: int
    requests: Sequence[bytes]
    status: int
    connections: int
    keep_alive: bool
    once: bool = False
    warm_up_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it in the measured window, from `began` to `ended` in seconds since 1970.

    `answered_in_all` counts the answers before and after the window too. `processor_seconds` is the generator's own, in the window.
    """

    began: float
    ended: float
    latencies_seconds: Sequence[float]
    answered_in_all: int
    processor_seconds: float

    @property
    def per_second(self) -> float:
        """Return the answers per second."""
        return len(self.latencies_seconds) / (self.ended - self.began)


def send(plan: Plan) -> Outcome:
    """Send from a process of its own. Raises `LoadError`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(send_here, plan).result()


def top_speed(answer: bytes, *, connections: int) -> float:
    """Return the requests per second that the generator sends to a server which gives this answer to each, and does nothing else."""
    with socket.create_server((ADDRESS, 0)) as listening:
        server = multiprocessing.get_context("spawn").Process(target=_answer_all, args=(listening, answer), daemon=True)
        server.start()
        try:
            plan = Plan(
                port=listening.getsockname()[1],
                requests=[b"GET / HTTP/1.1\r\n\r\n"],
                status=200,
                connections=connections,
                keep_alive=True,
                warm_up_seconds=1.0,
                seconds=TOP_SPEED_SECONDS,
            )
            return send(plan).per_second
        finally:
            server.kill()
            server.join()


def send_here(plan: Plan) -> Outcome:
    """Send from this process. Raises `LoadError`."""
    with closing(_Run(plan)) as run:
        return run.measure()


@dataclass(slots=True)
class _Exchange:
    """A request on its way and what came back so far."""

    sent_at: float
    received: bytearray = field(default_factory=bytearray)


class _Run:
    """The loop over all connections."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = iter(plan.requests) if plan.once else cycle(plan.requests)
        self._selector = selectors.DefaultSelector()
        self._latencies: list[float] = []
        self._answered = 0

    def measure(self) -> Outcome:
        """Warm up, measure, and let what is under way end."""
        plan = self._plan
        for _ in range(plan.connections):
            self._send(socket.create_connection((ADDRESS, plan.port)))
        self._go_on_until(time.monotonic() + plan.warm_up_seconds)
        self._latencies.clear()
        began, clock, processor = time.time(), time.monotonic(), time.process_time()
        self._go_on_until(clock + plan.seconds)
        seconds, used, latencies = time.monotonic() - clock, time.process_time() - processor, tuple(self._latencies)
        while self._selector.get_map():
            for connection in self._take_answers():
                connection.close()
        return Outcome(
            began=began,
            ended=began + seconds,
            latencies_seconds=latencies,
            answered_in_all=self._answered,
            processor_seconds=used,
        )

    def close(self) -> None:
        """Close the connections that are open still."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _go_on_until(self, end: float) -> None:
        while time.monotonic() < end:
            for connection in self._take_answers():
                if not self._plan.keep_alive:
                    connection.close()
                    connection = socket.create_connection((ADDRESS, self._plan.port))
                self._send(connection)

    def _send(self, connection: socket.socket) -> None:
        request = next(self._requests, None)
        if request is None:
            connection.close()
            raise LoadError(f"all {len(self._plan.requests)} requests were sent before the time was over")
        self._selector.register(connection, selectors.EVENT_READ, _Exchange(time.perf_counter()))
        connection.sendall(request)

    def _take_answers(self) -> list[socket.socket]:
        """Wait for the next answers and return the connections that are free again."""
        ready = self._selector.select(ANSWER_SECONDS)
        if not ready:
            raise LoadError(f"nothing was answered within {ANSWER_SECONDS:.0f} s")
        return [key.fileobj for key, _ in ready if self._take(key.fileobj, key.data)]

    def _take(self, connection: socket.socket, exchange: _Exchange) -> bool:
        """Read what is there; tell whether the answer is whole."""
        chunk = connection.recv(1 << 20)
        exchange.received += chunk
        if not _is_whole(exchange.received):
            if not chunk:
                raise LoadError(f"an answer broke off: {bytes(exchange.received[:500])!r}")
            return False
        status = _STATUS.match(exchange.received)
        if status is None or int(status[1]) != self._plan.status:
            raise LoadError(f"not answered with {self._plan.status}: {bytes(exchange.received[:1000])!r}")
        self._latencies.append(time.perf_counter() - exchange.sent_at)
        self._answered += 1
        self._selector.unregister(connection)
        return True


def _is_whole(received: bytearray) -> bool:
    """Tell whether an answer is there to its last byte. Raises `LoadError` for one that does not say how long it is."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = _LENGTH.search(received, 0, head + 2)
    if length is None:
        raise LoadError(f"an answer has no length: {bytes(received[:500])!r}")
    return len(received) >= head + 4 + int(length[1])


def _answer_all(listening: socket.socket, answer: bytes) -> None:
    """Give each connection the same answer again and again, until killed."""
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                selector.register(listening.accept()[0], selectors.EVENT_READ)
            elif key.fileobj.recv(65536).endswith(b"\r\n\r\n"):
                key.fileobj.sendall(answer)
            else:
                selector.unregister(key.fileobj)
