"""`amqp` (rabbitmq): the broker whose messages wake the engines. Optional: without it they look at the database every second.

Unit bag, ours: `username`, `vhost`, `private-address` (ours on that binding; Juju 4 does not write it).
Unit bag, theirs, one per unit of rabbitmq-server: `hostname`, `private-address`, `password` (may be changed at any time), `ssl_port`
and `ssl_ca` (base64 PEM with its chain) with TLS; `clustered`, `vip` and `ha-vip-only` behind a virtual IP. `ha_queues` is not needed:
the messages are small, short-lived, and may be lost.

A unit can be used when it has a password and an address. All that can be used stand in the URL, in the order of their names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from masakari_charm.relations.bags import Bag, Bags, Missing, absent, address, bracketed, is_no_pem, pem, port, text

ENDPOINT = "amqp"
USERNAME = "masakari"
VHOST = "masakari"
AMQP_PORT = 5672
_NEEDED = ("password", "private-address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One RabbitMQ server."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Amqp:
    """The brokers, and how to reach them. With `is_tls` and no `ca` the system's own list of CAs holds."""

    brokers: tuple[Broker, ...]
    password: str = field(repr=False)
    is_tls: bool = False
    ca: str | None = None

    @property
    def url(self) -> str:
        """Return oslo.messaging's URL over all brokers."""
        who = f"{USERNAME}:{quote(self.password, safe='')}"
        places = ",".join(f"{who}@{bracketed(broker.host)}:{broker.port}" for broker in self.brokers)
        return f"rabbit://{places}/{VHOST}"


def request(*, address: str) -> dict[str, str]:
    """Ask for a user and a virtual host."""
    return {"username": USERNAME, "vhost": VHOST, "private-address": address}


def parse(bags: Bags) -> Amqp | Missing:
    """Return the brokers that can be used, or what the first of them lacks."""
    usable = [bag for _, bag in sorted(bags.items()) if text(bag, "password") and address(bag) and not _unusable(bag)]
    if not usable:
        keys = next(((*absent(bag, _NEEDED), *_unusable(bag)) for _, bag in sorted(bags.items())), _NEEDED)
        return Missing(relation=ENDPOINT, is_joined=True, keys=keys or _NEEDED)
    # While TLS is being switched on, some have it already: one transport is all TLS or none.
    secured = [bag for bag in usable if text(bag, "ssl_port")]
    chosen = secured or usable
    authorities = [ca for bag in secured if (ca := pem(bag, "ssl_ca"))]
    return Amqp(
        brokers=tuple(sorted({_broker(bag) for bag in chosen}, key=lambda broker: (broker.host, broker.port))),
        password=chosen[0]["password"],
        is_tls=bool(secured),
        ca="".join(dict.fromkeys(authorities)) or None,
    )


def _unusable(bag: Bag) -> tuple[str, ...]:
    """Name what stands there and cannot be used: to go on without it would send the password elsewhere, or in the clear."""
    found = ("ssl_port",) if text(bag, "ssl_port") and not port(bag, "ssl_port", default=0) else ()
    return (*found, "ssl_ca") if is_no_pem(bag, "ssl_ca") else found


def _broker(bag: Bag) -> Broker:
    vip = text(bag, "vip")
    behind_vip = text(bag, "clustered") and vip and not text(bag, "ha-vip-only")
    host = vip if behind_vip and vip else address(bag)
    return Broker(host=host or "", port=port(bag, "ssl_port", default=AMQP_PORT))
