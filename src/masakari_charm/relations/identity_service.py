"""`identity-service` (keystone, classic bags): our endpoint in the catalog, and the user whom Nova and Keystone see.

Unit bag, ours: `service` (must be "masakari": keystone makes it the type instance-ha, and fails on names that it does not know),
`region`, `public_url`, `internal_url`, `admin_url`. Keystone changes the endpoint in place when a URL changes.
Unit bag, theirs: `auth_host`, `auth_port`, `auth_protocol`, `service_host`, `service_port`, `service_protocol`, `service_username`,
`service_password`, `service_tenant`, `service_domain`, the optional `internal_host`, `internal_port`, `internal_protocol`, and
`ca_cert` (base64 PEM). "__null__" is keystone's word for nothing. More keys come, and are not needed.

Keystone answers only when its own database is there and, with hacluster, when it is clustered: to be incomplete for long is usual.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from masakari_charm.relations.bags import Bag, Bags, Missing, absent, bracketed, pem, port, text

ENDPOINT = "identity-service"
SERVICE = "masakari"
_AUTH = ("auth_protocol", "auth_host", "auth_port")
_SERVICE = ("service_protocol", "service_host", "service_port")
_INTERNAL = ("internal_protocol", "internal_host", "internal_port")
_USER = ("service_tenant", "service_username", "service_password")
_NEEDED = (*_AUTH, *_SERVICE, *_USER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Keystone's addresses and the service user. `internal_url` is None where keystone names no internal address."""

    public_url: str
    auth_url: str
    internal_url: str | None
    username: str
    password: str = field(repr=False)
    project: str
    domain: str
    ca: str | None = None


def request(*, region: str, public_url: str, internal_url: str, admin_url: str) -> dict[str, str]:
    """Register the endpoint; every unit writes the same."""
    return {
        "service": SERVICE,
        "region": region,
        "public_url": public_url,
        "internal_url": internal_url,
        "admin_url": admin_url,
    }


def parse(bags: Bags) -> Identity | Missing:
    """Return what the first unit with a complete answer says; keystone's units echo their leader."""
    answers = [(bag, _absent(bag, _NEEDED)) for _, bag in sorted(bags.items())]
    for bag, missing in answers:
        if not missing:
            return _facts(bag)
    fewest = min((missing for _, missing in answers), key=len, default=_NEEDED)
    return Missing(relation=ENDPOINT, is_joined=True, keys=fewest)


def _absent(bag: Bag, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Name the keys without a value; a protocol or a port that is none is no value."""
    missing = absent(bag, keys)
    ports = [key for key in keys if key.endswith("_port") and not port(bag, key, default=0)]
    protocols = [key for key in keys if key.endswith("_protocol") and bag.get(key) not in ("http", "https")]
    return (*missing, *(key for key in (*protocols, *ports) if key not in missing))


def _facts(bag: Bag) -> Identity:
    return Identity(
        public_url=_url(bag, _SERVICE),
        auth_url=_url(bag, _AUTH),
        internal_url=None if _absent(bag, _INTERNAL) else _url(bag, _INTERNAL),
        username=bag["service_username"],
        password=bag["service_password"],
        project=bag["service_tenant"],
        domain=text(bag, "service_domain") or "default",
        ca=pem(bag, "ca_cert"),
    )


def _url(bag: Bag, keys: tuple[str, str, str]) -> str:
    protocol, host, number = (bag[key] for key in keys)
    return f"{protocol}://{bracketed(host)}:{number}/v3"
