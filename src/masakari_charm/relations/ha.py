"""`ha` (hacluster, on this machine): the virtual IPs or DNS names, and haproxy, kept by Pacemaker.

Unit bag, ours, the same on every unit: `json_resources` {name: agent}, `json_resource_params` {name: text}, `json_groups` {name: names},
`json_clones` {name: resource}, `json_init_services` {resource: service}, `json_delete_resources` [name], `corosync_bindiface`,
`corosync_mcastport`. Unit bag, theirs: `clustered` ("yes" or "true" once Corosync and Pacemaker run).

Names are for ever: Pacemaker knows a resource by nothing else, and today's charm gave them. One that any unit asked for before and that
is not needed any more is named in `json_delete_resources`, for good: hacluster passes over what it does not know. Its leader reads
the bag of its own principal only, which may be the unit that came last: so the former names are kept in the peers' application bag.
The engine is not among them: engines share their work through the database.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from masakari_charm.relations.bags import Bag, Bags, dump, json_list, json_object, text

ENDPOINT = "ha"
HAPROXY = "res_masakari_haproxy"
HAPROXY_CLONE = "cl_res_masakari_haproxy"
VIP_GROUP = "grp_masakari_vips"
DNS_GROUP = "grp_masakari_hostnames"
MCAST_PORT = "4440"
_META = 'meta migration-threshold="INFINITY" failure-timeout="5s"'
_VIP_MONITOR = 'op monitor timeout="20s" interval="10s" depth="0"'
_HAPROXY_MONITOR = 'op monitor interval="5s"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Ha:
    """Whether there is a hacluster, and whether it has formed a cluster."""

    is_related: bool = False
    is_clustered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vip:
    """A virtual IP. `interface` and `prefix` are given only where Pacemaker could not find them by itself."""

    address: str
    interface: str | None = None
    prefix: int | None = None

    @property
    def resource(self) -> str:
        """Return the name of its resource, as today's charm makes it."""
        digest = hashlib.sha1(self.address.encode(), usedforsecurity=False).hexdigest()
        return f"res_masakari_{digest[:7]}_vip"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsName:
    """A name that MAAS shall point to the unit that Pacemaker chose; `kind` is public, int or admin."""

    kind: str
    hostname: str
    address: str

    @property
    def resource(self) -> str:
        """Return the name of its resource, as today's charm makes it."""
        return f"res_masakari_{self.kind}_hostname"


def parse(bags: Bags) -> Ha:
    """Tell whether the cluster stands."""
    return Ha(
        is_related=True, is_clustered=any(text(bag, "clustered") in ("yes", "true", "True") for bag in bags.values())
    )


def request(
    *, vips: Sequence[Vip], names: Sequence[DnsName], interface: str, former: Collection[str]
) -> dict[str, str]:
    """Ask for the resources. `former` names all that was ever asked for: what is not asked for now has to go."""
    resources, params = {HAPROXY: "lsb:haproxy"}, {HAPROXY: f"{_META} {_HAPROXY_MONITOR}"}
    for vip in vips:
        resources[vip.resource], params[vip.resource] = _vip(vip)
    for name in names:
        resources[name.resource] = "ocf:maas:dns"
        params[name.resource] = f'params fqdn="{name.hostname}" ip_address="{name.address}"'
    groups: dict[str, str] = {}
    if len(vips) > 1:
        groups[VIP_GROUP] = " ".join(vip.resource for vip in vips)
    if names:
        groups[DNS_GROUP] = " ".join(name.resource for name in names)
    gone = sorted({*former} - {*resources, *groups, HAPROXY_CLONE})
    return {
        "json_resources": dump(resources),
        "json_resource_params": dump(params),
        "json_groups": dump(groups) if groups else "",
        "json_clones": dump({HAPROXY_CLONE: HAPROXY}),
        "json_init_services": dump({HAPROXY: "haproxy"}),
        "json_delete_resources": dump(gone) if gone else "",
        "corosync_bindiface": interface,
        "corosync_mcastport": MCAST_PORT,
    }


def _vip(vip: Vip) -> tuple[str, str]:
    is_v6 = ipaddress.ip_address(vip.address).version == 6
    agent, key = ("ocf:heartbeat:IPv6addr", "ipv6addr") if is_v6 else ("ocf:heartbeat:IPaddr2", "ip")
    where = f' nic="{vip.interface}" cidr_netmask="{vip.prefix}"' if vip.interface else ""
    return agent, f'params {key}="{vip.address}"{where} {_META} {_VIP_MONITOR}'


def asked(bag: Bag) -> frozenset[str]:
    """Name what a request of ours asks for, and what it asked for once."""
    former = {name for name in json_list(bag, "json_delete_resources") if isinstance(name, str)}
    wanted = (json_object(bag, key) for key in ("json_resources", "json_groups", "json_clones"))
    return frozenset(former.union(*wanted))
