"""TLS from the relation: asked for, waited for, used, refused where it cannot be, and never taken back to plaintext by a wait."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import ops
import pytest
from ops import testing

from masakari_charm import haproxy
from masakari_charm.plan import Report
from masakari_charm.relations.certificates import Pair
from masakari_charm.tls import fault
from unit_tests.charm.pairs import in_base64, locked_key, pair
from unit_tests.charm.rig import Rig, bag, complete, vault, vault_answer

HOST = socket.getfqdn()
CERTIFICATE, KEY = pair()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit."""
    return Rig(tmp_path, machine_report=Report(release="1.0-a"))


def issued(*names: str, key: str = KEY) -> testing.Relation:
    """Return vault's relation with an answer for these names."""
    return vault(vault_answer(dict.fromkeys(names, (CERTIFICATE, key)), ca=CERTIFICATE))


def test_vault_is_asked_with_every_address(rig: Rig) -> None:
    """The request names the host with all its addresses and virtual IPs, and each hostname."""
    config = {"vip": "10.0.0.100", "os-public-hostname": "m.example"}
    after = rig.run(complete(vault(), config=config))
    assert bag(after, "certificates")["unit_name"] == "masakari_0"
    assert json.loads(bag(after, "certificates")["cert_requests"]) == {
        HOST: {"sans": ["10.0.0.100", "10.0.0.5"]},
        "m.example": {"sans": ["10.0.0.100", "10.0.0.5"]},
    }


def test_nothing_new_runs_before_vault_answers(rig: Rig) -> None:
    """A unit that shall have TLS does not start in plaintext first."""
    after = rig.run(complete(vault()))
    assert not rig.plan.is_complete
    assert after.unit_status == ops.WaitingStatus("'certificates' incomplete")


def test_with_certificates_the_endpoint_is_https(rig: Rig) -> None:
    """Once vault answered, haproxy has the pair, the unit trusts the CA, and the catalog says https."""
    after = rig.run(complete(issued(HOST)))
    assert rig.text(haproxy.CERTIFICATES[0]) == CERTIFICATE + CERTIFICATE + KEY
    assert rig.plan.trusted[0] == ("masakari.crt", CERTIFICATE)
    assert bag(after, "identity-service")["public_url"].startswith("https://10.0.0.5:15868/")
    assert isinstance(after.unit_status, ops.ActiveStatus)


def test_a_new_name_does_not_take_tls_away(rig: Rig) -> None:
    """While a further certificate is waited for, the catalog goes on saying https, and what runs goes on."""
    after = rig.run(complete(issued(HOST), config={"os-public-hostname": "m.example"}))
    assert after.unit_status == ops.WaitingStatus("'certificates' incomplete")
    assert not rig.plan.is_complete
    assert bag(after, "identity-service")["internal_url"].startswith("https://")


def test_a_pair_that_does_not_match_is_blocked_and_mended(rig: Rig) -> None:
    """A key of another certificate says so; when it is issued again the unit goes on by itself."""
    state = complete(issued(HOST, key=pair("other")[1]))
    after = rig.run(state)
    assert isinstance(after.unit_status, ops.BlockedStatus)
    assert f"what was issued for {HOST} cannot be used: the key does not belong" in after.unit_status.message
    assert "issue it again" in after.unit_status.message
    assert not rig.plan.files
    assert isinstance(rig.run(complete(issued(HOST))).unit_status, ops.ActiveStatus)


def test_without_the_relation_it_is_plaintext_again(rig: Rig) -> None:
    """When the relation goes, so do the files, the CA and https."""
    state = rig.run(complete(issued(HOST)))
    (relation,) = state.get_relations("certificates")
    after = rig.run(state, lambda context: context.on.relation_broken(relation))
    assert rig.plan.trusted == ()
    assert set(haproxy.CERTIFICATES) <= set(rig.plan.removed)
    assert bag(after, "identity-service")["public_url"].startswith("http://")


def test_a_configured_pair_needs_no_vault(rig: Rig) -> None:
    """With ssl_cert and ssl_key an answer of vault is not waited for."""
    config = {"ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY), "ssl_ca": in_base64(CERTIFICATE)}
    after = rig.run(complete(vault(), config=config))
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert rig.text(haproxy.CA) == CERTIFICATE
    assert bag(after, "identity-service")["public_url"].startswith("https://")


def test_keystones_ca_is_trusted(rig: Rig) -> None:
    """A CA that keystone names is among those that the system trusts."""
    state = complete()
    (keystone,) = state.get_relations("identity-service")
    answer = {**keystone.remote_units_data[0], "ca_cert": in_base64(CERTIFICATE)}
    others = [each for each in state.relations if each.endpoint != "identity-service"]
    rig.run(replace(state, relations=[*others, replace(keystone, remote_units_data={0: answer})]))
    assert rig.plan.trusted == (("masakari-keystone.crt", CERTIFICATE),)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (KEY, None),
        (pair("other")[1], "does not belong"),
        (locked_key(), "locked with a password"),
        (CERTIFICATE, "no certificate"),
    ],
    ids=["right", "other", "locked", "no key"],
)
def test_a_pair_is_tried_without_a_file(key: str, words: str | None) -> None:
    """OpenSSL itself says whether a server could use it."""
    found = fault(Pair(certificate=CERTIFICATE, key=key))
    assert (found is None) if words is None else (found is not None and words in found)
