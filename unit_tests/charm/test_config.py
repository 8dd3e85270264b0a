"""Every option: what it does to the plan or the bags, and what a wrong value says."""

from __future__ import annotations

import configparser
from dataclasses import replace
from pathlib import Path
from typing import Any

import ops
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops import testing

from masakari_charm import config
from masakari_charm.plan import CONFIG_FILE, Report
from unit_tests.charm.pairs import in_base64, locked_key, pair
from unit_tests.charm.rig import CONFIG, INVENTORY, NETWORKS, Rig, bag, complete, hacluster, network, peers

CERTIFICATE, KEY = pair()
OTHER_KEY = pair("other")[1]
HAPROXY_FILE = "/etc/haproxy/haproxy.cfg"

# Each with the group, the option and the value that it becomes.
IN_MASAKARI_CONF = {
    "debug": (True, "DEFAULT", "debug", "true"),
    "region": ("north", "DEFAULT", "os_region_name", "north"),
    "use-internal-endpoints": (True, "DEFAULT", "nova_catalog_admin_info", "compute:nova:internalURL"),
    "workers": (7, "DEFAULT", "masakari_api_threads", "7"),
    "fence-attempts": (5, "fencing", "fence_attempts", "5"),
    "brake-hosts": (4, "guards", "brake_hosts", "4"),
    "brake-percent": (50, "guards", "brake_percent", "50"),
    "evacuate-all-instances": (False, "host_failure", "evacuate_all_instances", "false"),
    "shared-storage": (True, "recovery", "shared_storage", "true"),
    "local-disk": ("rebuild", "recovery", "local_disk", "rebuild"),
    "config-flags": ("recovery.moves_in_flight=8", "recovery", "moves_in_flight", "8"),
}
IN_HAPROXY = {
    "haproxy-server-timeout": (91000, "timeout server 91000ms"),
    "haproxy-client-timeout": (92000, "timeout client 92000ms"),
    "haproxy-queue-timeout": (9300, "timeout queue 9300ms"),
    "haproxy-connect-timeout": (9400, "timeout connect 9400ms"),
}
# Each with a wrong value, the words that must name it, and the fix.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "vip": ({"vip": "10.0.0.x"}, "vip '10.0.0.x' is no IP address", "spaces between"),
    "vip twice": ({"vip": "10.0.0.9 10.0.0.9"}, "vip 10.0.0.9 stands there twice", "once"),
    "vip outside": ({"vip": "192.168.7.7"}, "vip 192.168.7.7 is in none of the unit's networks", "vip_iface"),
    "vip and dns-ha": (
        {"vip": "10.0.0.9", "dns-ha": True, "os-public-hostname": "a.example"},
        "vip and dns-ha are both set",
        "keep one",
    ),
    "vip_cidr": ({"vip_cidr": 0}, "vip_cidr = 0 cannot be used", "from 1 to 128"),
    "vip_iface": ({"vip_iface": "eth 0"}, "vip_iface = 'eth 0' cannot be used", "network interface"),
    "region": ({"region": "two words"}, "region = 'two words' cannot be used", "Keystone region"),
    "os-public-network": ({"os-public-network": "10.0.0/33"}, "os-public-network = '10.0.0/33' is no network", "/24"),
    "os-admin-network": (
        {"os-admin-network": "10.77.0.0/24"},
        "os-admin-network 10.77.0.0/24 holds no address of this unit",
        "bind admin",
    ),
    "os-internal-hostname": (
        {"os-internal-hostname": "not a name"},
        "os-internal-hostname = 'not a name' is no host name",
        "masakari.example.com",
    ),
    "ssl_cert": ({"ssl_cert": "nonsense", "ssl_key": in_base64(KEY)}, "ssl_cert is no PEM text", "base64"),
    "ssl_key": ({"ssl_cert": in_base64(CERTIFICATE)}, "ssl_cert is set without ssl_key", "ssl_key"),
    "ssl pair": (
        {"ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(OTHER_KEY)},
        "the key does not belong to the certificate",
        "its own key",
    ),
    "ssl locked": (
        {"ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(locked_key())},
        "the key is locked with a password",
        "its own key",
    ),
    "ssl_ca": ({"ssl_ca": "nonsense"}, "ssl_ca is no PEM text", "base64"),
    "worker-multiplier": ({"worker-multiplier": -1.0}, "worker-multiplier = -1 cannot be used", "above 0"),
    "workers": ({"workers": 0}, "workers = 0 cannot be used", "from 1 to 512"),
    "haproxy-server-timeout": ({"haproxy-server-timeout": -5}, "haproxy-server-timeout = -5", "from 1 to"),
    "fence-attempts": ({"fence-attempts": 0}, "fence-attempts = 0 cannot be used", "from 1 to 20"),
    "brake-hosts": ({"brake-hosts": 0}, "brake-hosts = 0 cannot be used", "from 1 to"),
    "brake-percent": ({"brake-percent": 101}, "brake-percent = 101 cannot be used", "from 0 to 100"),
    "local-disk": ({"local-disk": "maybe"}, "local-disk = maybe cannot be used", "wait, rebuild"),
    "config-flags": ({"config-flags": "transport_url=rabbit://"}, "config-flags: [DEFAULT] transport_url", "remove it"),
}
TESTED_ELSEWHERE = {
    "openstack-origin",
    "action-managed-upgrade",
    "os-internal-network",
    "os-public-hostname",
    "os-admin-hostname",
    "dns-ha",
    "fencing-inventory",
    *config.WITHOUT_EFFECT,
}


def written(rig: Rig) -> configparser.RawConfigParser:
    """Return masakari.conf of the last plan, as text."""
    parser = configparser.RawConfigParser(strict=True, interpolation=None, default_section="no such section")
    parser.read_string(rig.text(CONFIG_FILE))
    return parser


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit whose machine does what the plan says."""
    return Rig(tmp_path, machine_report=Report(release="1.0-a"))


def test_every_option_is_tested() -> None:
    """An option that is added has a test here, or is one of the few that others test."""
    wrong = {name for options, *_ in WRONG.values() for name in options}
    assert set(CONFIG["options"]) == {*IN_MASAKARI_CONF, *IN_HAPROXY, *wrong, *TESTED_ELSEWHERE}


@pytest.mark.parametrize("option", IN_MASAKARI_CONF)
def test_each_option_of_the_service_arrives(rig: Rig, option: str) -> None:
    """An option of the charm stands in masakari.conf under the service's name."""
    value, group, name, expected = IN_MASAKARI_CONF[option]
    rig.run(complete(config={option: value}))
    assert written(rig)[group][name] == expected


@pytest.mark.parametrize("option", IN_HAPROXY)
def test_each_timeout_arrives(rig: Rig, option: str) -> None:
    """A timeout stands in haproxy.cfg."""
    value, line = IN_HAPROXY[option]
    rig.run(complete(peers("10.0.0.6"), config={option: value}))
    assert line in rig.text(HAPROXY_FILE)


@pytest.mark.parametrize("case", WRONG)
def test_each_wrong_value_is_blocked(rig: Rig, case: str) -> None:
    """A wrong value blocks the unit with option and fix, replaces no file, and mends by itself."""
    options, words, fix = WRONG[case]
    after = rig.run(complete(config=options))
    assert isinstance(after.unit_status, ops.BlockedStatus)
    assert words in after.unit_status.message
    assert fix in after.unit_status.message
    assert not rig.plan.files
    assert not rig.plan.is_complete
    assert isinstance(rig.run(complete()).unit_status, ops.ActiveStatus)


def test_a_wrong_value_leaves_what_was_asked_for(rig: Rig) -> None:
    """A slip in an option does not take the virtual IP out of hacluster's bag or the endpoint out of the catalog."""
    before = rig.run(complete(hacluster(), config={"vip": "10.0.0.100"}))
    after = rig.run(replace(before, config={"vip": "10.0.0.1oo"}))
    for endpoint in ("ha", "identity-service"):
        assert bag(after, endpoint) == bag(before, endpoint)


def test_the_archive_is_handed_on(rig: Rig) -> None:
    """openstack-origin goes to the plan as it is; empty means the distribution's own."""
    rig.run(complete(config={"openstack-origin": "cloud:noble-epoxy"}))
    assert rig.plan.archive == "cloud:noble-epoxy"
    rig.run(complete(config={"openstack-origin": ""}))
    assert rig.plan.archive == "distro"


def test_action_managed_upgrade_holds_the_release(rig: Rig) -> None:
    """With true, another release waits for the action."""
    rig.run(complete(config={"action-managed-upgrade": True}))
    assert not rig.plan.may_switch
    rig.run(complete())
    assert rig.plan.may_switch


def test_the_networks_choose_the_address(rig: Rig) -> None:
    """os-internal-network chooses among the unit's addresses, whatever is bound."""
    others = {each for each in NETWORKS if each.binding_name != "amqp"} | {network("amqp", "10.3.0.5", "10.3.0.0/24")}
    after = rig.run(complete(networks=others, config={"os-internal-network": "10.3.0.0/24"}))
    assert bag(after, "identity-service")["internal_url"] == "http://10.3.0.5:15868/v1/%(tenant_id)s"
    assert bag(after, "identity-service")["public_url"] == "http://10.0.0.5:15868/v1/%(tenant_id)s"


def test_hostnames_go_into_the_catalog(rig: Rig) -> None:
    """Each hostname is its own endpoint, and {service_name} in one is masakari."""
    names = {
        "os-public-hostname": "{service_name}.example.com",
        "os-internal-hostname": "int.example.com",
        "os-admin-hostname": "adm.example.com",
    }
    after = rig.run(complete(config=names))
    assert bag(after, "identity-service")["public_url"] == "http://masakari.example.com:15868/v1/%(tenant_id)s"
    assert bag(after, "identity-service")["internal_url"] == "http://int.example.com:15868/v1/%(tenant_id)s"
    assert bag(after, "identity-service")["admin_url"] == "http://adm.example.com:15868/v1/%(tenant_id)s"


@pytest.mark.parametrize(("multiplier", "threads"), [(2.0, 8), (0.1, 1), (1000.0, 512)])
def test_the_multiplier_counts_threads(multiplier: float, threads: int) -> None:
    """worker-multiplier is threads per CPU, within what the service takes; workers goes before it."""
    assert config.parse({"worker-multiplier": multiplier}, cpus=4).threads == threads
    assert config.parse({"worker-multiplier": multiplier, "workers": 3}, cpus=4).threads == 3


def test_defaults_leave_the_service_alone(rig: Rig) -> None:
    """Where nothing is set, the API's threads are the service's own default."""
    rig.run(complete())
    assert "masakari_api_threads" not in rig.text(CONFIG_FILE)


def test_an_inventory_is_written_for_the_engine_alone(rig: Rig) -> None:
    """The file of the secret is the engine's, mode 0600."""
    secret = testing.Secret({"inventory": INVENTORY}, owner=None)
    rig.run(complete(secrets=[secret], config={"fencing-inventory": secret.id}))
    (file,) = (each for each in rig.plan.files if each.path == "/etc/masakari/fencing.yaml")
    assert (file.mode, file.owner, file.is_secret, file.content) == (0o600, "masakari", True, INVENTORY)


SOME_TEXT = st.text(max_size=40)
VALUES = {"string": SOME_TEXT, "secret": SOME_TEXT, "int": st.integers(), "boolean": st.booleans()}
RAW = st.fixed_dictionaries(
    {},
    optional={
        name: VALUES.get(option["type"], st.floats(allow_nan=True)) for name, option in CONFIG["options"].items()
    },
)


@given(raw=RAW, cpus=st.integers(min_value=1, max_value=512))
def test_no_value_breaks_the_reading(raw: dict[str, Any], cpus: int) -> None:
    """Whatever is set, there is a configuration, and each problem names an option and a fix."""
    found = config.parse(raw, cpus=cpus)
    assert found.threads is None or 1 <= found.threads <= 512
    for problem in found.problems:
        assert any(name in problem.what for name in CONFIG["options"])
        assert problem.fix
