"""Everything that Juju and this machine say, read once at the start of a hook into one frozen `State`.

Nothing later asks Juju again: what is published, planned and shown follows from this.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import ops

from masakari_charm import config, juju_secrets, networks, tls
from masakari_charm.config import Config
from masakari_charm.networks import Interface, Network, Networks
from masakari_charm.plan import Problem
from masakari_charm.relations import amqp, certificates, cluster, ha, identity_service, shared_db
from masakari_charm.relations.amqp import Amqp
from masakari_charm.relations.bags import Bags, Missing
from masakari_charm.relations.certificates import Certificates
from masakari_charm.relations.cluster import Peer
from masakari_charm.relations.ha import Ha
from masakari_charm.relations.identity_service import Identity
from masakari_charm.relations.shared_db import SharedDb
from masakari_charm.tls import Tls

WHEELS = "wheels"
"""The resource, and the folder of the charm, that hold the release."""

NO_BINDING = "127.0.0.1"
"""What stands for an address as long as Juju knows none for a binding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One unit as Juju sees it. `problems` are all that a human has to mend; a relation's facts are `Missing` until it answered."""

    app: str
    unit: str
    hostname: str
    is_leader: bool
    is_paused: bool
    config: Config
    networks: Networks
    wheels: str
    shared_db: SharedDb | Missing
    amqp: Amqp | Missing
    identity: Identity | Missing
    certificates: Certificates | Missing
    ha: Ha = field(default_factory=Ha)
    peers: tuple[Peer, ...] = ()
    access_network: str | None = None
    inventory: str | None = field(default=None, repr=False)
    problems: tuple[Problem, ...] = ()

    @property
    def tls(self) -> Tls | None:
        """Return what the API's TLS is made of: the configured certificate first, else the one that was issued."""
        if self.config.pair is not None:
            return Tls(pairs=((self.hostname, self.config.pair),), ca=self.config.ca)
        if isinstance(self.certificates, Certificates):
            return tls.from_relation(self.certificates)
        return None

    @property
    def missing(self) -> tuple[Missing, ...]:
        """Return the relations that have to answer before the service can run, in the order in which they are shown.

        amqp may be left out, and certificates too; where they are joined, their answer is waited for.
        """
        needed: list[object] = [self.shared_db, self.identity]
        needed += [each for each in (self.amqp,) if isinstance(each, Missing) and each.is_joined]
        if self.config.pair is None:
            needed.append(self._certificates_missing())
        return tuple(each for each in needed if isinstance(each, Missing))

    def _certificates_missing(self) -> Missing | None:
        if isinstance(self.certificates, Missing):
            return self.certificates if self.certificates.is_joined else None
        waiting = self.certificates.waits_for
        return Missing(relation=certificates.ENDPOINT, is_joined=True, keys=waiting) if waiting else None

    @property
    def needs_haproxy(self) -> bool:
        """Tell whether haproxy stands before the API: for other units, for Pacemaker, or for TLS."""
        return bool(self.peers) or self.ha.is_related or self.tls is not None


def read(charm: ops.CharmBase, *, is_paused: bool) -> State:
    """Read everything."""
    model = charm.model
    chosen = config.parse(model.config, cpus=os.cpu_count() or 1)
    known = _networks(model)
    hostname = socket.getfqdn()
    secret, secret_problem = juju_secrets.read_inventory(model, chosen.inventory_secret)
    facts = _Relations(model)
    issued = facts.certificates(networks.certificate_names(hostname, chosen, known))
    return State(
        app=model.app.name,
        unit=model.unit.name,
        hostname=hostname,
        is_leader=model.unit.is_leader(),
        is_paused=is_paused,
        config=chosen,
        networks=known,
        wheels=_wheels(charm),
        shared_db=facts.shared_db(),
        amqp=facts.amqp(),
        identity=facts.identity(),
        certificates=issued,
        ha=facts.ha(),
        peers=cluster.parse(bags_of(model, cluster.ENDPOINT) or {}),
        access_network=shared_db.access_network(bags_of(model, shared_db.ENDPOINT) or {}),
        inventory=secret,
        problems=(
            *chosen.problems,
            *(Problem(what=what, fix=fix) for what, fix in networks.faults(chosen, known)),
            *((secret_problem,) if secret_problem else ()),
            *_pair_faults(issued),
        ),
    )


class _Relations:
    """Reads the bags of each relation and gives them to its module."""

    def __init__(self, model: ops.Model) -> None:
        self._model = model

    def shared_db(self) -> SharedDb | Missing:
        bags = bags_of(self._model, shared_db.ENDPOINT)
        return (
            Missing(relation=shared_db.ENDPOINT) if bags is None else shared_db.parse(bags, unit=self._model.unit.name)
        )

    def amqp(self) -> Amqp | Missing:
        bags = bags_of(self._model, amqp.ENDPOINT)
        return Missing(relation=amqp.ENDPOINT) if bags is None else amqp.parse(bags)

    def identity(self) -> Identity | Missing:
        bags = bags_of(self._model, identity_service.ENDPOINT)
        return Missing(relation=identity_service.ENDPOINT) if bags is None else identity_service.parse(bags)

    def certificates(self, names: Mapping[str, frozenset[str]]) -> Certificates | Missing:
        bags = bags_of(self._model, certificates.ENDPOINT)
        if bags is None:
            return Missing(relation=certificates.ENDPOINT)
        return certificates.parse(bags, unit=self._model.unit.name, names=names)

    def ha(self) -> Ha:
        bags = bags_of(self._model, ha.ENDPOINT)
        return Ha() if bags is None else ha.parse(bags)


def bags_of(model: ops.Model, endpoint: str) -> Bags | None:
    """Return the bags of the remote units; None where there is no relation. One that is being broken is none."""
    relations = [relation for relation in model.relations[endpoint] if relation.active]
    if not relations:
        return None
    return {unit.name: dict(relation.data[unit]) for relation in relations for unit in relation.units}


def _networks(model: ops.Model) -> Networks:
    return Networks(bindings={name: _network(model, name) for name in networks.BINDINGS})


def _network(model: ops.Model, name: str) -> Network:
    network = model.get_binding(name).network
    interfaces = tuple(
        Interface(name=each.name, address=str(each.address), network=str(each.subnet))
        for each in network.interfaces
        if _is_ip(each.address) and each.subnet is not None
    )
    known = next((each for each in (network.bind_address, network.ingress_address) if _is_ip(each)), NO_BINDING)
    return Network(address=str(known), interfaces=interfaces)


def _is_ip(address: object) -> bool:
    """Juju may name a host where an address is expected."""
    return isinstance(address, IPv4Address | IPv6Address)


def _wheels(charm: ops.CharmBase) -> str:
    """Return the attached release where there is one, else the charm's own. An empty file is how Juju says that none is attached."""
    try:
        attached = charm.model.resources.fetch(WHEELS)
    except (ops.ModelError, NameError):
        attached = None
    if attached is not None and Path(attached).is_file() and Path(attached).stat().st_size > 0:
        return str(attached)
    return str(charm.charm_dir / WHEELS)


def _pair_faults(issued: Certificates | Missing) -> tuple[Problem, ...]:
    if isinstance(issued, Missing):
        return ()
    found = ((common, tls.fault(pair)) for common, pair in issued.pairs)
    return tuple(
        Problem(
            what=f"certificates: what was issued for {common} cannot be used: {fault}",
            fix="let the other side issue it again (vault: action reissue-certificates)",
        )
        for common, fault in found
        if fault is not None
    )
