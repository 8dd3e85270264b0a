"""vault's end of `certificates`, the legacy dialect of vault 1.8: keys are made by vault.

Read, U of each unit: unit_name (its own, `/` as `_`) and cert_requests, JSON {common name: {"sans": [...]}}. Written, U of every
vault unit: ca and chain (PEM), client.cert, client.key, and `<unit_name>.processed_requests`, JSON {common name: {cert, key}}. The
certificates are real ones of a CA that the test makes.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import json
from collections.abc import Mapping
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.juju.peers.base import Bag, Peer
from tests.juju.standin.context import Context
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Application, Relation, Unit

# A moment before now, so that no clock of the test is ahead of it.
BEGINS = datetime.timedelta(minutes=5)
LASTS = datetime.timedelta(days=365)


class Authority:
    """A CA with one certificate per common name and set of other names: who asks again gets the same."""

    def __init__(self) -> None:
        """Make the CA's own key and certificate."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in vault")])
        self.ca = pem(self._sign(self._name, self._key.public_key(), (), is_ca=True))
        self.issue = functools.cache(self._issue)

    def _issue(self, name: str, others: tuple[str, ...]) -> tuple[str, str]:
        """Return a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem(self._sign(subject, key.public_key(), (name, *others))), private.decode()

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, names: tuple[str, ...], *, is_ca: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BEGINS)
            .not_valid_after(now + LASTS)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), False)
        return builder.sign(self._key, hashes.SHA256())


def alternative(name: str) -> x509.GeneralName:
    """Return a name or an address as a certificate holds it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Vault(Peer):
    """One unit of vault."""

    endpoint = "certificates"
    interface = "tls-certificates"
    needs = ("unit_name", "cert_requests")
    options: ClassVar = {}

    def __init__(self, unit: Unit, authority: Authority) -> None:
        """Share the CA with the other units."""
        super().__init__(unit)
        self._authority = authority

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Issue what was asked for, to each unit under its own name."""
        certificate, key = self._authority.issue("client", ())
        found = {"ca": self._authority.ca, "chain": self._authority.ca, "client.cert": certificate, "client.key": key}
        for bag in asking.values():
            issued: dict[str, dict[str, str]] = {}
            for name, request in json.loads(bag["cert_requests"]).items():
                certificate, key = self._authority.issue(name, tuple(sorted(set(request["sans"]) - {name})))
                issued[name] = {"cert": certificate, "key": key}
            found[f"{bag['unit_name']}.processed_requests"] = json.dumps(issued, sort_keys=True)
        return found

    def spoil(self, reply: dict[str, str], mode: str) -> dict[str, str]:
        """Give only the CA, or keys that are another certificate's."""
        answers = [key for key in reply if key.endswith(".processed_requests")]
        if mode == "incomplete":
            return reply | dict.fromkeys(answers, "")
        if mode == "wrong":
            return reply | {key: self._with_other_keys(reply[key]) for key in answers}
        return reply

    def _with_other_keys(self, answer: str) -> str:
        issued = json.loads(answer)
        _, other = self._authority.issue("somebody-else", ())
        return json.dumps({name: {"cert": pair["cert"], "key": other} for name, pair in issued.items()}, sort_keys=True)


def deploy(juju: Juju, name: str, units: int) -> Application:
    """Add vault, and its CA, to a model."""
    authority = Authority()
    return juju.deploy_script(Vault.charm("vault"), lambda unit: Vault(unit, authority), name, units=units)
