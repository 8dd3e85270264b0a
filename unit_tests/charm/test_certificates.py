"""TLS from the relation: asked for, waited for, used, refused where it cannot be, and never taken back to plaintext by a wait.

A wait is a name more, an answer that is gone while the relation stands, or another word of DNS for this host.
"""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ops
import pytest
from ops import testing

from masakari_charm import haproxy
from masakari_charm.plan import Report
from masakari_charm.relations.certificates import Pair, kept_name
from masakari_charm.tls import fault, lapse
from unit_tests.charm.pairs import in_base64, locked_key, pair
from unit_tests.charm.rig import Rig, bag, complete, vault, vault_answer

HOST = "unit.maas"
CERTIFICATE, KEY = pair()


@pytest.fixture(autouse=True)
def dns(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give the unit a name, by its kernel and by DNS, whatever machine the test runs on."""
    monkeypatch.setattr(socket, "gethostname", lambda: "unit")
    monkeypatch.setattr(socket, "getfqdn", lambda: HOST)
    return monkeypatch


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


def answered_once(rig: Rig, **config: str) -> testing.State:
    """Return a unit with TLS from vault, after its hook."""
    return rig.run(complete(issued(HOST), config=config))


def without_answer(state: testing.State) -> testing.State:
    """Return the state after vault's only unit has gone, and no other has answered; our own bag is as it was."""
    (relation,) = state.get_relations("certificates")
    others = [each for each in state.relations if each.id != relation.id]
    assert isinstance(relation, testing.Relation)
    return replace(state, relations=[*others, replace(relation, remote_units_data={})])


def test_an_answer_that_goes_does_not_take_tls_away(rig: Rig) -> None:
    """When vault's only unit is replaced the catalog goes on saying https, haproxy goes on as part of the plan, and the unit waits."""
    state = answered_once(rig)
    before = bag(state, "identity-service")
    after = rig.run(without_answer(state))
    assert bag(after, "identity-service") == before
    assert after.unit_status == ops.WaitingStatus("'certificates' incomplete")
    assert not rig.plan.is_complete
    assert "haproxy" in {service.name for service in rig.plan.services}
    assert isinstance(rig.run(complete(issued(HOST))).unit_status, ops.ActiveStatus)


def test_plaintext_stays_in_the_catalog_until_vault_answers(rig: Rig) -> None:
    """A unit that runs in plaintext keeps its URLs while TLS is waited for, and changes them with the answer."""
    state = rig.run(complete())
    joined = rig.run(replace(state, relations=[*state.relations, vault()]))
    assert bag(joined, "identity-service")["public_url"].startswith("http://")
    assert bag(rig.run(complete(issued(HOST))), "identity-service")["public_url"].startswith("https://")


def test_a_new_unit_never_says_plaintext_before_vault_answers(rig: Rig) -> None:
    """A unit that is added to others with TLS registers https at once: all of them share one entry of the catalog."""
    after = rig.run(complete(vault()))
    assert {bag(after, "identity-service")[f"{kind}_url"][:8] for kind in ("public", "internal", "admin")} == {
        "https://"
    }


@pytest.mark.parametrize("other", ["localhost", "unit", "10-0-0-5.dns.example"])
def test_another_word_of_dns_changes_nothing(rig: Rig, dns: pytest.MonkeyPatch, other: str) -> None:
    """When DNS has another name for the host for a while, the one that vault was asked for first is kept, and so is TLS."""
    state = answered_once(rig)
    dns.setattr(socket, "getfqdn", lambda: other)
    after = rig.run(state)
    assert bag(after, "certificates") == bag(state, "certificates")
    assert bag(after, "identity-service") == bag(state, "identity-service")
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert rig.plan.is_complete


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ([], "now.maas"),
        (["now.maas", "m.example"], "now.maas"),
        (["first.dns"], "first.dns"),
        (["m.example"], "now.maas"),
        (["a.example", "unit.maas"], "unit.maas"),
    ],
    ids=["nothing", "the same", "another", "only an endpoint's", "one of a former endpoint"],
)
def test_the_first_name_is_kept(asked: list[str], name: str) -> None:
    """The host's own name is the one that stands in our request; names of endpoints are not the host's."""
    before = {"cert_requests": json.dumps({each: {"sans": []} for each in asked})}
    assert kept_name(before, now="now.maas", kernel_name="unit", endpoints=["m.example"]) == name


def test_localhost_is_nobodys_name(rig: Rig, dns: pytest.MonkeyPatch) -> None:
    """Where DNS knows no name of this host, vault is asked with the kernel's."""
    dns.setattr(socket, "getfqdn", lambda: "localhost")
    assert list(json.loads(bag(rig.run(complete(vault())), "certificates")["cert_requests"])) == ["unit"]


def test_a_pause_stops_haproxy_while_the_certificate_is_waited_for(tmp_path: Path) -> None:
    """A unit with TLS whose answer has gone is paused as a whole: haproxy answers no more, and resume brings it back."""
    rig = Rig(tmp_path)
    state = answered_once(rig)
    assert "haproxy" in rig.system.active
    rig.run(without_answer(state), lambda context: context.on.action("pause"))
    assert rig.system.active == set()
    assert "haproxy" in rig.system.masked
    rig.run(state, lambda context: context.on.action("resume"))
    assert rig.system.active == {"masakari-api", "masakari-engine", "haproxy"}


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


def test_a_configured_pair_goes_before_a_broken_answer(rig: Rig) -> None:
    """What vault issued and nobody uses keeps no unit from its configured certificate."""
    config = {"ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}
    after = rig.run(complete(issued(HOST, key=pair("other")[1]), config=config))
    assert isinstance(after.unit_status, ops.ActiveStatus)
    assert rig.text(haproxy.CERTIFICATES[0]) == CERTIFICATE + KEY


@pytest.mark.parametrize(
    ("begin_days", "end_days", "words"),
    [(-30, -1, "expired on 20"), (2, 30, "is valid from 20")],
    ids=["expired", "not yet"],
)
@pytest.mark.parametrize("is_configured", [True, False], ids=["configured", "issued"])
def test_a_certificate_out_of_its_time_is_said(
    rig: Rig, begin_days: int, end_days: int, words: str, *, is_configured: bool
) -> None:
    """The status says which certificate clients refuse, and what to do; it stays in use, and so does https."""
    certificate, key = pair("late", begin_days=begin_days, end_days=end_days)
    if is_configured:
        state = complete(config={"ssl_cert": in_base64(certificate), "ssl_key": in_base64(key)})
    else:
        state = complete(vault(vault_answer({HOST: (certificate, key)}, ca=CERTIFICATE)))
    after = rig.run(state)
    assert isinstance(after.unit_status, ops.BlockedStatus)
    what, fix = ("ssl_cert ", "renew it") if is_configured else (f"what was issued for {HOST} ", "issue it again")
    assert f"{what}{words}" in after.unit_status.message
    assert fix in after.unit_status.message
    assert [entry for entry in rig.context.juju_log if entry.level == "WARNING" and words in entry.message]
    assert rig.plan.is_complete
    assert certificate in rig.text(haproxy.CERTIFICATES[0])
    assert bag(after, "identity-service")["public_url"].startswith("https://")


def test_an_issued_certificate_that_nobody_uses_may_end(rig: Rig) -> None:
    """Only the certificate in use counts."""
    late = vault(vault_answer({HOST: pair("late", begin_days=-30, end_days=-1)}, ca=CERTIFICATE))
    config = {"ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}
    assert isinstance(rig.run(complete(late, config=config)).unit_status, ops.ActiveStatus)


@pytest.mark.parametrize("end_days", [30, 365 * 40], ids=["UTCTime", "GeneralizedTime"])
def test_dates_are_read_from_a_certificate(end_days: int) -> None:
    """A certificate is refused before its first second and after its last, and not in between, in both forms of a date."""
    certificate, key = pair("dated", end_days=end_days)
    taken = Pair(certificate=certificate, key=key)
    now = datetime.now(UTC)
    assert lapse(taken, now) is None
    assert lapse(taken, now + timedelta(days=end_days - 1)) is None
    assert "expired on" in str(lapse(taken, now + timedelta(days=end_days + 1)))
    assert "is valid from" in str(lapse(taken, now - timedelta(days=2)))


@pytest.mark.parametrize(
    "text", ["", KEY, CERTIFICATE[:120] + "-----END CERTIFICATE-----\n", CERTIFICATE.replace("MII", "")]
)
def test_what_is_no_certificate_has_no_dates(text: str) -> None:
    """A text that cannot be read is no lapse; OpenSSL says elsewhere that it cannot be used."""
    assert lapse(Pair(certificate=text, key=KEY), datetime.now(UTC)) is None


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
