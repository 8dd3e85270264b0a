"""Which certificates haproxy shows, and whether they can be used: from the options ssl_cert and ssl_key, else from `certificates`."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field

from masakari_charm.relations.certificates import Certificates, Pair


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


def _no_password() -> str:
    raise ValueError("a key with a password cannot be used")
