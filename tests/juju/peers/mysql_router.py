"""mysql-router's end of `shared-db`: the classic charm, and the router of the newer operator, which writes the same keys.

It is a subordinate. Read, U of its principal: database, username, hostname. Written, U: db_host (127.0.0.1), db_port, password,
allowed_units (its principal's name), wait_timeout, ssl_ca (base64 PEM; the operator writes none). Its option `port` may point to
a real server: then it leads there as a real router does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tests.juju.peers.base import Bag, Peer
from tests.juju.standin.context import Context
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Application, Relation


class MysqlRouter(Peer):
    """One unit of mysql-router. `flavour` is classic or operator."""

    endpoint = "shared-db"
    interface = "mysql-shared"
    needs = ("database", "username", "hostname")
    is_subordinate = True
    options: ClassVar = {
        "flavour": "classic",
        "host": "127.0.0.1",
        "port": 3306,
        "password": "router-gave-this",
        "ssl-ca": "",
        "cluster-series-upgrading": False,
    }

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Let the principal in. The operator's router has fixed numbers."""
        config = context.application.config()
        is_classic = config["flavour"] == "classic"
        (principal,) = asking
        return {
            "db_host": str(config["host"]),
            "db_port": str(config["port"]),
            "password": str(config["password"]),
            "allowed_units": principal,
            "wait_timeout": "3600" if is_classic else "28800",
            "ssl_ca": str(config["ssl-ca"]) if is_classic else "",
            "cluster-series-upgrading": "True" if config["cluster-series-upgrading"] else "",
        }

    def spoil(self, reply: dict[str, str], mode: str) -> dict[str, str]:
        """Leave the password out, or let in somebody else at a port that is none."""
        if mode == "incomplete":
            return reply | {"password": ""}
        if mode == "wrong":
            return reply | {"allowed_units": "somebody-else/7", "db_port": "a port"}
        return reply


def deploy(juju: Juju, name: str, _: int) -> Application:
    """Add mysql-router to a model; its units come when it is related."""
    return juju.deploy_script(MysqlRouter.charm("mysql-router"), MysqlRouter, name)
