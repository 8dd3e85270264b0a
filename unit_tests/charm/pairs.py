"""Certificates that are made for a test: self-signed, of a short key, valid today unless other days are asked for."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@cache
def pair(common: str = "masakari.example.com", *, begin_days: int = -1, end_days: int = 30) -> tuple[str, str]:
    """Return a certificate and its key as PEM; the same for the same name. The days of its validity count from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begin_days))
        .not_valid_after(now + timedelta(days=end_days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), _pem(key, serialization.NoEncryption())


def locked_key() -> str:
    """Return a key with a password."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _pem(key, serialization.BestAvailableEncryption(b"password"))


def in_base64(text: str) -> str:
    """Return a text as an option or a bag carries it."""
    return base64.b64encode(text.encode()).decode()


def _pem(key: ec.EllipticCurvePrivateKey, lock: serialization.KeySerializationEncryption) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, lock).decode()
