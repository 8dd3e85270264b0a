"""keystone's bags: several units, odd values, either endpoint, and what we register there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masakari_charm.relations import identity_service
from masakari_charm.relations.bags import NOTHING, Missing
from masakari_charm.relations.identity_service import Identity
from unit_tests.charm.pairs import in_base64, pair
from unit_tests.charm.rig import IDENTITY_ANSWER

CERTIFICATE, _ = pair()
INTERNAL = ("internal_host", "internal_port", "internal_protocol")
NEEDED = (
    *("auth_host", "auth_port", "auth_protocol", "service_host", "service_port", "service_protocol"),
    *("service_tenant", "service_username", "service_password"),
)


def parsed(*bags: Mapping[str, str]) -> Identity:
    """Return the facts of an answer that is enough; the bags are those of keystone/0, keystone/1, …"""
    found = identity_service.parse({f"keystone/{number}": bag for number, bag in enumerate(bags)})
    assert isinstance(found, Identity)
    return found


def missing(*bags: Mapping[str, str]) -> tuple[str, ...]:
    """Return what an answer lacks that is not enough."""
    found = identity_service.parse({f"keystone/{number}": bag for number, bag in enumerate(bags)})
    assert isinstance(found, Missing)
    assert (found.relation, found.is_joined) == ("identity-service", True)
    return found.keys


def without(*keys: str, **changes: str) -> dict[str, str]:
    """Return keystone's answer without some keys, and with others changed."""
    return {key: text for key, text in (IDENTITY_ANSWER | changes).items() if key not in keys}


def test_what_the_service_is_told() -> None:
    """Each endpoint keeps its own address: public for clients, auth for tokens, internal where the option asks for it."""
    assert parsed(IDENTITY_ANSWER) == Identity(
        public_url="http://10.0.0.51:5000/v3",
        auth_url="http://10.0.0.50:35357/v3",
        internal_url="http://10.0.0.52:5000/v3",
        username="masakari",
        password="keystone-password",
        project="services",
        domain="service_domain",
        ca=None,
    )


def test_the_password_is_not_shown() -> None:
    """The facts may stand in a traceback: without the password."""
    assert "keystone-password" not in repr(parsed(IDENTITY_ANSWER))


def test_what_is_registered() -> None:
    """The service's name is the one that keystone knows the type of; with another one keystone's own hook fails."""
    urls = {f"{kind}_url": f"http://{kind}.example:15868/v1/%(tenant_id)s" for kind in ("public", "internal", "admin")}
    assert identity_service.request(region="R1", **urls) == {"service": "masakari", "region": "R1", **urls}


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_any_unit_of_keystone_answers(order: tuple[int, ...]) -> None:
    """One unit answers, one has half of it, one nothing: whichever number each of them has, the whole answer is taken."""
    bags: list[Mapping[str, str]] = [IDENTITY_ANSWER, without("service_password"), {}]
    assert parsed(*(bags[number] for number in order)) == parsed(IDENTITY_ANSWER)


def test_of_two_answers_the_first_is_taken() -> None:
    """keystone's units echo their leader; while they differ, the choice is the same in every hook, in whatever order they come."""
    first, second = without(service_password="new"), without(service_password="old")
    found = identity_service.parse({"keystone/1": second, "keystone/0": first})
    assert found == parsed(first, second) == parsed(first)


def test_halves_are_not_put_together() -> None:
    """Two units that each say a half make no answer, and the one that lacks less is named."""
    assert missing(without(*NEEDED[:6]), without(*NEEDED[6:])) == NEEDED[6:]
    assert missing(without("auth_host"), {}) == ("auth_host",)


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize("value", ["", "__null__", "None", "two\nlines", "nul\0", "next\u2028line"])
def test_a_needed_value_that_is_none_is_waited_for(key: str, value: str) -> None:
    """keystone's words for nothing, and what would break a line of the configuration, are no value."""
    assert missing(without(**{key: value})) == (key,)


@pytest.mark.parametrize("key", ["auth_port", "service_port"])
@pytest.mark.parametrize("value", ["0", "65536", "-1", "5000/x", " 5000", "5e3", "\u0665", "123456"])
def test_a_port_that_is_none_is_waited_for(key: str, value: str) -> None:
    """A URL with such a port would lead nowhere, or elsewhere."""
    assert missing(without(**{key: value})) == (key,)


@pytest.mark.parametrize("value", ["HTTP", "https:", "ftp", "http://evil"])
def test_a_protocol_that_is_none_is_waited_for(value: str) -> None:
    """There are two protocols, in lower case, as keystone writes them."""
    assert missing(without(service_protocol=value, auth_protocol=value)) == ("auth_protocol", "service_protocol")


@pytest.mark.parametrize("key", INTERNAL)
@pytest.mark.parametrize("value", [None, "", "__null__"])
def test_an_internal_endpoint_is_whole_or_none(key: str, value: str | None) -> None:
    """Where one part of it is missing there is no internal address, and everything else stands."""
    bag = without(key) if value is None else without(**{key: value})
    assert parsed(bag).internal_url is None
    assert parsed(bag).auth_url == "http://10.0.0.50:35357/v3"


@pytest.mark.parametrize(
    ("host", "shown"), [("fd00::5", "[fd00::5]"), ("[fd00::5]", "[fd00::5]"), ("keystone.example", "keystone.example")]
)
def test_hosts_as_they_stand_in_urls(host: str, shown: str) -> None:
    """IPv6 is bracketed, once."""
    found = parsed(without(auth_host=host, service_host=host, internal_host=host, service_protocol="https"))
    assert (found.public_url, found.auth_url) == (f"https://{shown}:5000/v3", f"http://{shown}:35357/v3")
    assert found.internal_url == f"http://{shown}:5000/v3"


@pytest.mark.parametrize("value", [None, "", "__null__", "None"])
def test_without_a_domain_it_is_the_default_one(value: str | None) -> None:
    """An old keystone names no domain."""
    bag = without("service_domain") if value is None else without(service_domain=value)
    assert parsed(bag).domain == "default"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (in_base64(CERTIFICATE), CERTIFICATE),
        (CERTIFICATE, CERTIFICATE),
        (in_base64(CERTIFICATE.strip()), CERTIFICATE),
        (in_base64(CERTIFICATE + CERTIFICATE), CERTIFICATE + CERTIFICATE),
        ("__null__", None),
        ("", None),
    ],
    ids=["base64", "plain", "no newline", "chain", "null", "empty"],
)
def test_keystones_ca(value: str, expected: str | None) -> None:
    """A CA comes in base64 or as it is, alone or with its chain."""
    assert parsed(without(ca_cert=value)).ca == expected


@given(
    password=st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40),
    noise=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
)
def test_any_password_is_handed_on_as_it_is(password: str, noise: dict[str, str]) -> None:
    """Nothing of a password is trimmed, and keys that we do not know change nothing."""
    noise = {key: text for key, text in noise.items() if key not in IDENTITY_ANSWER}
    bag = {**noise, **IDENTITY_ANSWER, "service_password": password}
    if password in NOTHING:
        assert missing(bag) == ("service_password",)
    else:
        assert parsed(bag).password == password
