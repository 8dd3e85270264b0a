"""Everything that Juju and this machine say, read once at the start of a hook into one frozen `State`.

Nothing later asks Juju again: what is published, planned and shown follows from this.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from masakari_charm.relations.certificates import Certificates, Pair
from masakari_charm.relations.cluster import Peer
from masakari_charm.relations.ha import Ha
from masakari_charm.relations.identity_service import Identity
from masakari_charm.relations.shared_db import SharedDb
from masakari_charm.tls import Tls

WHEELS = "wheels"
"""The resource, and the folder of the charm, that hold the release."""

ONE_APPLICATION = tuple(module.ENDPOINT for module in (shared_db, amqp, identity_service, certificates, ha))
"""Endpoints where one other application can be used: the answers of two would be mixed up."""

REISSUE = "let the other side issue it again (vault: action reissue-certificates)"

_NONE_ATTACHED = re.compile(r"""(?<!stored )resource(#\S+| "[^"]+")? not found\s*$""")
"""How Juju says that there is no such file: `resource#APP/NAME not found`, for a local charm `resource "NAME" not found`, in Juju 4 without
a name. Any other word of resource-get is about the controller, the network or the disk."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One unit as Juju sees it. A relation's facts are `Missing` until it answered.

    `problems` are all that a human has to mend before a new configuration is taken, `warnings` what should be mended while it is used.
    `wheels` is None where Juju could not say which release is attached.
    """

    app: str
    unit: str
    hostname: str
    is_leader: bool
    is_paused: bool
    config: Config
    networks: Networks
    wheels: str | None
    shared_db: SharedDb | Missing
    amqp: Amqp | Missing
    identity: Identity | Missing
    certificates: Certificates | Missing
    ha: Ha = field(default_factory=Ha)
    peers: tuple[Peer, ...] = ()
    access_network: str | None = None
    inventory: str | None = field(default=None, repr=False)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def tls(self) -> Tls | None:
        """Return what the API's TLS is made of: the configured certificate first, else the one that was issued."""
        if self.config.pair is not None:
            return Tls(pairs=((self.hostname, self.config.pair),), ca=self.config.ca)
        if isinstance(self.certificates, Certificates):
            return tls.from_relation(self.certificates)
        return None

    @property
    def waits_for_tls(self) -> bool:
        """Tell whether there shall be TLS and nothing is there to make it of: not yet, or not any more."""
        return self.tls is None and isinstance(self.certificates, Missing) and self.certificates.is_joined

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
        return bool(self.peers) or self.ha.is_related or self.tls is not None or self.waits_for_tls


def read(charm: ops.CharmBase, *, is_paused: bool) -> State:
    """Read everything."""
    model = charm.model
    chosen = config.parse(model.config, cpus=os.cpu_count() or 1)
    known = _networks(model)
    hostname = _hostname(model, chosen)
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
            *_network_faults(chosen, known),
            *((secret_problem,) if secret_problem else ()),
            *_crowded(model),
            *(_pair_faults(issued) if chosen.pair is None else ()),
        ),
        warnings=_lapses(chosen.pair, issued, now=datetime.now(UTC)),
    )


def _hostname(model: ops.Model, chosen: Config) -> str:
    """Return this unit's own name: the one that a certificate was asked for, where that was done. DNS may say another at times."""
    relation = _relation(model, certificates.ENDPOINT)
    before = dict(relation.data[model.unit]) if relation else {}
    by_kernel, by_dns = socket.gethostname(), socket.getfqdn()
    now = by_kernel if by_dns.partition(".")[0] == "localhost" else by_dns
    endpoints = [name for name in chosen.hostnames.values() if name]
    return certificates.kept_name(before, now=now, kernel_name=by_kernel, endpoints=endpoints)


def _network_faults(chosen: Config, known: Networks) -> tuple[Problem, ...]:
    """Say what does not fit this unit's networks, once all of them are known."""
    if known.unknown:
        return ()
    return tuple(Problem(what=what, fix=fix) for what, fix in networks.faults(chosen, known))


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
    """Return the bags of the remote units; None where there is no relation."""
    relation = _relation(model, endpoint)
    return None if relation is None else {unit.name: dict(relation.data[unit]) for unit in relation.units}


def _relation(model: ops.Model, endpoint: str) -> ops.Relation | None:
    """Return the relation of an endpoint, the oldest where there are several."""
    return next(iter(_relations(model, endpoint)), None)


def _relations(model: ops.Model, endpoint: str) -> list[ops.Relation]:
    """Return the relations of an endpoint by their age. One that is being broken is none."""
    return sorted((each for each in model.relations[endpoint] if each.active), key=lambda each: each.id)


def _crowded(model: ops.Model) -> tuple[Problem, ...]:
    """Name the endpoints with more than one application. The oldest goes on until one is removed."""
    found = []
    for endpoint in ONE_APPLICATION:
        names = [relation.app.name for relation in _relations(model, endpoint)]
        if len(names) > 1:
            fix = f"remove one of them, as in: juju remove-relation {model.app.name}:{endpoint} {names[-1]}"
            found.append(Problem(what=f"{endpoint} is related to {' and '.join(names)}", fix=fix))
    return tuple(found)


def _networks(model: ops.Model) -> Networks:
    return Networks(bindings={name: _network(model, name) for name in networks.BINDINGS})


def _network(model: ops.Model, name: str) -> Network:
    network = model.get_binding(name).network
    interfaces = tuple(
        Interface(name=each.name, address=str(each.address), network=str(each.subnet))
        for each in network.interfaces
        if _is_ip(each.address) and each.subnet is not None
    )
    known = next((str(each) for each in (network.bind_address, network.ingress_address) if _is_ip(each)), None)
    return Network(address=known, interfaces=interfaces)


def _is_ip(address: object) -> bool:
    """Juju may name a host where an address is expected."""
    return isinstance(address, IPv4Address | IPv6Address)


def _wheels(charm: ops.CharmBase) -> str | None:
    """Return the attached release, or the charm's own where none is attached, for which an empty file stands; None where Juju cannot say.

    To take the charm's own in that case would change the release that runs, and change it back with the next hook.
    """
    own = str(charm.charm_dir / WHEELS)
    try:
        attached = Path(charm.model.resources.fetch(WHEELS))
        return str(attached) if attached.stat().st_size > 0 else own
    except (ops.ModelError, OSError) as error:
        if _NONE_ATTACHED.search(str(error)):
            return own
        logger.warning("resource-get %s: %s; the release stays, the next hook tries again", WHEELS, str(error).strip())
        return None


def _pair_faults(issued: Certificates | Missing) -> tuple[Problem, ...]:
    if isinstance(issued, Missing):
        return ()
    found = ((common, tls.fault(pair)) for common, pair in issued.pairs)
    return tuple(
        Problem(what=f"certificates: what was issued for {common} cannot be used: {fault}", fix=REISSUE)
        for common, fault in found
        if fault is not None
    )


def _lapses(pair: Pair | None, issued: Certificates | Missing, *, now: datetime) -> tuple[Problem, ...]:
    """Name the certificates in use that clients refuse by their dates. They stay in use: without one there would be no API at all."""
    if pair is not None:
        ended = tls.lapse(pair, now)
        fix = "renew it and set ssl_cert and ssl_key; where the date is right, correct this unit's clock"
        return (Problem(what=f"ssl_cert {ended}", fix=fix),) if ended else ()
    pairs = () if isinstance(issued, Missing) else issued.pairs
    return tuple(
        Problem(what=f"certificates: what was issued for {common} {ended}", fix=REISSUE)
        for common, ended in ((common, tls.lapse(each, now)) for common, each in pairs)
        if ended is not None
    )
