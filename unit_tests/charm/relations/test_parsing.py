"""Each relation's bags: whole, with keys missing, with keystone's words for nothing, with IPv6, with whatever text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from masakari_charm.relations import amqp, bags, certificates, cluster, cos_agent, ha, identity_service, shared_db
from masakari_charm.relations.bags import Missing
from unit_tests.charm.pairs import in_base64, pair
from unit_tests.charm.rig import AMQP_ANSWER, DATABASE_ANSWER, IDENTITY_ANSWER, vault_answer

CERTIFICATE, KEY = pair()
NAMES = {"unit.example": frozenset({"10.0.0.5"}), "public.example": frozenset({"10.0.0.9"})}
VAULT_ANSWER = vault_answer(dict.fromkeys(NAMES, (CERTIFICATE, KEY)), ca=CERTIFICATE)
UNIT = "masakari/0"

PARSERS: dict[str, tuple[Callable[[bags.Bags], Any], Mapping[str, str], tuple[str, ...]]] = {
    "shared-db": (
        lambda found: shared_db.parse(found, unit=UNIT),
        DATABASE_ANSWER,
        ("db_host", "password", "allowed_units"),
    ),
    "amqp": (amqp.parse, AMQP_ANSWER, ("private-address", "password")),
    "identity-service": (
        identity_service.parse,
        IDENTITY_ANSWER,
        (
            *("auth_host", "auth_port", "auth_protocol", "service_host", "service_port", "service_protocol"),
            *("service_tenant", "service_username", "service_password"),
        ),
    ),
    "certificates": (
        lambda found: certificates.parse(found, unit=UNIT, names=NAMES),
        VAULT_ANSWER,
        ("ca", "masakari_0.processed_requests"),
    ),
}
FACTS = shared_db.SharedDb | amqp.Amqp | identity_service.Identity | certificates.Certificates
ODD = st.text(max_size=12) | st.sampled_from(
    ["", "__null__", "None", "fd00::1", "10.0.0.1", "[]", "{}", "true", "a\nb", "$x%s"]
)


@pytest.mark.parametrize("name", PARSERS)
def test_a_whole_answer_is_taken(name: str) -> None:
    """What the other charm writes is enough, and nothing of it is missing."""
    parse, answer, _ = PARSERS[name]
    assert not isinstance(parse({"other/0": answer}), Missing)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, (_, _, keys) in PARSERS.items() for key in keys])
@pytest.mark.parametrize("value", [None, "", "__null__"])
def test_each_needed_key_is_waited_for(name: str, key: str, value: str | None) -> None:
    """Without a key that is needed there are no facts, and what is missing is named with the relation."""
    parse, answer, _ = PARSERS[name]
    changed = {each: text for each, text in answer.items() if each != key}
    if value is not None:
        changed[key] = value
    found = parse({"other/0": changed})
    assert isinstance(found, Missing)
    assert found.relation == name
    assert found.is_joined
    assert key in found.keys


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("found", [{}, {"other/0": {}}, {"other/0": {}, "other/1": {}}])
def test_an_empty_relation_is_incomplete(name: str, found: bags.Bags) -> None:
    """A relation without units, or without a word from them, is joined and incomplete."""
    parse = PARSERS[name][0]
    answer = parse(found)
    assert isinstance(answer, Missing)
    assert answer.is_joined
    assert answer.keys


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_no_bag_breaks_a_parser(name: str, data: st.DataObject) -> None:
    """Any keys may be missing or hold anything: there are facts or what is missing, and nothing else."""
    parse, answer, _ = PARSERS[name]
    kept = data.draw(st.sets(st.sampled_from(sorted(answer))))
    odd = data.draw(st.dictionaries(st.sampled_from(sorted(answer)), ODD, max_size=4))
    found = parse({"other/0": {key: answer[key] for key in kept} | odd, "other/1": odd})
    assert isinstance(found, Missing | FACTS)


PASSWORDS = st.text(
    alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30
).filter(lambda text: text not in bags.NOTHING)


@given(password=PASSWORDS, host=st.sampled_from(["127.0.0.1", "fd00::7", "db.example"]))
def test_any_password_survives_the_database_url(password: str, host: str) -> None:
    """SQLAlchemy reads out of the URL what the router wrote into the bag."""
    found = shared_db.parse({"r/0": {**DATABASE_ANSWER, "password": password, "db_host": host}}, unit=UNIT)
    assert isinstance(found, shared_db.SharedDb)
    url = make_url(found.url(ca_file="/ca", certificate_file="/cert", key_file="/key"))
    assert (url.password, url.host, url.port, url.database) == (password, host, 3306, "masakari")
    assert "password=" not in repr(found)


@given(
    password=PASSWORDS,
    hosts=st.sets(st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::7", "rabbit.example"]), min_size=1),
)
def test_any_password_survives_the_broker_url(password: str, hosts: set[str]) -> None:
    """Each place of the URL carries user, password and host, in the order of the hosts."""
    found = amqp.parse(
        {f"r/{number}": {"private-address": host, "password": password} for number, host in enumerate(hosts)}
    )
    assert isinstance(found, amqp.Amqp)
    places = [
        urlsplit(f"//{place}") for place in found.url.removeprefix("rabbit://").removesuffix("/masakari").split(",")
    ]
    assert [(place.hostname, place.port) for place in places] == [(host, 5672) for host in sorted(hosts)]
    assert {unquote(place.password or "") for place in places} == {password}


def test_the_database_with_tls() -> None:
    """A CA is written into the URL; through the router its certificate cannot name loopback, so that the name is not compared."""
    answer = {**DATABASE_ANSWER, "ssl_ca": in_base64(CERTIFICATE)}
    found = shared_db.parse({"r/0": answer}, unit=UNIT)
    assert isinstance(found, shared_db.SharedDb)
    assert found.ca == CERTIFICATE
    url = found.url(ca_file="/ca", certificate_file="/cert", key_file="/key")
    assert url.endswith("?ssl_ca=/ca&ssl_check_hostname=false")
    direct = shared_db.parse(
        {"r/0": {**answer, "db_host": "10.0.0.8", "ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}},
        unit=UNIT,
    )
    assert isinstance(direct, shared_db.SharedDb)
    assert direct.url(ca_file="/ca", certificate_file="/c", key_file="/k").endswith(
        "?ssl_ca=/ca&ssl_cert=/c&ssl_key=/k"
    )


@pytest.mark.parametrize("name", ["shared-db", "amqp"])
def test_a_ca_that_is_none_is_no_plaintext(name: str) -> None:
    """Something that is no certificate does not make a connection without TLS: it is waited for."""
    parse, answer, _ = PARSERS[name]
    found = parse({"other/0": {**answer, "ssl_ca": "bm9uc2Vuc2U="}})
    assert isinstance(found, Missing)
    assert found.keys == ("ssl_ca",)


def test_a_port_that_is_none_is_no_plaintext() -> None:
    """A TLS port that is no number does not make a connection to the other port."""
    found = amqp.parse({"r/0": {**AMQP_ANSWER, "ssl_port": "a port"}})
    assert isinstance(found, Missing)
    assert found.keys == ("ssl_port",)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("shared-db", "db_port", "a port"),
        ("identity-service", "auth_port", "0"),
        ("identity-service", "service_protocol", "gopher"),
    ],
)
def test_a_value_that_cannot_be_is_waited_for(name: str, key: str, value: str) -> None:
    """A port or protocol that is none counts as not yet said, and is named."""
    parse, answer, _ = PARSERS[name]
    found = parse({"other/0": {**answer, key: value}})
    assert isinstance(found, Missing)
    assert found.keys == (key,)


def test_an_old_database_names_no_port() -> None:
    """Without db_port it is MySQL's own."""
    found = shared_db.parse(
        {"r/0": {key: text for key, text in DATABASE_ANSWER.items() if key != "db_port"}}, unit=UNIT
    )
    assert isinstance(found, shared_db.SharedDb)
    assert found.port == 3306


def test_a_database_that_is_upgraded_is_away() -> None:
    """While the cluster's series is upgraded, its answer does not count."""
    found = shared_db.parse({"r/0": {**DATABASE_ANSWER, "cluster-series-upgrading": "True"}}, unit=UNIT)
    assert isinstance(found, Missing)


@pytest.mark.parametrize(("network", "expected"), [("10.0.0.0/24", "10.0.0.0/24"), ("nonsense", None), ("", None)])
def test_the_databases_network(network: str, expected: str | None) -> None:
    """A network that the other side names is used, and nonsense is none."""
    assert shared_db.access_network({"r/0": {"access-network": network}}) == expected


def test_brokers_with_tls() -> None:
    """While TLS is switched on, only those that have it are used; their CAs are trusted once each."""
    secured = {**AMQP_ANSWER, "ssl_port": "5671", "ssl_ca": in_base64(CERTIFICATE)}
    found = amqp.parse(
        {
            "r/0": AMQP_ANSWER,
            "r/1": {**secured, "private-address": "10.0.0.62"},
            "r/2": {**secured, "private-address": "10.0.0.63"},
        }
    )
    assert isinstance(found, amqp.Amqp)
    assert found.brokers == (amqp.Broker(host="10.0.0.62", port=5671), amqp.Broker(host="10.0.0.63", port=5671))
    assert found.is_tls
    assert found.ca == CERTIFICATE


def test_brokers_behind_a_virtual_ip() -> None:
    """A clustered broker is reached at its virtual IP, unless that is for itself only."""
    clustered = {**AMQP_ANSWER, "clustered": "true", "vip": "10.0.0.99"}
    found = amqp.parse({"r/0": clustered, "r/1": clustered})
    assert isinstance(found, amqp.Amqp)
    assert found.brokers == (amqp.Broker(host="10.0.0.99", port=5672),)
    found = amqp.parse({"r/0": {**clustered, "ha-vip-only": "true"}})
    assert isinstance(found, amqp.Amqp)
    assert found.brokers == (amqp.Broker(host="10.0.0.61", port=5672),)


def test_juju_4_has_no_private_address() -> None:
    """Where nobody wrote private-address, Juju's ingress-address is used."""
    found = amqp.parse({"r/0": {"ingress-address": "10.0.0.61", "password": "x"}})
    assert isinstance(found, amqp.Amqp)
    assert cluster.parse({"masakari/1": {"ingress-address": "10.0.0.6"}})[0].address == "10.0.0.6"


def test_keystone_with_ipv6_and_a_ca() -> None:
    """Addresses are bracketed, keystone's CA is kept, and without a domain it is the default one."""
    answer = {
        **IDENTITY_ANSWER,
        "service_host": "fd00::5",
        "service_protocol": "https",
        "ca_cert": in_base64(CERTIFICATE),
    }
    found = identity_service.parse({"k/0": {}, "k/1": {**answer, "service_domain": "__null__"}})
    assert isinstance(found, identity_service.Identity)
    assert found.public_url == "https://[fd00::5]:5000/v3"
    assert found.ca == CERTIFICATE
    assert found.domain == "default"


def test_keystone_without_internal_address() -> None:
    """What keystone does not say about the internal endpoint is left out."""
    answer = {key: value for key, value in IDENTITY_ANSWER.items() if not key.startswith("internal_")}
    found = identity_service.parse({"k/0": answer})
    assert isinstance(found, identity_service.Identity)
    assert found.internal_url is None


def test_peers_are_in_the_order_of_their_numbers() -> None:
    """Unit 10 comes after unit 2, and a peer without an address is left out."""
    found = cluster.parse(
        {
            "masakari/10": {"private-address": "10.0.0.10"},
            "masakari/2": {"internal-address": "10.0.0.2"},
            "masakari/3": {},
            "masakari/4": {"private-address": "not an address"},
        }
    )
    assert [peer.unit for peer in found] == ["masakari/2", "masakari/10"]


def test_certificates_are_taken_as_far_as_they_came() -> None:
    """A name that was asked for later is waited for, and what was issued before stays in use."""
    answer = vault_answer({"unit.example": (CERTIFICATE, KEY)}, ca=CERTIFICATE)
    found = certificates.parse({"v/0": {}, "v/1": answer}, unit=UNIT, names=NAMES)
    assert isinstance(found, certificates.Certificates)
    assert [name for name, _ in found.pairs] == ["unit.example"]
    assert found.waits_for == ("public.example",)


def test_another_units_certificates_are_not_ours() -> None:
    """vault answers every unit in one bag, each under its own name."""
    answer = vault_answer(dict.fromkeys(NAMES, (CERTIFICATE, KEY)), ca=CERTIFICATE, unit="masakari_1")
    assert isinstance(certificates.parse({"v/0": answer}, unit=UNIT, names=NAMES), Missing)


def test_certificates_are_asked_for_in_one_place() -> None:
    """The request has its names in order, and none of the old keys that would split the answer."""
    asked = certificates.request(unit="masakari/3", names=NAMES)
    assert asked["unit_name"] == "masakari_3"
    assert json.loads(asked["cert_requests"]) == {
        "unit.example": {"sans": ["10.0.0.5"]},
        "public.example": {"sans": ["10.0.0.9"]},
    }
    assert set(asked) == {"unit_name", "cert_requests"}


def test_no_scrape_job_is_promised() -> None:
    """The relation is offered with every key that its library reads, and with no endpoint that does not exist."""
    offered = json.loads(cos_agent.request()["config"])
    assert offered["metrics_scrape_jobs"] == []
    assert set(offered) == {
        *("metrics_scrape_jobs", "metrics_alert_rules", "log_alert_rules", "dashboards", "log_slots"),
        *("tracing_protocols", "subordinate"),
    }


@pytest.mark.parametrize(
    ("value", "expected"), [("yes", True), ("true", True), ("no", False), ("", False), (None, False)]
)
def test_the_cluster_stands_when_hacluster_says_so(value: str | None, expected: bool) -> None:
    """Only its own words count."""
    bag = {} if value is None else {"clustered": value}
    assert ha.parse({"hacluster/0": bag}) == ha.Ha(is_related=True, is_clustered=expected)


@given(
    st.binary(max_size=40).map(lambda data: data.decode("latin-1"))
    | st.sampled_from(["", "__null__", "-----BEGIN X-----"])
)
def test_only_pem_counts_as_pem(value: str) -> None:
    """What is no PEM text, in base64 or not, is nothing."""
    assert bags.to_pem(value) is None
    assert bags.to_pem(CERTIFICATE) == bags.to_pem(in_base64(CERTIFICATE)) == CERTIFICATE
