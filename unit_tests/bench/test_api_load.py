"""The load generator counts whole answers, and stops at the first that is not what was expected."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from bench.api_load import ADDRESS, LoadError, Outcome, Plan, send_here

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class Server:
    """Gives each connection one answer, in two parts, and closes it; remembers what it was asked."""

    def __init__(self, listening: socket.socket, answer: bytes) -> None:
        self.listening = listening
        self.answer = answer
        self.asked: list[bytes] = []

    def run(self) -> None:
        """Answer until nobody listens any more."""
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            # A client that has seen an error leaves, and so does one that has nothing more to send.
            with connection, suppress(ConnectionError):
                request = connection.recv(65536)
                if request:
                    self.asked.append(request)
                middle = len(self.answer) // 2
                connection.sendall(self.answer[:middle])
                connection.sendall(self.answer[middle:])


@contextmanager
def serving(answer: bytes) -> Iterator[Server]:
    """Run such a server until the end of the block."""
    listening = socket.create_server((ADDRESS, 0))
    server = Server(listening, answer)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def plan(server: Server, *requests: bytes) -> Plan:
    """Return a short plan for a server that closes its connections."""
    return Plan(
        port=server.listening.getsockname()[1],
        requests=requests or (REQUEST,),
        status=200,
        connections=3,
        keep_alive=False,
        warm_up_seconds=0.0,
        seconds=0.05,
    )


def test_each_answer_counts_once() -> None:
    """What the server was asked, warming up and winding down included, is what was answered in all.

    Where the machine stands still for the whole window, no answer is of the window, and it is tried again.
    """
    for _ in range(4):
        with serving(GOOD) as server:
            outcome = send_here(plan(server))
        assert outcome.answered_in_all == len(server.asked)
        assert len(outcome.latencies_seconds) <= outcome.answered_in_all
        assert all(0 < latency < 60 for latency in outcome.latencies_seconds)
        if outcome.latencies_seconds:
            return
    pytest.fail("no window had an answer")


def test_answers_per_second_are_those_of_the_window() -> None:
    """Only what was answered in the window counts for its speed."""
    outcome = Outcome(began=10.0, ended=12.0, latencies_seconds=(0.1,) * 6, answered_in_all=100, processor_seconds=0.1)
    assert outcome.per_second == 3.0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}", "not answered with 200"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "broke off"),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{}", "has no length"),
        (b"", "broke off"),
    ],
)
def test_another_answer_ends_the_run(answer: bytes, why: str) -> None:
    """An error, half an answer, or one of unknown length is no measurement."""
    with serving(answer) as server, pytest.raises(LoadError, match=why):
        send_here(plan(server))


def test_requests_that_may_be_sent_once_are_not_sent_again() -> None:
    """A run that has no more of them fails, instead of measuring how fast duplicates are refused."""
    with serving(GOOD) as server, pytest.raises(LoadError, match="all 5 requests were sent"):
        send_here(replace(plan(server, *[REQUEST] * 5), once=True, seconds=30.0))
    assert len(server.asked) <= 5
