"""Writes our side of each relation, and of it only what differs: a hook that runs twice writes once."""

from __future__ import annotations

from collections.abc import Mapping

import ops

from masakari_charm import networks
from masakari_charm.relations import amqp, certificates, cluster, cos_agent, ha, identity_service, shared_db
from masakari_charm.relations.bags import Bag
from masakari_charm.relations.ha import DnsName, Vip
from masakari_charm.state import State

ENDPOINTS = tuple(
    module.ENDPOINT for module in (shared_db, amqp, identity_service, ha, cluster, certificates, cos_agent)
)
FROM_OPTIONS = frozenset({identity_service.ENDPOINT, ha.ENDPOINT, certificates.ENDPOINT})
"""Endpoints where we ask for what the operator chose: names, virtual IPs, a region."""

_MAAS_KINDS = {"public": "public", "internal": "int", "admin": "admin"}
"""What today's charm calls the kinds of endpoint in the names of resources."""


def publish(model: ops.Model, state: State) -> None:
    """Write our requests. What follows from an option stays as it is while an option is wrong."""
    is_wrong = bool(state.problems or state.config.unset)
    for endpoint in ENDPOINTS:
        if is_wrong and endpoint in FROM_OPTIONS:
            continue
        for relation in model.relations[endpoint]:
            if relation.active:
                bag = relation.data[model.unit]
                write(bag, request(endpoint, state, before=dict(bag)))


def write(bag: ops.RelationDataContent, wanted: Mapping[str, str]) -> None:
    """Bring the keys to what is wanted; an empty text takes a key away."""
    for key, value in wanted.items():
        if bag.get(key, "") != value:
            bag[key] = value


def request(endpoint: str, state: State, *, before: Bag) -> dict[str, str]:
    """Return what we ask of an endpoint; `before` is what we asked of it last."""
    known, chosen = state.networks, state.config
    match endpoint:
        case shared_db.ENDPOINT:
            address = networks.address_in(state.access_network, known) or known.address(endpoint)
            return shared_db.request(address=address)
        case amqp.ENDPOINT:
            return amqp.request(address=known.address(endpoint))
        case identity_service.ENDPOINT:
            return identity_service.request(region=chosen.region, **endpoint_urls(state))
        case ha.ENDPOINT:
            return ha.request(vips=vips(state), names=dns_names(state), interface=chosen.vip_interface, before=before)
        case cluster.ENDPOINT:
            return cluster.request(
                private=known.address(endpoint),
                **{kind: networks.own_address(kind, chosen, known) for kind in networks.ENDPOINT_KINDS},
            )
        case certificates.ENDPOINT:
            names = networks.certificate_names(state.hostname, chosen, known)
            return certificates.request(unit=state.unit, names=names)
        case _:
            return cos_agent.request()


def endpoint_urls(state: State) -> dict[str, str]:
    """Return the three URLs of the catalog."""
    return {
        f"{kind}_url": networks.endpoint_url(kind, state.config, state.networks, is_tls=state.tls is not None)
        for kind in networks.ENDPOINT_KINDS
    }


def vips(state: State) -> tuple[Vip, ...]:
    """Return the virtual IPs. Pacemaker finds the interface by itself where one of ours is on the same network."""
    return tuple(_vip(address, state) for address in state.config.vip)


def _vip(address: str, state: State) -> Vip:
    if state.networks.carrier(address) is not None:
        return Vip(address=address)
    return Vip(address=address, interface=state.config.vip_interface, prefix=state.config.vip_prefix)


def dns_names(state: State) -> tuple[DnsName, ...]:
    """Return the names for MAAS, where dns-ha asks for them."""
    if not state.config.is_dns_ha:
        return ()
    return tuple(
        DnsName(
            kind=_MAAS_KINDS[kind], hostname=hostname, address=networks.own_address(kind, state.config, state.networks)
        )
        for kind, hostname in state.config.hostnames.items()
        if hostname is not None
    )
