"""rabbitmq-server's end of `amqp`.

Read, U of each unit: username and vhost; only with both is there a user. Written, U of every rabbit unit: hostname, password,
ssl_port and ssl_ca (base64 PEM) with TLS, ha_queues. Changing the option `password` is what its rotation does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tests.juju.peers.base import Bag, Peer
from tests.juju.standin.context import Context
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Application, Relation


class Rabbitmq(Peer):
    """One unit of rabbitmq-server; `ssl-ca` switches TLS on."""

    endpoint = "amqp"
    interface = "rabbitmq"
    needs = ("username", "vhost")
    options: ClassVar = {"password": "rabbit-gave-this", "ssl-ca": ""}

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Give the password; the followers wait until the leader has made the user."""
        config = context.application.config()
        leader = relation.bags.get(context.application.leader or "", {})
        if not context.is_leader and not leader.get("password"):
            return {}
        address, _ = context.model.address(context.unit, self.endpoint)
        found = {
            "hostname": address,
            "private-address": address,
            "password": str(config["password"]),
            "ha_queues": "True",
        }
        ca = str(config["ssl-ca"])
        return found | {"ssl_port": "5671" if ca else "", "ssl_ca": ca}

    def spoil(self, reply: dict[str, str], mode: str) -> dict[str, str]:
        """Leave the password out, or give a port that is none."""
        if mode == "incomplete":
            return reply | {"password": ""}
        if mode == "wrong":
            return reply | {"ssl_port": "a port", "ssl_ca": "no PEM at all"}
        return reply


def deploy(juju: Juju, name: str, units: int) -> Application:
    """Add rabbitmq-server to a model."""
    return juju.deploy_script(Rabbitmq.charm("rabbitmq-server"), Rabbitmq, name, units=units)
