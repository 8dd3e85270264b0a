"""Writes our side of each relation, and of it only what differs: a hook that runs twice writes once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import ops

from masakari_charm import networks
from masakari_charm.plan import Report
from masakari_charm.relations import amqp, certificates, cluster, cos_agent, ha, identity_service, shared_db
from masakari_charm.relations.bags import Bag
from masakari_charm.relations.ha import DnsName, Vip
from masakari_charm.relations.shared_db import SharedDb
from masakari_charm.state import State

ENDPOINTS = tuple(
    module.ENDPOINT for module in (shared_db, amqp, identity_service, ha, cluster, certificates, cos_agent)
)
FROM_OPTIONS = frozenset({identity_service.ENDPOINT, ha.ENDPOINT, certificates.ENDPOINT})
"""Endpoints where we ask for what the operator chose: names, virtual IPs, a region."""

_MAAS_KINDS = {"public": "public", "internal": "int", "admin": "admin"}
"""What today's charm calls the kinds of endpoint in the names of resources."""


def publish(model: ops.Model, state: State) -> None:
    """Write our requests. What follows from an option stays as it is while an option is wrong, and all while we have no address."""
    if state.networks.unknown:
        return
    is_wrong = bool(state.problems or state.config.unset)
    former = _asked(model) | _noted(model)
    for endpoint in ENDPOINTS:
        if is_wrong and endpoint in FROM_OPTIONS:
            continue
        for relation in _active(model, endpoint):
            bag = relation.data[model.unit]
            write(bag, request(endpoint, state, before=dict(bag), former=former))
    _tell(model, cluster.tell_resources(former | _asked(model)))


def tell_schema(model: ops.Model, state: State, report: Report) -> None:
    """Let the other units know that the schema is there. Who looked too early is called by the change, and looks again.

    It is told whenever it is seen, and not only after it was brought up: the leader that did it may have died before it could tell.
    """
    if report.schema is not None and isinstance(state.shared_db, SharedDb):
        _tell(model, cluster.tell_schema(release=report.schema, fingerprint=state.shared_db.fingerprint))


def _tell(model: ops.Model, words: Mapping[str, str]) -> None:
    """Write to the peers' application bag, as the leader. That is asked anew: to bring up a schema may outlast a lease."""
    if model.unit.is_leader():
        for relation in _active(model, cluster.ENDPOINT):
            write(relation.data[model.app], words)


def _asked(model: ops.Model) -> frozenset[str]:
    """Name what stands in this unit's requests to hacluster."""
    return frozenset().union(*(ha.asked(relation.data[model.unit]) for relation in _active(model, ha.ENDPOINT)))


def _noted(model: ops.Model) -> frozenset[str]:
    """Name what the leader noted of all units' requests."""
    bags = (relation.data[model.app] for relation in _active(model, cluster.ENDPOINT))
    return frozenset().union(*(cluster.told_resources(bag) for bag in bags))


def _active(model: ops.Model, endpoint: str) -> list[ops.Relation]:
    return [relation for relation in model.relations[endpoint] if relation.active]


def write(bag: ops.RelationDataContent, wanted: Mapping[str, str]) -> None:
    """Bring the keys to what is wanted; an empty text takes a key away."""
    for key, value in wanted.items():
        if bag.get(key, "") != value:
            bag[key] = value


def request(endpoint: str, state: State, *, before: Bag, former: Collection[str]) -> dict[str, str]:
    """Return what we ask of an endpoint; `before` is what we asked of it last, `former` what hacluster was ever asked for."""
    known, chosen = state.networks, state.config
    match endpoint:
        case shared_db.ENDPOINT:
            address = networks.address_in(state.access_network, known) or known.address(endpoint)
            return shared_db.request(address=address)
        case amqp.ENDPOINT:
            return amqp.request(address=known.address(endpoint))
        case identity_service.ENDPOINT:
            return identity_service.request(region=chosen.region, **endpoint_urls(state, before=before))
        case ha.ENDPOINT:
            return ha.request(vips=vips(state), names=dns_names(state), interface=chosen.vip_interface, former=former)
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


def endpoint_urls(state: State, *, before: Bag) -> dict[str, str]:
    """Return the three URLs of the catalog. Those that stand there stay while TLS is waited for: what runs stays as it is, too."""
    is_tls = state.tls is not None or state.waits_for_tls
    urls = {
        f"{kind}_url": networks.endpoint_url(kind, state.config, state.networks, is_tls=is_tls)
        for kind in networks.ENDPOINT_KINDS
    }
    return {key: before.get(key) or url for key, url in urls.items()} if state.waits_for_tls else urls


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
