"""What hacluster is asked for: today's names, equal on all units, and what is not needed any more is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops import testing

from masakari_charm.plan import CONFIG_FILE, Report
from masakari_charm.relations import ha
from masakari_charm.relations.ha import DnsName, Vip
from unit_tests.charm.rig import NETWORKS, Rig, bag, complete, hacluster, network, peers


def asked(*addresses: str, before: dict[str, str] | None = None, names: tuple[DnsName, ...] = ()) -> dict[str, str]:
    """Return the request for these virtual IPs; `before` is the bag with the last one."""
    vips = tuple(Vip(address=address) for address in addresses)
    return ha.request(vips=vips, names=names, interface="eth0", former=ha.asked(before or {}))


def loaded(request: dict[str, str], key: str) -> Any:
    """Return a key's JSON."""
    return json.loads(request[key])


def test_one_virtual_ip_stands_alone() -> None:
    """The names are today's: recorded here as text, since Pacemaker knows resources by nothing else."""
    request = asked("10.0.0.100")
    assert loaded(request, "json_resources") == {
        "res_masakari_haproxy": "lsb:haproxy",
        "res_masakari_d9411c8_vip": "ocf:heartbeat:IPaddr2",
    }
    assert loaded(request, "json_resource_params")["res_masakari_d9411c8_vip"] == (
        'params ip="10.0.0.100" meta migration-threshold="INFINITY" failure-timeout="5s" '
        'op monitor timeout="20s" interval="10s" depth="0"'
    )
    assert loaded(request, "json_clones") == {"cl_res_masakari_haproxy": "res_masakari_haproxy"}
    assert loaded(request, "json_init_services") == {"res_masakari_haproxy": "haproxy"}
    assert request["json_groups"] == ""
    assert request["json_delete_resources"] == ""
    assert (request["corosync_bindiface"], request["corosync_mcastport"]) == ("eth0", "4440")


def test_the_name_is_the_hash_of_the_address() -> None:
    """A virtual IP's resource is named after the first seven digits of its SHA-1."""
    digest = hashlib.sha1(b"10.0.0.100").hexdigest()[:7]
    assert Vip(address="10.0.0.100").resource == f"res_masakari_{digest}_vip"


def test_two_virtual_ips_are_a_group() -> None:
    """The group begins with the second address, in the order of the option."""
    first, second = (Vip(address=address).resource for address in ("10.0.0.100", "10.1.0.100"))
    assert loaded(asked("10.0.0.100", "10.1.0.100"), "json_groups") == {"grp_masakari_vips": f"{first} {second}"}


def test_ipv6_has_its_own_agent() -> None:
    """An IPv6 address is another resource agent with another parameter."""
    request = asked("fd00::100")
    name = Vip(address="fd00::100").resource
    assert loaded(request, "json_resources")[name] == "ocf:heartbeat:IPv6addr"
    assert 'params ipv6addr="fd00::100"' in loaded(request, "json_resource_params")[name]


def test_a_named_interface_is_handed_on() -> None:
    """Where Pacemaker cannot find the interface, interface and prefix are named."""
    vip = Vip(address="10.0.0.100", interface="bond0", prefix=22)
    request = ha.request(vips=(vip,), names=(), interface="bond0", former=())
    assert (
        'params ip="10.0.0.100" nic="bond0" cidr_netmask="22"' in loaded(request, "json_resource_params")[vip.resource]
    )


def test_names_for_maas() -> None:
    """DNS-HA has a resource per hostname and a group over them."""
    names = tuple(
        DnsName(kind=kind, hostname=f"{kind}.example", address="10.0.0.5") for kind in ("public", "int", "admin")
    )
    request = asked(names=names)
    assert loaded(request, "json_resources")["res_masakari_int_hostname"] == "ocf:maas:dns"
    assert loaded(request, "json_resource_params")["res_masakari_public_hostname"] == (
        'params fqdn="public.example" ip_address="10.0.0.5"'
    )
    assert loaded(request, "json_groups") == {
        "grp_masakari_hostnames": "res_masakari_public_hostname res_masakari_int_hostname res_masakari_admin_hostname"
    }


def test_a_dropped_address_is_deleted() -> None:
    """What was asked for and is not wanted is named, its group too, and stays named in the next hook."""
    before = asked("10.0.0.100", "10.1.0.100")
    after = asked("10.0.0.100", before=before)
    gone = ["grp_masakari_vips", Vip(address="10.1.0.100").resource]
    assert loaded(after, "json_delete_resources") == gone
    assert asked("10.0.0.100", before=after) == after


def test_an_address_that_comes_back_is_deleted_no_more() -> None:
    """A virtual IP that is set again is not in the list, or hacluster would take it away."""
    first = asked("10.0.0.100", "10.1.0.100")
    second = asked("10.0.0.100", before=first)
    third = asked("10.0.0.100", "10.1.0.100", before=second)
    assert third["json_delete_resources"] == ""


ADDRESSES = st.lists(
    st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str), min_size=0, max_size=4, unique=True
).map(tuple)


@given(steps=st.lists(ADDRESSES, min_size=1, max_size=4))
def test_nothing_is_asked_for_and_deleted_at_once(steps: list[tuple[str, ...]]) -> None:
    """Whatever addresses come and go: no name is both, everything that went is named, and a second run changes nothing."""
    before: dict[str, str] = {}
    ever: set[str] = set()
    for addresses in steps:
        now = asked(*addresses, before=before)
        assert asked(*addresses, before=now) == now
        wanted = set(loaded(now, "json_resources"))
        gone = set(json.loads(now["json_delete_resources"] or "[]"))
        assert not wanted & gone
        ever |= wanted
        assert ever <= wanted | gone
        before = now


@given(
    before=st.dictionaries(
        st.sampled_from(["json_resources", "json_delete_resources", "json_groups"]), st.text(max_size=20)
    )
)
def test_no_former_bag_breaks_the_request(before: dict[str, str]) -> None:
    """What stands in the bag may be anything; it is read where it can be."""
    assert asked("10.0.0.100", before=before)["json_resources"]


def test_all_units_ask_for_the_same(tmp_path: Path) -> None:
    """Two units with addresses of their own write the same bag and the same URLs."""
    written = []
    for number, address in ((0, "10.0.0.5"), (1, "10.0.0.6")):
        rig = Rig(tmp_path / str(number), unit=number, machine_report=Report())
        bindings = frozenset(network(each.binding_name, address) for each in NETWORKS)
        state = complete(hacluster(), networks=bindings, config={"vip": "10.0.0.100 10.0.0.101"})
        after = rig.run(state)
        written.append((bag(after, "ha"), bag(after, "identity-service")))
    assert written[0] == written[1]
    assert written[0][1]["public_url"] == "http://10.0.0.100:15868/v1/%(tenant_id)s"


@pytest.mark.parametrize("others", [(), ("10.0.0.6",)], ids=["alone", "with a peer"])
def test_haproxy_is_pacemakers(tmp_path: Path, others: tuple[str, ...]) -> None:
    """Under hacluster haproxy is disabled in systemd and never started by us; when hacluster goes, it is ours again.

    Ours is to run it where there are peers, and to stop it on a unit that stands alone, before the API takes its port.
    """
    rig = Rig(tmp_path)
    rig.system.enabled.add("haproxy")  # by its package
    related = rig.run(complete(peers(*others), hacluster(), config={"vip": "10.0.0.100"}))
    assert {"haproxy"}.isdisjoint(rig.system.active | rig.system.enabled)
    rig.system.active.add("haproxy")  # by Pacemaker
    rig.system.forget()
    (relation,) = related.get_relations("ha")
    rig.run(related, lambda context: context.on.relation_broken(relation))
    if others:
        assert {"haproxy"} <= rig.system.active & rig.system.enabled
        return
    assert {"haproxy"}.isdisjoint(rig.system.active | rig.system.enabled)
    words = rig.system.changes
    assert words.index("systemctl stop haproxy") < words.index("systemctl restart masakari-api")
    assert "masakari_api_listen_port = 15868" in rig.text(CONFIG_FILE)


def unit_of(folder: Path, number: int) -> Rig:
    """Return one of several units."""
    return Rig(folder / str(number), unit=number, machine_report=Report())


def cluster_of(told: Mapping[str, str]) -> testing.PeerRelation:
    """Return the peers' relation with what the leader told."""
    return testing.PeerRelation("cluster", local_unit_data={}, local_app_data=dict(told))


def told_by(state: testing.State) -> dict[str, str]:
    """Return what the leader tells its peers."""
    (relation,) = state.get_relations("cluster")
    return dict(relation.local_app_data)


def asking(rig: Rig, vip: str, *, told: Mapping[str, str], leads: bool, before: Mapping[str, str]) -> testing.State:
    """Run a hook of a unit with these virtual IPs; `before` is what it asked hacluster for last."""
    relation = replace(hacluster(), local_unit_data=dict(before))
    return rig.run(complete(relation, cluster_of(told), leader=leads, config={"vip": vip}))


@pytest.mark.parametrize("newcomer_leads", [False, True])
def test_a_unit_that_comes_late_deletes_the_same(tmp_path: Path, newcomer_leads: bool) -> None:
    """A virtual IP is dropped, then a unit is added: it asks to delete what it never asked for, as the others do, whoever leads."""
    old, new = unit_of(tmp_path, 0), unit_of(tmp_path, 1)
    first = asking(old, "10.0.0.100 10.0.0.101", told={}, leads=True, before={})
    assert set(loaded(bag(first, "ha"), "json_resources")) <= set(loaded(told_by(first), "ha-resources"))
    second = asking(old, "10.0.0.100", told=told_by(first), leads=True, before=bag(first, "ha"))
    gone = ["grp_masakari_vips", Vip(address="10.0.0.101").resource]
    assert loaded(bag(second, "ha"), "json_delete_resources") == gone
    added = asking(new, "10.0.0.100", told=told_by(second), leads=newcomer_leads, before={})
    assert bag(added, "ha") == bag(second, "ha")
    again = asking(old, "10.0.0.100", told=told_by(added), leads=not newcomer_leads, before=bag(second, "ha"))
    assert (bag(again, "ha"), told_by(again)) == (bag(second, "ha"), told_by(second))


def test_names_of_before_the_list_are_taken_up(tmp_path: Path) -> None:
    """The leader notes what stood in its own request when it had no list yet, as after the switch from today's charm."""
    rig, before = unit_of(tmp_path, 0), asked("10.0.0.100", "10.0.0.101")
    after = asking(rig, "10.0.0.100", told={}, leads=True, before=before)
    assert "grp_masakari_vips" in loaded(told_by(after), "ha-resources")
    newcomer = asking(unit_of(tmp_path, 1), "10.0.0.100", told=told_by(after), leads=False, before={})
    assert bag(newcomer, "ha") == bag(after, "ha")


def test_only_the_leader_notes_names(tmp_path: Path) -> None:
    """Juju lets nobody else write there; a follower still deletes what it asked for itself."""
    after = asking(unit_of(tmp_path, 1), "10.0.0.100", told={}, leads=False, before=asked("10.0.0.101"))
    assert told_by(after) == {}
    assert loaded(bag(after, "ha"), "json_delete_resources") == [Vip(address="10.0.0.101").resource]


def test_a_new_hacluster_is_told_of_former_names(tmp_path: Path) -> None:
    """Removed and related again, hacluster gets the same request: on these machines there may be left what was asked for before."""
    rig = unit_of(tmp_path, 0)
    first = asking(rig, "10.0.0.100 10.0.0.101", told={}, leads=True, before={})
    dropped = asking(rig, "10.0.0.100", told=told_by(first), leads=True, before=bag(first, "ha"))
    (relation,) = dropped.get_relations("ha")
    alone = rig.run(dropped, lambda context: context.on.relation_broken(relation))
    again = asking(rig, "10.0.0.100", told=told_by(alone), leads=True, before={})
    assert bag(again, "ha") == bag(dropped, "ha")


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '["a", 1, ["b"], null]', '{"a": 1}'])
def test_no_list_breaks_a_request(tmp_path: Path, text: str) -> None:
    """What stands in the application bag may be anything; names are read where there are any."""
    after = asking(unit_of(tmp_path, 1), "10.0.0.100", told={"ha-resources": text}, leads=False, before={})
    assert json.loads(bag(after, "ha").get("json_delete_resources", "[]")) == (["a"] if text.startswith("[") else [])


@pytest.mark.parametrize("names", [{"os-public-hostname": "m.example"}, {"os-internal-hostname": "m.example"}])
def test_dns_ha_publishes_names_instead_of_addresses(tmp_path: Path, names: dict[str, str]) -> None:
    """With dns-ha there is no virtual IP, and the group of names holds what is configured."""
    rig = Rig(tmp_path, machine_report=Report())
    after = rig.run(complete(hacluster(), config={"dns-ha": True, **names}))
    (option,) = names
    kind = {"public": "public", "internal": "int"}[option.split("-")[1]]
    assert json.loads(bag(after, "ha")["json_groups"]) == {"grp_masakari_hostnames": f"res_masakari_{kind}_hostname"}
