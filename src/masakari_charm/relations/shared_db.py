"""`shared-db` (mysql-shared): the database, from mysql-router, classic or operator, on this machine.

Unit bag, ours: `database`, `username`, `hostname` (our address). The router is a subordinate, so that its one unit is the only remote.
Unit bag, theirs: `db_host` (127.0.0.1), `db_port` (3306; absent on old charms), `password`, `allowed_units` (names with spaces between),
`ssl_ca`, `ssl_cert`, `ssl_key` (base64 PEM, may be empty), `access-network` (legacy: the network that our address should be of),
`cluster-series-upgrading` ("True": count it as away), `wait_timeout` (not needed: connections are renewed long before).

The answer counts once our own unit stands in `allowed_units`: the database refuses us before.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import quote

from masakari_charm.relations.bags import Bag, Bags, Missing, absent, bracketed, is_no_pem, pem, port, text

ENDPOINT = "shared-db"
DATABASE = "masakari"
USERNAME = "masakari"
MYSQL_PORT = 3306
_NEEDED = ("db_host", "password", "allowed_units")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedDb:
    """The database as this unit reaches it; the three PEM texts are for TLS."""

    host: str
    port: int
    password: str = field(repr=False)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)

    @property
    def fingerprint(self) -> str:
        """Return what tells this database from another one in its place: one that was made anew comes with another password."""
        return hashlib.sha256(f"{self.host} {self.port} {self.password}".encode()).hexdigest()[:12]

    def url(self, *, ca_file: str, certificate_file: str, key_file: str) -> str:
        """Return SQLAlchemy's URL; the files are where the PEM texts stand."""
        base = (
            f"mysql+pymysql://{USERNAME}:{quote(self.password, safe='')}@{bracketed(self.host)}:{self.port}/{DATABASE}"
        )
        if self.ca is None:
            return base
        query = f"?ssl_ca={ca_file}"
        if self.certificate is not None and self.key is not None:
            query += f"&ssl_cert={certificate_file}&ssl_key={key_file}"
        # The router hands the connection through to a server whose certificate cannot name loopback; its CA is checked all the same.
        return base + query + ("&ssl_check_hostname=false" if _is_loopback(self.host) else "")


def request(*, address: str) -> dict[str, str]:
    """Ask for a database and a user; `address` is where we come from."""
    return {"database": DATABASE, "username": USERNAME, "hostname": address}


def access_network(bags: Bags) -> str | None:
    """Return the network that the other side wants our address to be of, where it names one."""
    named = next((value for _, bag in sorted(bags.items()) if (value := text(bag, "access-network"))), "")
    try:
        return str(ipaddress.ip_network(named, strict=False))
    except ValueError:
        return None


def parse(bags: Bags, *, unit: str) -> SharedDb | Missing:
    """Return the database once it lets this unit in."""
    answers = [(bag, (*absent(bag, _NEEDED), *_unusable(bag))) for _, bag in sorted(bags.items())]
    for bag, missing in answers:
        if not missing and _lets_in(bag, unit) and text(bag, "cluster-series-upgrading") != "True":
            return _facts(bag)
    missing = answers[0][1] if answers else _NEEDED
    return Missing(relation=ENDPOINT, is_joined=True, keys=missing or ("allowed_units",))


def _facts(bag: Bag) -> SharedDb:
    return SharedDb(
        host=bag["db_host"],
        port=port(bag, "db_port", default=MYSQL_PORT),
        password=bag["password"],
        ca=pem(bag, "ssl_ca"),
        certificate=pem(bag, "ssl_cert"),
        key=pem(bag, "ssl_key"),
    )


def _unusable(bag: Bag) -> tuple[str, ...]:
    """Name what stands there and cannot be used: to go on without it would be another server, or no TLS."""
    found = ("db_port",) if text(bag, "db_port") and not port(bag, "db_port", default=0) else ()
    return (*found, *(key for key in ("ssl_ca", "ssl_cert", "ssl_key") if is_no_pem(bag, key)))


def _lets_in(bag: Bag, unit: str) -> bool:
    return unit in bag["allowed_units"].split()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
