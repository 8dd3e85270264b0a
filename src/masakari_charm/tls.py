"""Which certificates haproxy shows, and whether they can be used: from the options ssl_cert and ssl_key, else from `certificates`."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from masakari_charm.relations.certificates import Certificates, Pair

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0
"""The tag of the one field of a certificate that may be left out."""

_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""Tags of UTCTime and GeneralizedTime, and how a certificate writes them (RFC 5280, 4.1.2.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The pairs by what they are for, and what to trust. `ca` is None where the system's own list of CAs is enough."""

    pairs: tuple[tuple[str, Pair], ...] = field(default=())
    ca: str | None = None
    chain: str | None = None


def from_relation(answer: Certificates) -> Tls:
    """Use what was issued."""
    pairs = tuple(
        (common, Pair(certificate=pair.certificate + (answer.chain or ""), key=pair.key))
        for common, pair in answer.pairs
    )
    return Tls(pairs=pairs, ca=answer.ca, chain=answer.chain)


def fault(pair: Pair) -> str | None:
    """Say why a server could not use a certificate with a key; None where it can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL reads files only. This one has no name, is in memory and gone when it is closed.
    handle = os.memfd_create("pair", os.MFD_CLOEXEC)
    with open(handle, "w", encoding="ascii") as file:
        file.write(pair.certificate + pair.key)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{handle}", password=_no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                return "the key does not belong to the certificate"
            return f"they are no certificate and key that can be used (OpenSSL: {error.reason})"
        except ValueError:
            return "the key is locked with a password"
    return None


def lapse(pair: Pair, now: datetime) -> str | None:
    """Say why clients refuse a certificate by its dates; None where they do not. Only its own dates count, not its chain's.

    A chain may end in an old CA that has another certificate by now.
    """
    dates = _dates(pair.certificate)
    if dates is None:
        return None
    begin, end = dates
    if now < begin:
        return f"is valid from {begin:%Y-%m-%d %H:%M} UTC only"
    return f"expired on {end:%Y-%m-%d %H:%M} UTC" if end < now else None


def _dates(pem: str) -> tuple[datetime, datetime] | None:
    """Return from when until when the first certificate of a PEM text is valid; None where that cannot be read.

    Python's `ssl` reads this of a connection only. After version: serial number, algorithm, issuer, validity (RFC 5280, 4.1).
    """
    found = _CERTIFICATE.search(pem)
    if found is None:
        return None
    try:
        ((_, certificate),) = _elements(ssl.PEM_cert_to_DER_cert(found[0]))
        _, signed = next(_elements(certificate))
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        begin, end = (
            datetime.strptime(text.decode("ascii"), _TIMES[tag]).replace(tzinfo=UTC)
            for tag, text in _elements(fields[3])
        )
    except (IndexError, KeyError, StopIteration, ValueError):
        return None
    return begin, end


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of DER that stands side by side."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length


def _no_password() -> str:
    raise ValueError("a key with a password cannot be used")
