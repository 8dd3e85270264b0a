"""What stands in the files: read back by the programs' own parsers, with passwords of every kind."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from masakari_charm import build, config, haproxy, masakari_conf
from masakari_charm.networks import Interface, Network, Networks
from masakari_charm.plan import CONFIG_FILE, FENCING_FILE, Plan
from masakari_charm.relations.amqp import Amqp, Broker
from masakari_charm.relations.bags import NOTHING, Missing
from masakari_charm.relations.certificates import Certificates, Pair
from masakari_charm.relations.cluster import Peer
from masakari_charm.relations.ha import Ha
from masakari_charm.relations.identity_service import Identity
from masakari_charm.relations.shared_db import SharedDb
from masakari_charm.state import State
from unit_tests.charm.pairs import pair
from unit_tests.charm.rig import INVENTORY
from vmha.settings import load

CERTIFICATE, KEY = pair()
HERE = Network(address="10.0.0.5", interfaces=(Interface(name="eth0", address="10.0.0.5", network="10.0.0.0/24"),))
HERE_V6 = Network(address="fd00::5", interfaces=(Interface(name="eth0", address="fd00::5", network="fd00::/64"),))
BINDINGS = ("public", "internal", "admin", "shared-db", "amqp", "cluster")
ISSUED = Certificates(ca=CERTIFICATE, chain=None, pairs=(("unit.example", Pair(certificate=CERTIFICATE, key=KEY)),))
STATE = State(
    app="masakari",
    unit="masakari/0",
    hostname="unit.example",
    is_leader=True,
    is_paused=False,
    config=config.Config(),
    networks=Networks(bindings=dict.fromkeys(BINDINGS, HERE)),
    wheels="/charm/wheels",
    shared_db=SharedDb(host="127.0.0.1", port=3306, password="secret"),
    amqp=Amqp(brokers=(Broker(host="10.0.0.61", port=5672),), password="secret"),
    identity=Identity(
        public_url="http://10.0.0.51:5000/v3",
        auth_url="http://10.0.0.50:35357/v3",
        internal_url="http://10.0.0.52:5000/v3",
        username="masakari",
        password="secret",
        project="services",
        domain="service_domain",
    ),
    certificates=Missing(relation="certificates"),
)
PEERS = (Peer(unit="masakari/1", address="10.0.0.6"), Peer(unit="masakari/2", address="fd00::7"))


def text(plan: Plan, path: str) -> str:
    """Return a file of a plan."""
    return next(file.content for file in plan.files if file.path == path)


def conf(state: State) -> dict[str, dict[str, str]]:
    """Return masakari.conf as it is written."""
    parser = configparser.RawConfigParser(interpolation=None, default_section="no such section")
    parser.read_string(text(build.plan(state), CONFIG_FILE))
    return {group: dict(parser[group]) for group in parser.sections()}


def by_oslo(content: str, folder: Path, *names: tuple[str, str]) -> list[str]:
    """Return values as oslo.config reads them."""
    file = folder / "masakari.conf"
    file.write_text(content)
    reader = cfg.ConfigOpts()
    reader(["--config-file", str(file)], project="masakari", default_config_dirs=[])
    for group, name in names:
        reader.register_opt(cfg.StrOpt(name), group=None if group == "DEFAULT" else group)
    return [reader[name] if group == "DEFAULT" else reader[group][name] for group, name in names]


def test_the_service_takes_what_is_written(tmp_path: Path) -> None:
    """The service reads the whole file without a complaint, and gets out what the charm meant."""
    chosen = config.parse(
        {"workers": 9, "brake-hosts": 4, "local-disk": "rebuild", "config-flags": "recovery.move_attempts=2"}, cpus=4
    )
    file = tmp_path / "masakari.conf"
    file.write_text(text(build.plan(replace(STATE, config=chosen, inventory=INVENTORY)), CONFIG_FILE))
    settings = load(["--config-file", str(file), "--config-dir", str(tmp_path)], "masakari-engine")
    assert settings.engine == "masakari-0"
    assert settings.api.masakari_api_threads == 9
    assert settings.policy.brake_hosts == 4
    assert settings.policy.move_attempts == 2
    assert settings.database_url == "mysql+pymysql://masakari:secret@127.0.0.1:3306/masakari"
    assert settings.transport_url == "rabbit://masakari:secret@10.0.0.61:5672/masakari"
    assert str(settings.fencing.inventory) == FENCING_FILE


def test_every_option_that_is_written_is_read_by_somebody() -> None:
    """No option stands in the file that neither the service nor a library of it knows."""
    chosen = config.parse({"workers": 9, "debug": True, "shared-storage": True}, cpus=4)
    everything = replace(
        STATE,
        config=chosen,
        inventory=INVENTORY,
        peers=PEERS,
        certificates=ISSUED,
        amqp=Amqp(brokers=(Broker(host="b", port=5671),), password="x", is_tls=True, ca=CERTIFICATE),
    )
    written = {(group, name) for group, options in conf(everything).items() for name in options}
    known = {(option.group, option.name) for option in config.OPTIONS}
    authtoken = {
        "auth_type",
        "auth_url",
        "www_authenticate_uri",
        "username",
        "password",
        "project_name",
        "user_domain_name",
        "project_domain_name",
        "region_name",
        "service_type",
        "cafile",
    }
    libraries = {
        ("DEFAULT", "transport_url"),
        ("database", "connection"),
        ("oslo_middleware", "enable_proxy_headers_parsing"),
        ("oslo_messaging_rabbit", "ssl"),
        ("oslo_messaging_rabbit", "ssl_ca_file"),
        *(("keystone_authtoken", name) for name in authtoken),
    }
    assert written <= known | libraries


GROUPS = sorted(
    {option.group for option in config.OPTIONS} | {"database", "keystone_authtoken", "oslo_middleware", "cors"}
)


@given(
    flags=st.lists(
        st.tuples(
            st.sampled_from(GROUPS),
            st.sampled_from([str.lower, str.upper, str.title, str.swapcase]),
            st.sampled_from([option.name for option in config.OPTIONS] + ["connection", "password", "max_age"]),
        ),
        max_size=6,
    )
)
def test_no_section_stands_there_twice(flags: list[tuple[str, Callable[[str], str], str]]) -> None:
    """Whatever config-flags says, in whatever case, each section is written once: of two the later would win in oslo.config."""
    text_of_flags = ",".join(f"{change(group)}.{name}=1" for group, change, name in flags)
    chosen = replace(config.parse({"config-flags": text_of_flags}, cpus=4), problems=())
    lines = text(build.plan(replace(STATE, config=chosen, peers=PEERS)), CONFIG_FILE).splitlines()
    sections = [line.lower() for line in lines if line.startswith("[")]
    assert len(sections) == len(set(sections))
    assert conf(replace(STATE, config=chosen))["database"]["connection"].startswith("mysql+pymysql://")


PASSWORDS = st.text(
    alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=24
).filter(lambda text: text not in NOTHING) | st.sampled_from(
    [
        "$HOME",
        "a\\$b",
        "$$",
        "\\",
        "%s%(x)s",
        '"',
        "'quoted'",
        " spaced ",
        "#x",
        ";x",
        "[x]",
        "${x}",
        "a=b:c",
        "{{ x }}",
        "ü€",
    ]
)


@given(password=PASSWORDS)
def test_any_password_survives_the_file(password: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """oslo.config reads out exactly what keystone wrote into the bag, dollar signs, quotes, space and backslashes too."""
    assert isinstance(STATE.identity, Identity)
    content = text(build.plan(replace(STATE, identity=replace(STATE.identity, password=password))), CONFIG_FILE)
    names = (("keystone_authtoken", "password"), ("keystone_authtoken", "project_name"), ("DEFAULT", "host"))
    assert by_oslo(content, tmp_path_factory.getbasetemp(), *names) == [password, "services", "masakari-0"]


def test_internal_endpoints_are_honoured() -> None:
    """use-internal-endpoints chooses Nova's, Placement's and Keystone's internal addresses."""
    internal = conf(replace(STATE, config=config.Config(use_internal_endpoints=True)))
    assert internal["DEFAULT"]["nova_catalog_admin_info"] == "compute:nova:internalURL"
    assert internal["keystone_authtoken"]["auth_url"] == "http://10.0.0.52:5000/v3"
    public = conf(STATE)
    assert public["DEFAULT"]["nova_catalog_admin_info"] == "compute:nova:publicURL"
    assert public["keystone_authtoken"]["auth_url"] == "http://10.0.0.50:35357/v3"
    assert isinstance(STATE.identity, Identity)
    silent = replace(
        STATE, identity=replace(STATE.identity, internal_url=None), config=config.Config(use_internal_endpoints=True)
    )
    assert conf(silent)["keystone_authtoken"]["auth_url"] == "http://10.0.0.50:35357/v3"


def test_a_single_unit_in_plaintext_stands_alone() -> None:
    """Without peers, hacluster and TLS there is no haproxy, and the API listens where clients come."""
    plan = build.plan(STATE)
    assert [service.name for service in plan.services] == ["masakari-api", "masakari-engine"]
    assert "haproxy" not in plan.packages
    default = conf(STATE)["DEFAULT"]
    assert (default["masakari_api_listen"], default["masakari_api_listen_port"]) == ("0.0.0.0", "15868")
    v6 = replace(STATE, networks=Networks(bindings=dict.fromkeys(BINDINGS, HERE_V6)))
    assert conf(v6)["DEFAULT"]["masakari_api_listen"] == "::"
    assert set(haproxy.EVERY_FILE[1:]) <= set(plan.removed)


@pytest.mark.parametrize(
    "more",
    [{"peers": PEERS}, {"ha": Ha(is_related=True)}, {"certificates": ISSUED}, {"peers": PEERS, "certificates": ISSUED}],
    ids=["peers", "hacluster", "tls", "peers and tls"],
)
def test_behind_haproxy_plaintext_stays_on_loopback(more: dict[str, object]) -> None:
    """With haproxy in front the API listens on loopback only, and haproxy where clients and units come."""
    state = replace(STATE, **more)  # type: ignore[arg-type]
    default = conf(state)["DEFAULT"]
    assert (default["masakari_api_listen"], default["masakari_api_listen_port"]) == ("127.0.0.1", "15848")
    assert conf(state)["oslo_middleware"] == {"enable_proxy_headers_parsing": "true"}
    lines = text(build.plan(state), haproxy.CONFIG).splitlines()
    binds = [line.strip() for line in lines if line.strip().startswith("bind ")]
    assert binds[0].startswith(("bind *:15868", "bind :::15868"))
    assert all((" ssl crt " in bind) == ("certificates" in more) for bind in binds)
    assert any("10.0.0.5:15858" in bind for bind in binds) == ("peers" in more or "ha" in more)
    assert "    server masakari-0 127.0.0.1:15848 check inter 2s downinter 500ms fall 3 rise 2" in lines


def test_the_other_units_are_checked() -> None:
    """The peers' haproxy is reached over TLS whose certificate is verified; IPv6 is bracketed."""
    content = text(build.plan(replace(STATE, peers=PEERS, certificates=ISSUED)), haproxy.CONFIG)
    assert (
        f"server masakari-1 10.0.0.6:15858 check inter 2s downinter 500ms fall 3 rise 2 ssl verify required ca-file {haproxy.CA}"
        in content
    )
    assert "server masakari-2 [fd00::7]:15858 check" in content
    assert "http-request set-header X-Forwarded-Proto https" in content


def test_a_configured_certificate_goes_before_an_issued_one() -> None:
    """ssl_cert is used where it is set; without ssl_ca the system's CAs hold, and nothing is added to them."""
    other = pair("other")
    chosen = config.Config(pair=Pair(certificate=other[0], key=other[1]))
    plan = build.plan(replace(STATE, certificates=ISSUED, peers=PEERS, config=chosen))
    assert text(plan, haproxy.CERTIFICATES[0]) == other[0] + other[1]
    assert masakari_conf.SYSTEM_CA in text(plan, haproxy.CONFIG)
    assert plan.trusted == ()
    with_ca = build.plan(replace(STATE, config=replace(chosen, ca=CERTIFICATE)))
    assert with_ca.trusted == (("masakari.crt", CERTIFICATE),)


def test_each_name_shows_its_own_certificate() -> None:
    """The host's own name comes first: its certificate is shown to whoever names none of ours."""
    names = ("a.example", "unit.example", "z.example")
    issued = replace(ISSUED, pairs=tuple((name, Pair(certificate=pair(name)[0], key=pair(name)[1])) for name in names))
    plan = build.plan(replace(STATE, certificates=issued))
    assert text(plan, haproxy.CERTIFICATES[0]).startswith(pair("unit.example")[0])
    assert text(plan, haproxy.CERTIFICATES[1]).startswith(pair("a.example")[0])
    assert haproxy.CERTIFICATES[3] in plan.removed


def test_the_same_state_gives_the_same_plan() -> None:
    """Nothing in a plan depends on when, or in what order, it was made."""
    state = replace(STATE, peers=PEERS, certificates=ISSUED, inventory=INVENTORY)
    assert build.plan(state) == build.plan(replace(state))


def test_what_is_not_written_is_removed() -> None:
    """Each file that may be there is either written or named for removal."""
    everything = replace(
        STATE,
        inventory=INVENTORY,
        peers=PEERS,
        certificates=ISSUED,
        shared_db=SharedDb(host="h", port=1, password="x", ca=CERTIFICATE, certificate=CERTIFICATE, key=KEY),
        amqp=Amqp(brokers=(Broker(host="b", port=5671),), password="x", is_tls=True, ca=CERTIFICATE),
    )
    written = {file.path for file in build.plan(everything).files}
    bare = build.plan(STATE)
    kept = {file.path for file in bare.files} | {haproxy.CONFIG}
    assert written - kept <= set(bare.removed)
    assert not set(bare.removed) & {file.path for file in bare.files}


def test_services_read_what_they_are_restarted_for() -> None:
    """Every file of the plan that a program reads at its start is among what its service reads."""
    everything = replace(STATE, inventory=INVENTORY, peers=PEERS, certificates=ISSUED)
    plan = build.plan(everything)
    read = {path for service in plan.services for path in service.reads}
    unread = {file.path for file in plan.files} - read
    assert unread == {build.LOGROTATE, *(build.unit_path(program) for program in build.PROGRAMS)}


@pytest.mark.parametrize("program", build.PROGRAMS)
def test_units_are_hardened(program: str) -> None:
    """A unit runs its program as the system user, comes back whatever ended it, and may write its own folders only."""
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text(build.plan(STATE), build.unit_path(program)))
    service = unit["Service"]
    assert service["ExecStart"] == f"/opt/masakari/current/bin/{program} --config-file {CONFIG_FILE}"
    assert (service["User"], service["Restart"], service["KillMode"]) == ("masakari", "always", "mixed")
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["CapabilityBoundingSet"]) == (
        "strict",
        "yes",
        "",
    )
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_no_template_leaves_a_mark() -> None:
    """No file of a full plan holds a mark of its template, or a blank where a value belongs."""
    plan = build.plan(replace(STATE, inventory=INVENTORY, peers=PEERS, certificates=ISSUED))
    for file in plan.files:
        assert not re.search(r"{{|}}|{%|\bNone\b", file.content.replace(INVENTORY, "")), file.path
        assert file.content.endswith("\n")
