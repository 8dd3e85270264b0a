"""rabbitmq's bags: several servers, a password that is changed under way, TLS that comes and goes, a virtual IP, odd values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masakari_charm.relations import amqp
from masakari_charm.relations.amqp import Amqp, Broker
from masakari_charm.relations.bags import Missing
from unit_tests.charm.pairs import in_base64, pair
from unit_tests.charm.rig import AMQP_ANSWER

CERTIFICATE, _ = pair()
OTHER_CERTIFICATE, _ = pair("another")
SECURED = {"ssl_port": "5671", "ssl_ca": in_base64(CERTIFICATE)}


def server(number: int, **changes: str) -> dict[str, str]:
    """Return what a server writes."""
    return {**AMQP_ANSWER, "hostname": f"rabbit-{number}", "private-address": f"10.0.0.{60 + number}", **changes}


def found_in(bags: Sequence[Mapping[str, str]]) -> Amqp | Missing:
    """Parse the bags of rabbitmq/0, rabbitmq/1, …"""
    return amqp.parse({f"rabbitmq/{number}": bag for number, bag in enumerate(bags)})


def parsed(*bags: Mapping[str, str]) -> Amqp:
    """Return the facts of an answer that is enough."""
    found = found_in(bags)
    assert isinstance(found, Amqp)
    return found


def missing(*bags: Mapping[str, str]) -> tuple[str, ...]:
    """Return what an answer lacks that is not enough."""
    found = found_in(bags)
    assert isinstance(found, Missing)
    assert (found.relation, found.is_joined) == ("amqp", True)
    return found.keys


def test_what_is_asked_for() -> None:
    """rabbitmq makes a user and a virtual host once both are named; our address is written since Juju 4 does not."""
    assert amqp.request(address="10.0.0.5") == {
        "username": "masakari",
        "vhost": "masakari",
        "private-address": "10.0.0.5",
    }


def test_one_server() -> None:
    """One server is a URL of one place, without TLS."""
    found = parsed(server(1))
    assert found == Amqp(brokers=(Broker(host="10.0.0.61", port=5672),), password="broker-password")
    assert found.url == "rabbit://masakari:broker-password@10.0.0.61:5672/masakari"


def test_the_password_is_not_shown() -> None:
    """The facts may stand in a traceback: without the password."""
    assert "broker-password" not in repr(parsed(server(1)))


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
def test_three_servers_in_one_order(order: tuple[int, ...]) -> None:
    """Whatever number a server has, the URL is the same: the configuration does not change when units come in another order."""
    expected = ",".join(f"masakari:broker-password@10.0.0.{host}:5672" for host in (61, 62, 63))
    assert parsed(*(server(number) for number in order)).url == f"rabbit://{expected}/masakari"


def test_a_server_that_has_not_answered_is_left_out() -> None:
    """Those that can be used are used; the one that comes later is added then."""
    half = {key: text for key, text in server(2).items() if key != "password"}
    assert parsed(server(1), half, {}).brokers == (Broker(host="10.0.0.61", port=5672),)


def test_two_servers_at_one_address_are_one() -> None:
    """A place stands in the URL once."""
    assert len(parsed(server(1), server(1)).brokers) == 1


def test_a_password_that_is_changed_under_way() -> None:
    """While servers tell different passwords one of them is used for all, the same in every hook, and the new one in the end."""
    old, new = server(1), server(1, password="rotated")
    assert parsed(old, server(2, password="rotated")).password == parsed(old).password
    assert parsed(new, server(2, password="rotated")).url.count("rotated@") == 2


@pytest.mark.parametrize("secured", [(), (1,), (1, 2), (2, 3), (1, 2, 3)])
def test_tls_is_all_or_none(secured: tuple[int, ...]) -> None:
    """While TLS is switched on, or off, no place without it stands beside one with it."""
    found = parsed(*(server(number, **(SECURED if number in secured else {})) for number in (1, 2, 3)))
    assert found.is_tls is bool(secured)
    assert {broker.port for broker in found.brokers} == {5671 if secured else 5672}
    assert [broker.host for broker in found.brokers] == [f"10.0.0.{60 + number}" for number in secured or (1, 2, 3)]


def test_without_a_ca_the_systems_list_holds() -> None:
    """A server with TLS by a public CA names none."""
    found = parsed(server(1, ssl_port="5671"))
    assert (found.is_tls, found.ca) == (True, None)


def test_every_ca_is_trusted_once() -> None:
    """Servers whose CAs differ, as while it is renewed, are all trusted."""
    renewed = {**SECURED, "ssl_ca": in_base64(OTHER_CERTIFICATE)}
    found = parsed(server(1, **SECURED), server(2, **renewed), server(3, **SECURED))
    assert found.ca == CERTIFICATE + OTHER_CERTIFICATE


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"ssl_port": "0"}, "ssl_port"),
        ({"ssl_port": "65536"}, "ssl_port"),
        ({"ssl_port": "5671;"}, "ssl_port"),
        ({"ssl_ca": "bm9uc2Vuc2U="}, "ssl_ca"),
        ({**SECURED, "ssl_ca": "-----BEGIN"}, "ssl_ca"),
        ({"password": "__null__"}, "password"),
        ({"password": "two\nlines"}, "password"),
        ({"private-address": ""}, "private-address"),
    ],
)
def test_what_cannot_be_used_is_named(changes: Mapping[str, str], key: str) -> None:
    """A value that is none is waited for: it is no reason to send a password elsewhere, or in the clear."""
    assert missing(server(1, **changes)) == (key,)


def test_a_server_that_cannot_be_used_stops_no_other() -> None:
    """The others are used as they are."""
    assert parsed(server(1, ssl_port="nonsense"), server(2)).brokers == (Broker(host="10.0.0.62", port=5672),)


@pytest.mark.parametrize("clustered", ["true", "yes", "True"])
@pytest.mark.parametrize("vip", ["10.0.0.99", "fd00::99"])
def test_behind_a_virtual_ip(clustered: str, vip: str) -> None:
    """All servers behind a virtual IP are one place, with TLS too."""
    behind = {"clustered": clustered, "vip": vip}
    assert parsed(server(1, **behind), server(2, **behind)).brokers == (Broker(host=vip, port=5672),)
    assert parsed(server(1, **behind, **SECURED)).brokers == (Broker(host=vip, port=5671),)


@pytest.mark.parametrize(
    "changes",
    [
        {"vip": "10.0.0.99"},
        {"clustered": "true"},
        {"clustered": "true", "vip": "__null__"},
        {"clustered": "", "vip": "10.0.0.99"},
        {"clustered": "true", "vip": "10.0.0.99", "ha-vip-only": "true"},
    ],
)
def test_not_behind_a_virtual_ip(changes: Mapping[str, str]) -> None:
    """Before the cluster stands, or where its address is for itself, the server's own address is used."""
    assert parsed(server(1, **changes)).brokers == (Broker(host="10.0.0.61", port=5672),)


def test_ipv6_is_bracketed() -> None:
    """An IPv6 address stands in the URL as one can."""
    assert "@[fd00::7]:5672/" in parsed(server(1, **{"private-address": "fd00::7"})).url


def test_jujus_own_address_will_do() -> None:
    """Where nobody wrote private-address, as on Juju 4, ingress-address counts; where both stand there, the written one."""
    bare = {"password": "x", "ingress-address": "10.0.0.71"}
    assert parsed(bare).brokers == (Broker(host="10.0.0.71", port=5672),)
    assert parsed({**bare, "private-address": "10.0.0.72"}).brokers == (Broker(host="10.0.0.72", port=5672),)


ODD = st.sampled_from(["", "__null__", "None", "0", "5671", "true", "a\nb", "@evil:1/", "fd00::1", "%2f", "é"])


@given(bags=st.lists(st.dictionaries(st.sampled_from([*AMQP_ANSWER, *SECURED, "clustered", "vip"]), ODD), max_size=4))
def test_whatever_they_say_no_place_is_half(bags: list[dict[str, str]]) -> None:
    """There is something missing, with its name, or a URL whose places each have a user, a password, a host and a port."""
    found = found_in(bags)
    if isinstance(found, Missing):
        assert found.keys
        return
    assert found.password
    assert found.brokers
    assert all(broker.host and 0 < broker.port < 65536 for broker in found.brokers)
    assert not {"\n", "\0"} & set(found.url)
