"""The processes around a call: who ends whom, when, and what of it others can see."""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from unit_tests.adapters.fencing.rig import (
    PASSWORD,
    SimulatedRig,
    deadline,
    eventually,
    has_ended,
    hole,
    read_bytes,
    servers,
    speaking_to,
    workers,
)
from unit_tests.ports.power_contract import ENOUGH, TRIES, failure
from vmha.adapters.clock import SystemClock
from vmha.adapters.fencing import worker
from vmha.adapters.fencing.inventory import IpmiDevice
from vmha.core.model import Power, PowerTrouble
from vmha.ports import PowerError

TOLD_APART = "s3cret-of-the-bmc"
# A parent as the engine is one: it says when its call to a port of this machine ends, and makes it.
PARENT = """
import sys
from vmha.adapters.clock import SystemClock
from vmha.adapters.fencing.inventory import Inventory, IpmiDevice
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.ports import Deadline
bmc = IpmiDevice(host="c1", address="127.0.0.1", port=int(sys.argv[1]), user="admin", password="secret")
devices = IpmiPowerDevices(Inventory(source="", devices={"c1": bmc}), calls=1)
at = SystemClock().monotonic() + 3.0
print(at, flush=True)
devices.off("c1", deadline=Deadline(at=at))
"""


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "dead"])
def test_the_child_ends_itself_whatever_became_of_the_service(blow: signal.Signals) -> None:
    """A child runs on when the service is stopped or killed in mid-call, and is gone at its deadline.

    By itself it would call on for 3 s more. Where the machine stands still for so long, that cannot be told apart, and it is tried again.
    """
    assert any(seconds_past_deadline(blow) < 1.5 for _ in range(4))


def seconds_past_deadline(blow: signal.Signals) -> float:
    """Stop or kill a service in mid-call; return how long after the deadline its child was there, and see that it was until then."""
    source = str(Path(worker.__file__).parents[3])
    with (
        hole() as silent,
        subprocess.Popen(
            (sys.executable, "-c", PARENT, str(silent.getsockname()[1])),
            env=os.environ | {"PYTHONPATH": source},
            stdout=subprocess.PIPE,
        ) as parent,
    ):
        try:
            assert parent.stdout is not None
            end = float(parent.stdout.readline())
            # The first packet is on its way: the child has its request.
            eventually(lambda: has_packet(silent) or SystemClock().monotonic() >= end)
            called = servers(parent.pid), workers(parent.pid)
            if SystemClock().monotonic() >= end:
                return math.inf
            (server,), (child,) = called
            parent.send_signal(blow)
            eventually(lambda: has_ended(child))
            past = SystemClock().monotonic() - end
            assert past >= 0
            if blow == signal.SIGKILL:
                eventually(lambda: has_ended(server))
            return past
        finally:
            parent.kill()


def has_packet(silent: socket.socket) -> bool:
    """Tell whether something has come."""
    return bool(select.select([silent], [], [], 0)[0])


def test_a_child_that_is_stopped_is_killed_at_the_deadline(rig: SimulatedRig) -> None:
    """A child that cannot end itself is killed, and the call is SILENT."""
    assert read(rig) is Power.ON  # the server has started, and the time is for the call alone
    rig.chassis["c1"].begun.clear()
    rig.chassis["c1"].gate.clear()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(lambda: failure(lambda: rig.devices.read("c1", deadline=deadline(5.0))))
        assert rig.chassis["c1"].begun.wait(ENOUGH)
        (child,) = workers()
        os.kill(child, signal.SIGSTOP)
        assert call.result().trouble is PowerTrouble.SILENT
        assert has_ended(child)


def test_a_child_that_dies_is_an_error_of_ours() -> None:
    """A child that ends without an answer is ERROR, and not taken for a silent BMC."""
    with hole() as silent, under_way(silent) as (call, child, port):
        os.kill(child, signal.SIGKILL)
        assert call.result().trouble is PowerTrouble.ERROR
        assert call.result().detail == (
            f"cannot read power of c1: the process that calls its BMC 127.0.0.1:{port} ended without an answer;"
            " check load, memory and installation here"
        )


def test_no_list_of_processes_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password are in neither arguments nor environment of the processes, also when they came from ours."""
    monkeypatch.setenv("BMC_PASSWORD", TOLD_APART)
    with hole() as silent, under_way(silent, user="fence-user", password=TOLD_APART) as (call, child, _):
        processes = [child, *servers()]
        shown = [
            read_bytes(Path(f"/proc/{process}/{what}")) for process in processes for what in ("cmdline", "environ")
        ]
        os.kill(child, signal.SIGKILL)
        assert TOLD_APART not in call.result().detail
    assert len(shown) == 4
    assert all(shown)
    for secret in (b"fence-user", TOLD_APART.encode()):
        assert not any(secret in text for text in shown)


def test_a_call_that_comes_late_sends_nothing() -> None:
    """A child that is forked after its deadline, by a server that hung, ends before it sends."""
    with hole() as silent:
        request = {
            "order": "off",
            "address": "127.0.0.1",
            "port": silent.getsockname()[1],
            "user": "admin",
            "password": PASSWORD,
            "system_guid": None,
        }
        assert raw_call(json.dumps(request), at=SystemClock().monotonic() - 0.01) == b""
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(100)


def test_a_server_that_died_is_replaced(rig: SimulatedRig) -> None:
    """The call after the death of the server gets a new one."""
    assert read(rig) is Power.ON
    (server,) = servers()
    os.kill(server, signal.SIGKILL)
    assert read(rig) is Power.ON
    assert servers() != [server]
    assert len(servers()) == 1


def test_a_server_that_is_dying_is_replaced(rig: SimulatedRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is being killed takes nothing any more, and is not known to be dead yet: the call gets a new one all the same."""
    assert read(rig) is Power.ON
    (server,) = servers()
    os.kill(server, signal.SIGKILL)
    eventually(lambda: has_ended(server))
    monkeypatch.setattr(rig.devices._workers._server, "poll", lambda: None)
    assert read(rig) is Power.ON
    assert servers() != [server]


def test_a_call_outlives_the_server(rig: SimulatedRig) -> None:
    """A call that is under way when the server dies gets its answer."""
    rig.chassis["c1"].gate.clear()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(lambda: read(rig))
        assert rig.chassis["c1"].begun.wait(ENOUGH)
        os.kill(servers()[0], signal.SIGKILL)
        rig.chassis["c1"].gate.set()
        assert call.result() is Power.ON


@pytest.mark.slow
def test_a_server_that_hangs_is_replaced(rig: SimulatedRig) -> None:
    """A call that a hung server never starts is ERROR at its deadline, sends nothing, and the next one is well."""
    assert read(rig) is Power.ON
    (server,) = servers()
    os.kill(server, signal.SIGSTOP)
    for _ in range(TRIES):
        error = failure(lambda: rig.devices.off("c1", deadline=deadline(2.2)))
        # Where this machine stands still before the call is handed over, the server is not known to hang.
        if has_ended(server):
            break
    assert error.trouble is PowerTrouble.ERROR
    assert "did not start in time" in error.detail
    assert read(rig) is Power.ON
    assert rig.orders("c1") == 0
    assert has_ended(server)


def test_closing_ends_the_server(rig: SimulatedRig) -> None:
    """After close() there is no process left, and a later call starts another one."""
    read(rig)
    (server,) = servers()
    rig.devices.close()
    assert has_ended(server)
    assert read(rig) is Power.ON


def test_a_service_without_room_for_another_file_says_so(rig: SimulatedRig) -> None:
    """A call that cannot open what it needs is ERROR, sends nothing, and is well again when there is room."""
    assert read(rig) is Power.ON
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        error = failure(lambda: rig.devices.off("c1", deadline=deadline(ENOUGH)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.trouble is PowerTrouble.ERROR
    assert "did not start (Too many open files)" in error.detail
    assert rig.orders("c1") == 0
    assert read(rig) is Power.ON


def test_callers_that_come_together_share_a_server() -> None:
    """Many first calls at the same time start one server."""
    rig = SimulatedRig(tuple(f"c{number}" for number in range(8)))
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda host: rig.devices.read(host, deadline=deadline(ENOUGH))[0], rig.bmcs))
        assert answers == [Power.ON] * 8
        assert len(servers()) == 1
    finally:
        rig.stop()


@pytest.fixture
def rig() -> Iterator[SimulatedRig]:
    """Two simulated BMCs."""
    found = SimulatedRig()
    yield found
    found.stop()


def read(rig: SimulatedRig) -> Power:
    """Read c1."""
    return rig.devices.read("c1", deadline=deadline(ENOUGH))[0]


@contextmanager
def under_way(
    silent: socket.socket, *, user: str = "admin", password: str = PASSWORD
) -> Iterator[tuple[Future[PowerError], int, int]]:
    """Keep a reading under way that nobody answers; give its error to come, its child, and the port."""
    port = silent.getsockname()[1]
    bmc = IpmiDevice(host="c1", address="127.0.0.1", port=port, user=user, password=password)
    with speaking_to(bmc) as devices, ThreadPoolExecutor(1) as pool:
        call = pool.submit(lambda: failure(lambda: devices.read("c1", deadline=deadline(ENOUGH))))
        # The first packet is on its way: the child has its request.
        silent.settimeout(ENOUGH)
        assert silent.recv(100)
        (child,) = workers()
        yield call, child, port


def raw_call(request: str, *, at: float) -> bytes:
    """Make one call as the service does, but for the deadline; return what came back beside the handle."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, call = socket.socketpair()
    with control, ours:
        with theirs:
            server = subprocess.Popen((sys.executable, "-P", worker.__file__), stdin=theirs.fileno())
        with call:
            socket.send_fds(control, [repr(at).encode()], [call.fileno()])
        try:
            ours.settimeout(20)
            ours.sendall(request.encode())
            ours.shutdown(socket.SHUT_WR)
            answer = ours.recv(1000)
        except ConnectionError:
            answer = b""
        finally:
            control.close()
            # The server ends with its control.
            assert server.wait(20) == 0
    return answer
