"""Where an endpoint is reached: hostname, virtual IP, configured network, binding; the same on all units where it can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masakari_charm import config, networks
from masakari_charm.config import Config
from masakari_charm.networks import Interface, Network, Networks

PUBLIC = Interface(name="eth1", address="172.16.0.5", network="172.16.0.0/24")
INTERNAL = Interface(name="eth0", address="10.0.0.5", network="10.0.0.0/24")
V6 = Interface(name="eth2", address="fd00::5", network="fd00::/64")


def bound(**bindings: Interface) -> Networks:
    """Return networks with these bindings; the others are internal."""
    names = dict.fromkeys(networks.BINDINGS, INTERNAL) | bindings
    return Networks(bindings={name: Network(address=each.address, interfaces=(each,)) for name, each in names.items()})


def url(kind: str, chosen: Config, known: Networks, *, is_tls: bool = False) -> str:
    """Return the host part of an endpoint's URL."""
    return networks.endpoint_url(kind, chosen, known, is_tls=is_tls)


def test_without_anything_it_is_the_bindings_address() -> None:
    """Each kind of endpoint is at the address of the binding of its name, in the path of today's charm."""
    known = bound(public=PUBLIC)
    assert url("public", Config(), known) == "http://172.16.0.5:15868/v1/%(tenant_id)s"
    assert url("internal", Config(), known, is_tls=True) == "https://10.0.0.5:15868/v1/%(tenant_id)s"


def test_each_network_has_its_virtual_ip() -> None:
    """Of several virtual IPs an endpoint has the one on its network, and the first one where it has none there."""
    known = bound(public=PUBLIC, admin=V6)
    chosen = Config(vip=("10.0.0.100", "172.16.0.100"))
    assert "//172.16.0.100:" in url("public", chosen, known)
    assert "//10.0.0.100:" in url("internal", chosen, known)
    assert "//10.0.0.100:" in url("admin", chosen, known)


def test_a_configured_network_chooses_the_virtual_ip() -> None:
    """os-public-network goes before the binding."""
    chosen = Config(
        vip=("10.0.0.100", "172.16.0.100"),
        networks={"public": "172.16.0.0/24", "internal": None, "admin": None},
    )
    assert "//172.16.0.100:" in url("public", chosen, bound())


def test_a_hostname_goes_before_everything() -> None:
    """A configured name is registered as it is."""
    chosen = Config(vip=("10.0.0.100",), hostnames={"public": "m.example", "internal": None, "admin": None})
    assert url("public", chosen, bound()) == "http://m.example:15868/v1/%(tenant_id)s"
    assert "//10.0.0.100:" in url("internal", chosen, bound())


def test_ipv6_is_bracketed() -> None:
    """An IPv6 address stands in brackets in a URL."""
    assert url("public", Config(), bound(public=V6)) == "http://[fd00::5]:15868/v1/%(tenant_id)s"
    assert "//[fd00::100]:" in url("public", Config(vip=("fd00::100",)), bound(public=V6))


def test_a_certificate_covers_addresses_and_virtual_ips() -> None:
    """The host's certificate has all addresses, and each configured name one of its own, with the virtual IPs."""
    chosen = Config(vip=("10.0.0.100",), hostnames={"public": "m.example", "internal": None, "admin": None})
    names = networks.certificate_names("unit.example", chosen, bound(public=PUBLIC))
    assert names == {
        "unit.example": frozenset({"172.16.0.5", "10.0.0.5", "10.0.0.100"}),
        "m.example": frozenset({"172.16.0.5", "10.0.0.100"}),
    }


def test_the_hosts_own_name_may_be_an_endpoints() -> None:
    """Where they are the same, it is one certificate with both lists."""
    chosen = Config(hostnames={"public": "unit.example", "internal": None, "admin": None})
    assert set(networks.certificate_names("unit.example", chosen, bound(public=PUBLIC))) == {"unit.example"}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (Config(vip=("10.0.0.100",)), ()),
        (Config(vip=("fd00::100",)), ("vip fd00::100 is in none of the unit's networks (10.0.0.0/24)",)),
        (Config(vip=("192.168.0.1",), vip_interface="bond0"), ()),
        (Config(vip=("192.168.0.1",), vip_prefix=22), ()),
        (
            Config(networks={"public": None, "internal": "192.168.0.0/24", "admin": None}),
            ("os-internal-network 192.168.0.0/24 holds no address of this unit",),
        ),
    ],
)
def test_what_does_not_fit_is_said(chosen: Config, words: tuple[str, ...]) -> None:
    """A virtual IP or network where the unit is not is a fault, unless the operator names the interface."""
    assert tuple(what for what, _ in networks.faults(chosen, bound())) == words


ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@given(vips=st.lists(ADDRESSES, max_size=4))
def test_all_units_register_the_same_once_there_is_a_virtual_ip(vips: list[str]) -> None:
    """Whatever a unit's own address in the same networks, the URLs are those of the other units."""
    chosen = config.parse({"vip": " ".join(vips)}, cpus=1)
    if not chosen.vip:
        return
    units: list[Any] = [
        bound(
            internal=replace(INTERNAL, address=f"10.0.0.{number}"), public=replace(PUBLIC, address=f"172.16.0.{number}")
        )
        for number in (5, 6)
    ]
    for kind in networks.ENDPOINT_KINDS:
        first, second = (url(kind, chosen, unit) for unit in units)
        assert first == second


@given(first=ADDRESSES, second=ADDRESSES)
def test_addresses_of_different_families_are_never_in_one_network(first: str, second: str) -> None:
    """Asking for an IPv6 address in an IPv4 network is answered, with no."""
    if (":" in first) != (":" in second):
        assert not networks.holds(f"{first}/8", second)
