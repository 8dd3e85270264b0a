"""Where this unit is: its addresses by binding, and which of them, or which virtual IP, an endpoint is reached at.

An endpoint's host is, in this order: the configured hostname; the virtual IP on the endpoint's network; the unit's own address in the
configured network (os-public-network and its like); the unit's address on the binding of that name. Only configuration and bindings
decide, so that all units register the same URL as soon as there is a virtual IP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from masakari_charm.relations.bags import bracketed

if TYPE_CHECKING:
    from masakari_charm.config import Config

ENDPOINT_KINDS = ("public", "internal", "admin")
BINDINGS = (*ENDPOINT_KINDS, "shared-db", "amqp", "cluster")
API_PORT = 15868


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An address of this unit with its network, as `10.0.0.5` and `10.0.0.0/24`."""

    name: str
    address: str
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What Juju says of a binding: the address to use, None as long as it names none, and every interface that carries it."""

    address: str | None
    interfaces: tuple[Interface, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The bindings that we look at, by name."""

    bindings: Mapping[str, Network] = field(default_factory=dict)

    def address(self, binding: str) -> str:
        """Return this unit's address on a binding. It is asked for only when none is `unknown`."""
        address = self.bindings[binding].address
        if address is None:
            raise LookupError(f"Juju names no address for the binding {binding}")
        return address

    @property
    def unknown(self) -> tuple[str, ...]:
        """Name the bindings without an address. Nothing is published then: a placeholder would be taken for the unit."""
        return tuple(name for name, network in self.bindings.items() if network.address is None)

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """Return every interface once."""
        found = (interface for network in self.bindings.values() for interface in network.interfaces)
        return tuple(dict.fromkeys(found))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address of this unit once."""
        known = (network.address for network in self.bindings.values() if network.address is not None)
        return tuple(dict.fromkeys((*known, *(interface.address for interface in self.interfaces))))

    def carrier(self, address: str) -> Interface | None:
        """Return the interface whose network holds an address."""
        return next((interface for interface in self.interfaces if holds(interface.network, address)), None)


def holds(network: str, address: str) -> bool:
    """Tell whether an address is in a network; the two may be of different families."""
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def own_address(kind: str, config: Config, networks: Networks) -> str:
    """Return the unit's address for a kind of endpoint."""
    return address_in(config.networks[kind], networks) or networks.address(kind)


def address_in(network: str | None, networks: Networks) -> str | None:
    """Return the unit's address in a network; None where it has none there, or no network is named."""
    return next((address for address in networks.addresses if network and holds(network, address)), None)


def endpoint_host(kind: str, config: Config, networks: Networks) -> str:
    """Return where clients find an endpoint."""
    hostname = config.hostnames[kind]
    if hostname:
        return hostname
    if config.vip:
        return _vip_on(kind, config, networks)
    return own_address(kind, config, networks)


def endpoint_url(kind: str, config: Config, networks: Networks, *, is_tls: bool) -> str:
    """Return the URL that stands in Keystone's catalog, in the form of today's charm."""
    scheme = "https" if is_tls else "http"
    host = bracketed(endpoint_host(kind, config, networks))
    return f"{scheme}://{host}:{API_PORT}/v1/%(tenant_id)s"


def certificate_names(hostname: str, config: Config, networks: Networks) -> dict[str, frozenset[str]]:
    """Say which certificates are needed: one by the host's own name, with all addresses, and one per configured hostname."""
    names = {hostname: frozenset((*networks.addresses, *config.vip))}
    for kind in ENDPOINT_KINDS:
        common = config.hostnames[kind]
        if common:
            own = address_in(config.networks[kind], networks) or networks.bindings[kind].address
            names[common] = names.get(common, frozenset()) | {*((own,) if own else ()), *config.vip}
    return names


def faults(config: Config, networks: Networks) -> tuple[tuple[str, str], ...]:
    """Say what of the configuration does not fit this unit's networks, each with its fix."""
    found = []
    for vip in config.vip:
        if networks.carrier(vip) is None and not config.names_interface:
            fix = "correct vip, or name the interface and its prefix length in vip_iface and vip_cidr"
            found.append((f"vip {vip} is in none of the unit's networks ({_shown(networks.interfaces)})", fix))
    for kind, network in config.networks.items():
        if network and address_in(network, networks) is None:
            option = f"os-{kind}-network"
            found.append((f"{option} {network} holds no address of this unit", f"correct {option}, or bind {kind}"))
    return tuple(found)


def _vip_on(kind: str, config: Config, networks: Networks) -> str:
    """Return the virtual IP on the network of an endpoint; the first one where there is none."""
    wanted = config.networks[kind]
    if wanted:
        carriers: Sequence[str] = (wanted,)
    else:
        own = networks.bindings[kind]
        carriers = tuple(interface.network for interface in own.interfaces)
    fitting = (vip for vip in config.vip if any(holds(carrier, vip) for carrier in carriers))
    return next(fitting, config.vip[0])


def _shown(interfaces: Sequence[Interface]) -> str:
    return ", ".join(dict.fromkeys(interface.network for interface in interfaces)) or "none is known"
