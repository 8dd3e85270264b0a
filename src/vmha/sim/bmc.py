"""A simulated BMC that speaks real IPMI over UDP: pyghmi's server side, one port of 127.0.0.1 and one thread per BMC.

    with SimulatedBmc(machine, user="admin", password="secret") as bmc:
        ...  # ipmitool -I lanplus -C 3 -H 127.0.0.1 -p {bmc.port} -U admin -P secret power status

Rules
1. The machine decides. A reading is `machine.power()`, an order `machine.power_off()` or `power_on()`, at once and in
   the BMC's thread; whatever a machine does wrong (stays on, shows the wrong state, refuses) is the machine's business.
2. Only what happens on the wire is decided here: silence, another password than the caller's, late answers.
3. Whatever a caller sends is kept in `received`, also orders that no simulated machine carries out (cycle, soft off).
4. Packets that make no sense are dropped. No packet ends the thread.

Four things of pyghmi's server are done otherwise. It answers every proposal of algorithms with SHA-1, though its own
client proposes SHA-256 first and takes the answer as a yes: here that proposal is declined, and the client proposes
SHA-1 next. It is silent to an unknown user: here the login is refused. It reads all sockets of a process in one
thread that cannot be ended, and it keeps sessions for ever: here each BMC has its own socket, thread and sessions.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private.constants import payload_types
from pyghmi.ipmi.private.serversession import ServerSession
from pyghmi.ipmi.private.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOG = logging.getLogger(__name__)

# IPMI 2.0, tables 13-9, 13-15, 22-16, 28-3, 28-4 and 5-2.
_OPEN_SESSION = 0x10
_SHA1_SHA1_AES = (1, 1, 1)
_NO_CIPHER_SUITE_MATCH = 0x11
_UNAUTHORIZED_NAME = 0x0D
_CHASSIS = 0
_STATUS, _CONTROL = 1, 2
_CONTROLS = ("off", "on", "cycle", "reset", "diagnostic interrupt", "soft off")
_INVALID_DATA = 0xCC
_UNSPECIFIED_ERROR = 0xFF
# IPMI 2.0 only, password logins only, channel 1; as pyghmi's server has it.
_CAPABILITIES = struct.pack("9B", 0, 1, 0b10000000, 0b00000100, 0b00000010, 0, 0, 0, 0)
# A real BMC has room for few sessions; callers that vanish without a word must not fill ours.
_SESSIONS = 32
_PACKET_BYTES = 3000
_STOP_SECONDS = 5.0


class Machine(Protocol):
    """What a BMC switches, called in the BMC's thread. What raises `MachineError` is answered with its code."""

    @property
    def guid(self) -> UUID | None:
        """The system's GUID; a machine without one makes the BMC answer "invalid command"."""

    def power(self) -> bool:
        """Say whether the power is on, or whatever this BMC shows instead."""

    def power_off(self) -> None:
        """Take the order to cut the power at once."""

    def power_on(self) -> None:
        """Take the order to switch on."""


class MachineError(Exception):
    """The BMC answers with this IPMI completion code, 0xD5 for "not supported in present state"."""

    def __init__(self, code: int = _UNSPECIFIED_ERROR) -> None:
        super().__init__(f"completion code {code:#04x}")
        self.code = code


class WireFaults(Protocol):
    """What goes wrong between caller and BMC; looked at for each packet, so that it may change at any time."""

    silent: bool
    """Every packet is dropped."""
    bad_password: bool
    """The BMC has another password."""
    delay_seconds: float
    """Every answer to a reading or an order is so late."""


@dataclass(slots=True, kw_only=True)
class NoFaults:
    """Wire faults that somebody may switch on."""

    silent: bool = False
    bad_password: bool = False
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A reading or an order that reached the BMC, when (seconds since the epoch), and the code of the answer."""

    at: float
    command: str
    code: int


class SimulatedBmc(Bmc):  # type: ignore[misc]  # pyghmi has no types
    """One BMC. It answers from construction or `start()` until `stop()`."""

    def __init__(
        self,
        machine: Machine,
        *,
        user: str = "admin",
        password: str = "secret",  # noqa: S107 (of a simulated machine)
        port: int = 0,
        faults: WireFaults | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        # pyghmi's own constructor would start its thread; this is the rest of it.
        self.deviceid = self.revision = self.firmwareminor = self.additionaldevices = 0
        self.firmwaremajor, self.ipmiversion = 1, 2
        self.mfgid = self.prodid = 0
        self.kg = None
        self.authcap = _CAPABILITIES
        self.uuid = machine.guid or UUID(int=0)
        self.serversocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.serversocket.bind(("127.0.0.1", port))
        self.host, self.port = self.serversocket.getsockname()

        self.machine = machine
        self.faults: WireFaults = faults or NoFaults()
        self.received: deque[Received] = deque(maxlen=10_000)
        self._user = user
        self._password = password
        self._now = now
        self._sessions: dict[Any, _Session] = {}
        self._late: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"bmc-{self.port}", daemon=True)

    @property
    def endpoint(self) -> str:
        """Return "127.0.0.1:port"."""
        return f"{self.host}:{self.port}"

    @property
    def authdata(self) -> dict[str, str]:
        """Users and passwords, as they are now."""
        return {self._user: self._password + "?" if self.faults.bad_password else self._password}

    @property
    def sessions(self) -> int:
        """Return how many callers are logged in, or about to."""
        return len(self._sessions)

    def start(self) -> SimulatedBmc:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and give the port back."""
        self._stopping.set()
        # An empty packet wakes the thread where it waits for one.
        self.serversocket.sendto(b"", (self.host, self.port))
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
        self.serversocket.close()

    def __enter__(self) -> SimulatedBmc:
        """Begin to answer."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering."""
        self.stop()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.serversocket.settimeout(self._perform_late())
            try:
                packet, caller = self.serversocket.recvfrom(_PACKET_BYTES)
            except TimeoutError:
                continue
            except OSError:
                # A caller that is gone makes the kernel report its closed port here.
                continue
            if self._stopping.is_set() or self.faults.silent:
                continue
            try:
                self._take(bytearray(packet), caller)
            except Exception:
                # pyghmi stumbles in many ways over what is no IPMI.
                LOG.debug("dropped a packet from %s", caller, exc_info=True)

    def _perform_late(self) -> float | None:
        """Send the answers that are due; return the seconds until the next one is."""
        while self._late:
            left = self._late[0][0] - time.monotonic()
            if left > 0:
                return left
            heapq.heappop(self._late)[2]()
        return None

    def _take(self, packet: bytearray, caller: Any) -> None:
        """Hand a packet to its session, or to the part of the protocol that comes before one."""
        is_rmcp_plus = packet[4] == 6
        if not is_rmcp_plus or packet[5] == 0:
            self._sessions.pop(caller, None)
            self.sessionless_data(packet, caller)
        elif packet[5] == _OPEN_SESSION:
            self._open(packet, caller)
        elif caller in self._sessions:
            self._sessions[caller]._handle_ipmi_packet(packet, sockaddr=caller)

    def _open(self, packet: bytearray, caller: Any) -> None:
        request = packet[16:]
        if (request[12], request[20], request[28]) != _SHA1_SHA1_AES:
            refusal = bytes((request[0], _NO_CIPHER_SUITE_MATCH, 0, 0)) + request[4:8]
            header = struct.pack("<4sBBIIH", b"\x06\x00\xff\x07", 6, _OPEN_SESSION + 1, 0, 0, len(refusal))
            self.serversocket.sendto(header + refusal, caller)
            return
        session = _Session(self.authdata, self.kg, caller, self.serversocket, bytes(request), self.uuid, bmc=self)
        # pyghmi would keep it for ever.
        Session.bmc_handlers.pop(caller, None)
        self._sessions[caller] = session
        while len(self._sessions) > _SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    def forget(self, session: _Session) -> None:
        """Drop a session that its caller ended."""
        self._sessions.pop(session.sockaddr, None)

    def handle_raw_request(self, request: dict[str, Any], session: Any) -> None:
        """Answer one command of a session; those to the chassis as late as the faults say."""
        answer = super().handle_raw_request
        if request["netfn"] == _CHASSIS and self.faults.delay_seconds:
            due = time.monotonic() + self.faults.delay_seconds
            heapq.heappush(self._late, (due, next(self._count), lambda: answer(request, session)))
        else:
            answer(request, session)

    def get_system_guid(self) -> UUID:
        """Return the GUID; pyghmi sends it in SMBIOS order."""
        if self.machine.guid is None:
            raise NotImplementedError
        return self.machine.guid

    def get_chassis_status(self, session: Any) -> None:
        """Answer a reading of power."""
        data, code = [], 0
        try:
            # Bit 0 is the power, bits 5 and 6 the policy after an outage (3: unknown).
            data = [int(self.machine.power()) | 3 << 5, 0, 0]
        except MachineError as error:
            code = error.code
        self.received.append(Received(at=self._now(), command="read", code=code))
        session.send_ipmi_response(data=data, code=code)

    def control_chassis(self, request: dict[str, Any], session: Any) -> None:
        """Answer an order; those that no simulated machine knows are refused."""
        number = request["data"][0] & 0x0F
        command = _CONTROLS[number] if number < len(_CONTROLS) else f"control {number}"
        order = {"off": self.machine.power_off, "on": self.machine.power_on}.get(command)
        code = 0 if order else _INVALID_DATA
        try:
            if order:
                order()
        except MachineError as error:
            code = error.code
        self.received.append(Received(at=self._now(), command=command, code=code))
        session.send_ipmi_response(code=code)


class _Session(ServerSession):  # type: ignore[misc]  # pyghmi has no types
    """One login."""

    def _got_rakp1(self, data: bytearray) -> None:
        name = bytes(data[28:]).decode("utf-8", errors="replace")
        if name in self.authdata:
            super()._got_rakp1(data)
            return
        refusal = bytearray((data[0], _UNAUTHORIZED_NAME, 0, 0)) + self.clientsessionid
        self.send_payload(refusal, payload_types["rakp2"], retry=False)

    def close_server_session(self) -> None:
        """Drop the session when its caller logs out."""
        self.bmc.forget(self)
