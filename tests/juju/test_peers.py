"""The contract of the scripted peers: what they need before they answer, what they answer, and how they do it late or wrongly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.juju import peers
from tests.juju.peers import hacluster
from tests.juju.standin.charm import Charm, Endpoint
from tests.juju.standin.context import Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.juju import Juju

ENDPOINTS = {
    "shared-db": ("mysql-router", "mysql-shared", "container"),
    "amqp": ("rabbitmq-server", "rabbitmq", "global"),
    "identity-service": ("keystone", "keystone", "global"),
    "ha": ("hacluster", "hacluster", "container"),
    "certificates": ("vault", "tls-certificates", "global"),
}
VIP = 'params ip="10.64.0.100" op monitor interval="10s"'
ASKED: dict[str, dict[str, str]] = {
    "shared-db": {"database": "masakari", "username": "masakari", "hostname": "10.64.0.10"},
    "amqp": {"username": "masakari", "vhost": "masakari"},
    "identity-service": {
        "service": "masakari",
        "region": "RegionOne",
        **{f"{kind}_url": "http://10.64.0.100:15868/v1/%(tenant_id)s" for kind in ("public", "internal", "admin")},
    },
    "ha": {
        "json_resources": json.dumps({"res_vip": "ocf:heartbeat:IPaddr2", "res_haproxy": "lsb:haproxy"}),
        "json_resource_params": json.dumps({"res_vip": VIP, "res_haproxy": 'op monitor interval="5s"'}),
        "json_clones": json.dumps({"cl_haproxy": "res_haproxy"}),
        "corosync_bindiface": "eth0",
    },
    "certificates": {"unit_name": "asker_0", "cert_requests": json.dumps({"host.maas": {"sans": ["10.64.0.10"]}})},
}
CHARM = Charm(
    name="asker",
    endpoints={
        name: Endpoint(name=name, interface=interface, role="requires", scope=scope)
        for name, (_, interface, scope) in ENDPOINTS.items()
    },
    options={"asks": {"default": "everything"}},
)


class Asker:
    """A charm that asks what the test says, and nothing while its option `asks` is empty."""

    def __init__(self, asked: Mapping[str, Mapping[str, str]]) -> None:
        """Keep what to ask, by endpoint."""
        self.asked = asked

    def run(self, context: Context) -> None:
        """Ask in each relation."""
        for relation in context.relations():
            if context.application.config()["asks"] and not relation.is_dying:
                context.own_bag(relation, context.unit.name).update(self.asked[context.endpoint(relation)])


def ask(
    juju: Juju,
    endpoint: str,
    *,
    units: int = 1,
    peer_units: int = 1,
    config: Mapping[str, Any] | None = None,
    asked: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Deploy askers and the peer of an endpoint, related."""
    juju.deploy_script(CHARM, lambda _: Asker(asked or ASKED), units=units)
    peer = ENDPOINTS[endpoint][0]
    peers.deploy(juju, peer, "peer", units=peer_units, config=config)
    juju.integrate(f"asker:{endpoint}", f"peer:{endpoint}")
    juju.settle()


def reply(juju: Juju, unit: str = "peer/0") -> dict[str, str]:
    """Return what a peer's unit wrote, without what Juju put there."""
    relation = next(relation for relation in juju.model.relations_of("asker"))
    return {
        key: value
        for key, value in relation.bags.get(unit, {}).items()
        if not key.startswith(("private-", "ingress-", "egress-"))
    }


@pytest.mark.parametrize("endpoint", ["shared-db", "amqp", "identity-service", "certificates"])
def test_nobody_is_answered_who_has_not_asked_in_full(juju: Juju, endpoint: str) -> None:
    """A peer waits until every key that it needs is there."""
    short = dict(list(ASKED[endpoint].items())[:-1])
    ask(juju, endpoint, asked={endpoint: short})
    assert reply(juju) == {}
    assert juju.model.unit("peer/0").status.word == "waiting"


@pytest.mark.parametrize("endpoint", ["shared-db", "amqp", "identity-service", "certificates"])
def test_a_late_peer_answers_when_it_is_normal_again(juju: Juju, endpoint: str) -> None:
    """A late peer writes nothing until its mode changes."""
    ask(juju, endpoint, config={"mode": "late"})
    assert reply(juju) == {}
    juju.config("peer", {"mode": "normal"})
    juju.settle()
    assert reply(juju)


@pytest.mark.parametrize("flavour", ["classic", "operator"])
def test_mysql_router_lets_its_principal_in(juju: Juju, flavour: str) -> None:
    """The router of both kinds names loopback, a port, a password and exactly its principal."""
    ask(juju, "shared-db", config={"flavour": flavour})
    found = reply(juju)
    assert (found["db_host"], found["db_port"], found["allowed_units"]) == ("127.0.0.1", "3306", "asker/0")
    assert found["password"]
    juju.config("peer", {"mode": "incomplete"})
    juju.settle()
    assert "password" not in reply(juju)
    juju.config("peer", {"mode": "wrong"})
    juju.settle()
    assert reply(juju)["allowed_units"] != "asker/0"


def test_each_unit_has_its_own_router(juju: Juju) -> None:
    """A subordinate sees its principal alone, and lets that one in."""
    ask(juju, "shared-db", units=2)
    assert [reply(juju, f"peer/{number}")["allowed_units"] for number in range(2)] == ["asker/0", "asker/1"]
    assert juju.agents["asker/1"].relation_units() == {1: ["peer/1"]}


def test_rabbitmq_answers_with_every_unit(juju: Juju) -> None:
    """Each rabbit unit gives its address and the one password; a rotated one reaches all of them."""
    ask(juju, "amqp", peer_units=3)
    found = [reply(juju, f"peer/{number}") for number in range(3)]
    assert len({bag["hostname"] for bag in found}) == 3
    assert {bag["password"] for bag in found} == {"rabbit-gave-this"}
    juju.config("peer", {"password": "another", "ssl-ca": "UEVN"})
    juju.settle()
    assert {reply(juju, f"peer/{number}")["password"] for number in range(3)} == {"another"}
    assert reply(juju)["ssl_port"] == "5671"
    juju.config("peer", {"mode": "incomplete"})
    juju.settle()
    assert "password" not in reply(juju)


def test_keystones_units_echo_their_leader(juju: Juju) -> None:
    """The leader makes the user, the others repeat it; what has no value is __null__."""
    ask(juju, "identity-service", peer_units=3)
    found = [reply(juju, f"peer/{number}") for number in range(3)]
    assert found[0] == found[1] == found[2]
    assert (found[0]["service_username"], found[0]["service_type"]) == ("masakari", "instance-ha")
    assert found[0]["ca_cert"] == "__null__"
    juju.config("peer", {"mode": "incomplete"})
    juju.settle()
    assert "service_password" not in reply(juju)
    juju.config("peer", {"mode": "wrong"})
    juju.settle()
    assert reply(juju)["auth_protocol"] == "gopher"


def test_keystone_fails_on_a_service_that_it_does_not_know(juju: Juju) -> None:
    """A name that is not in keystone's list breaks its hook, as with the real one."""
    asked = {"identity-service": ASKED["identity-service"] | {"service": "masakeri"}}
    ask(juju, "identity-service", asked=asked)
    assert juju.model.unit("peer/0").agent.word == "error"
    assert reply(juju) == {}


def test_hacluster_waits_for_enough_units(juju: Juju) -> None:
    """Two of three units are no cluster; with the third every unit is clustered."""
    ask(juju, "ha", units=2)
    assert [reply(juju, f"peer/{number}") for number in range(2)] == [{}, {}]
    juju.add_unit("asker")
    juju.settle()
    assert [reply(juju, f"peer/{number}") for number in range(3)] == [{"clustered": "yes"}] * 3
    juju.config("peer", {"mode": "wrong"})
    juju.settle()
    assert reply(juju) == {"clustered": "perhaps"}
    juju.config("peer", {"mode": "incomplete"})
    juju.settle()
    assert reply(juju) == {}


def test_hacluster_reads_what_it_would_configure() -> None:
    """What a principal asks for is resources, parameters, groups and clones; virtual IPs can be read out of it."""
    crm = hacluster.parse(ASKED["ha"])
    assert crm.virtual_ips() == ["10.64.0.100"]
    assert crm.clones == {"cl_haproxy": "res_haproxy"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("json_resources", "{not json", "json_resources is no JSON"),
        ("json_resources", "[]", "json_resources is no mapping"),
        ("json_resources", '{"res_vip": "IPaddr2"}', "has no agent that there is"),
        ("json_groups", '{"grp": "res_vip res_other"}', "crm: res_other is not among the resources"),
        ("json_clones", '{"cl": "res_other"}', "crm: res_other is not among the resources"),
    ],
)
def test_hacluster_refuses_what_crm_would(key: str, value: str, message: str) -> None:
    """Broken JSON, an unknown agent and a name without a resource fail hacluster's hook."""
    with pytest.raises(ToolError, match=message):
        hacluster.parse(ASKED["ha"] | {key: value})


def test_vault_issues_a_pair_for_each_name(juju: Juju) -> None:
    """vault answers under the asker's own name with a certificate that its CA signed, its key, and the CA."""
    ask(juju, "certificates")
    found = reply(juju)
    pair = json.loads(found["asker_0.processed_requests"])["host.maas"]
    certificate = x509.load_pem_x509_certificate(pair["cert"].encode())
    authority = x509.load_pem_x509_certificate(found["ca"].encode())
    certificate.verify_directly_issued_by(authority)
    assert public(pair["key"]) == certificate.public_key().public_bytes(*FORM)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["host.maas"]


def test_a_wrong_vault_gives_another_key(juju: Juju) -> None:
    """In mode wrong the key is not the certificate's; in mode incomplete only the CA is there."""
    ask(juju, "certificates", config={"mode": "wrong"})
    pair = json.loads(reply(juju)["asker_0.processed_requests"])["host.maas"]
    certificate = x509.load_pem_x509_certificate(pair["cert"].encode())
    assert public(pair["key"]) != certificate.public_key().public_bytes(*FORM)
    juju.config("peer", {"mode": "incomplete"})
    juju.settle()
    assert "asker_0.processed_requests" not in reply(juju)
    assert reply(juju)["ca"]


FORM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public(key: str) -> bytes:
    """Return the public half of a private key."""
    return serialization.load_pem_private_key(key.encode(), None).public_key().public_bytes(*FORM)
