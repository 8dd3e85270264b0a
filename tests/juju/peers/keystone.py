"""keystone's end of `identity-service`, the classic unit bags.

Read, U of each unit: service, region, public_url, internal_url, admin_url. A service that keystone does not know fails its
hook, as the real one does. Written, U: auth_*, service_*, internal_*, service_username, ... by the leader; its other units
echo what the leader wrote. What has no value is the text `__null__`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

from tests.juju.peers.base import Bag, Peer
from tests.juju.standin.context import Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Application, Relation

# service -> type, of keystone's own list; only those that stand near to ours.
SERVICES = {"masakari": "instance-ha", "nova": "compute", "placement": "placement", "glance": "image"}
NEEDED_BY_CLIENTS = ("service_password", "service_tenant")


class Keystone(Peer):
    """One unit of keystone. `vip` is the address that it gives out."""

    endpoint = "identity-service"
    interface = "keystone"
    needs = ("service", "region", "public_url", "internal_url", "admin_url")
    options: ClassVar = {"vip": "10.64.0.200", "protocol": "http", "password": "keystone-gave-this", "ca": ""}

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Register the endpoint; only the leader makes the user, the others repeat it."""
        config = context.application.config()
        services = {bag["service"] for bag in asking.values()}
        unknown = sorted(services - set(SERVICES))
        if unknown:
            raise ToolError(f"KeyError: {unknown[0]!r} is not among keystone's services")
        if not context.is_leader:
            leader = relation.bags.get(context.application.leader or "", {})
            return {
                key: value for key, value in leader.items() if not key.startswith(("private-", "ingress-", "egress-"))
            }
        (service,) = services
        host, protocol = str(config["vip"]), str(config["protocol"])
        found = {"service_password": str(config["password"]), "service_username": service, "service_tenant": "services"}
        for kind, port in (("auth", "35357"), ("service", "5000"), ("internal", "5000")):
            found |= {f"{kind}_host": host, f"{kind}_port": port, f"{kind}_protocol": protocol}
        ids = ("service_user_id", "service_tenant_id", "service_domain_id", "admin_domain_id", "admin_project_id")
        found |= {key: hashlib.md5(key.encode(), usedforsecurity=False).hexdigest() for key in ids}
        absent = dict.fromkeys(("ssl_cert", "ssl_key", "https_keystone"), "__null__")
        return (
            found
            | absent
            | {
                "api_version": "3",
                "service_domain": "service_domain",
                "service_type": SERVICES[service],
                "admin_role": "Admin",
                "ca_cert": str(config["ca"]) or "__null__",
            }
        )

    def spoil(self, reply: dict[str, str], mode: str) -> dict[str, str]:
        """Leave the password and project out, or give a port and a protocol that are none."""
        if mode == "incomplete":
            return reply | dict.fromkeys(NEEDED_BY_CLIENTS, "")
        if mode == "wrong":
            return reply | {"auth_port": "a port", "auth_protocol": "gopher"}
        return reply


def deploy(juju: Juju, name: str, units: int) -> Application:
    """Add keystone to a model."""
    return juju.deploy_script(Keystone.charm("keystone"), Keystone, name, units=units)
