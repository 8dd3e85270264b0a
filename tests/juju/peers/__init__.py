"""Scripted peers: charms as Python objects that speak the relation contracts of the real ones.

`deploy(juju, "keystone")` adds one. Each answers only after the keys that the real one needs are there. Its option `mode`
says how: normal, late (not yet), incomplete (keys are missing) or wrong (values that no charm may believe).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.juju.peers import hacluster, keystone, mysql_router, rabbitmq, vault
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Application

PEERS = {
    "keystone": keystone.deploy,
    "mysql-router": mysql_router.deploy,
    "rabbitmq-server": rabbitmq.deploy,
    "hacluster": hacluster.deploy,
    "vault": vault.deploy,
}


def deploy(
    juju: Juju, charm: str, name: str = "", *, units: int = 1, config: Mapping[str, Any] | None = None
) -> Application:
    """Deploy a peer by the name of its charm. A subordinate gets its units when it is related."""
    application = PEERS[charm](juju, name or charm, units)
    juju.config(application.name, config or {})
    return application
