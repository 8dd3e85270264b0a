"""What a child does with its one call: the alarm, and the words for how it ended."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
from uuid import UUID

import pytest
from pyghmi.exceptions import IpmiException

from vmha.adapters.fencing import worker
from vmha.core.model import PowerTrouble

GUID = UUID("00112233-4455-6677-8899-aabbccddeeff")
# Sets the alarm of the worker, whose file is the first argument, to go off soon.
SET_ALARM = """
import ctypes, runpy, signal, sys, time
end_at = runpy.run_path(sys.argv[1])["end_at"]
{before}
end_at(time.monotonic() + 0.2)
{after}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "time.sleep(30)"),
        ("", "ctypes.PyDLL(None).sleep(30)"),
        ("signal.signal(signal.SIGALRM, signal.SIG_IGN)", "time.sleep(30)"),
        ("signal.signal(signal.SIGALRM, print)", "time.sleep(30)"),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})", "time.sleep(30)"),
        ("end_at(time.monotonic() - 1)", "time.sleep(30)"),
    ],
    ids=["waiting", "in foreign code that holds the interpreter", "ignored", "handled", "blocked", "too late"],
)
def test_the_alarm_ends_the_process(before: str, after: str) -> None:
    """At its deadline a process ends, whatever it does and whatever signals it inherited; after it, at once."""
    code = SET_ALARM.format(before=before, after=after)
    ended = subprocess.run((sys.executable, "-c", code, worker.__file__), timeout=20, check=False)
    assert ended.returncode == -signal.SIGALRM


@pytest.mark.parametrize(
    ("error", "trouble", "words"),
    [
        (IpmiException(None), "silent", "did not answer"),
        (IpmiException("timeout"), "silent", "did not answer"),
        (IpmiException("Session no longer connected"), "silent", "did not answer"),
        (IpmiException("Incorrect password provided"), "bad_credentials", "Incorrect password"),
        (IpmiException("Unauthorized name in RAKP2"), "bad_credentials", "Unauthorized name"),
        (IpmiException("Invalid role in RAKP2"), "bad_credentials", "Invalid role"),
        (IpmiException("Invalid RAKP4 integrity code (wrong Kg?)"), "bad_credentials", "wrong Kg"),
        (
            IpmiException("User is not allowed requested privilege level while requesting privelege level 3"),
            "bad_credentials",
            "not allowed",
        ),
        (IpmiException("Insufficient resources to create new session"), "error", 'answered "Insufficient'),
        (IpmiException("No Cipher suite match"), "error", 'answered "No Cipher suite match"'),
        (socket.gaierror(-2, "Name or service not known"), "error", "cannot be reached (Name or service"),
        (TypeError("no such thing"), "error", "made pyghmi stumble (TypeError: no such thing)"),
        (struct.error("pack expected 32"), "error", "made pyghmi stumble (error: pack expected 32)"),
        (worker.Trouble("wrong_identity", "says so"), "wrong_identity", "says so"),
    ],
    ids=str,
)
def test_every_end_of_a_call_has_a_name(error: Exception, trouble: str, words: str) -> None:
    """What pyghmi raises becomes one of the port's troubles, with words."""
    answer = worker.explain(error)
    assert PowerTrouble(answer["trouble"]) is PowerTrouble(trouble)
    assert words in answer["detail"]


@pytest.mark.parametrize(
    ("raw", "is_same"),
    [
        (GUID.bytes, True),
        (GUID.bytes_le, True),
        (GUID.bytes[::-1], True),
        (UUID(int=GUID.int + 1).bytes, False),
        (GUID.bytes_le[::-1], False),
        (GUID.bytes[:15], False),
        (b"", False),
    ],
    ids=["rfc", "smbios", "ipmi", "another", "no known order", "short", "none"],
)
def test_a_guid_is_known_in_each_order_in_use(raw: bytes, is_same: bool) -> None:
    """The three orders in which BMCs send a GUID count as that GUID, and nothing else does."""
    assert worker.is_same(raw, GUID) is is_same
