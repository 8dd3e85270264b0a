"""Files as deployers write them for upstream start this service, mean what they meant, and what is left of them is named."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy.pool import QueuePool

from vmha.cli.serving import name_paste_files, name_unread
from vmha.config_files import unread
from vmha.errors import ConfigurationError
from vmha.settings import Settings, load
from vmha.wiring import build_database

FOLDER = Path(__file__).parents[2] / "tests" / "config"
FILES = sorted(FOLDER.glob("*.conf"))
IGNORED = {
    "kolla": {
        "[database] max_retries",
        "[coordination] backend_url",
        "[oslo_concurrency] lock_path",
    },
    "openstack-helm": {
        "[DEFAULT] host_failure_recovery_threads",
        "[database] max_retries",
        "[wsgi] api_paste_config",
    },
    "charm": {
        "[DEFAULT] notification_driver",
        "[DEFAULT] wait_period_after_service_update",
        "[DEFAULT] check_expired_notifications_interval",
        "[DEFAULT] notifications_expired_interval",
        "[wsgi] api_paste_config",
    },
}
UNKNOWN = {
    "kolla": ("[DEFAULT] enabled_apis",),
    "openstack-helm": (),
    "charm": ("[DEFAULT] enabled_apis",),
    "openstack-ansible": ("[DEFAULT] enabled_apis", "[DEFAULT] ssl_cert_file"),
}


def read(name: str) -> Settings:
    """Load the file of a deployer."""
    return load(["--config-file", str(FOLDER / f"{name}.conf")], "masakari-api")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_taken_as_it_is(path: Path) -> None:
    """Database, broker, Nova's user, caller's check and address are what the file says."""
    settings = read(path.stem)
    assert settings.database_url.startswith("mysql+pymysql://masakari:not-a-secret@")
    assert settings.transport_url is not None
    assert settings.transport_url.startswith("rabbit://")
    assert settings.api.auth_strategy == "keystone"
    assert settings.api.masakari_api_listen_port == 15868
    assert settings.api.duplicate_notification_detection_interval == 180
    assert settings.config.config_file == [str(path)]


def test_there_is_one_for_each_deployer() -> None:
    """Four deployers, four files."""
    assert [path.stem for path in FILES] == ["charm", "kolla", "openstack-ansible", "openstack-helm"]


def test_kolla() -> None:
    """Kolla's address, log, region, CA and user of Nova count."""
    settings = read("kolla")
    assert settings.api.masakari_api_listen == "10.0.0.11"
    assert settings.log.log_dir == "/var/log/kolla/masakari"
    assert settings.cloud.os_region_name == "RegionOne"
    assert settings.cloud.nova_ca_certificates_file == "/etc/ssl/certs/ca-certificates.crt"
    assert settings.cloud.os_privileged_user_name == "nova"
    assert str(settings.state_path) == "/var/lib/masakari"


@pytest.mark.parametrize(
    ("name", "recycle", "kept"), [("kolla", 10, 1), ("charm", 200, 20), ("openstack-helm", 600, 20)]
)
def test_connections_to_the_database(name: str, recycle: int, kept: int) -> None:
    """What a deployer says of connections holds, since proxies and max_connections go by it; the rest is ours."""
    database = build_database(read(name))
    pool = database.pool
    assert isinstance(pool, QueuePool)
    assert (pool._recycle, pool.size(), pool._max_overflow) == (recycle, kept, 20)


def test_other_options_of_the_database(tmp_path: Path) -> None:
    """Overflow, the wait for a connection, and parameters that stand apart from the URL count; bounds of ours stay where none is given."""
    path = tmp_path / "masakari.conf"
    text = "[database]\nconnection = mysql+pymysql://u:p@db/masakari\nmax_overflow = 3\npool_timeout = 7\n"
    path.write_text(f"{text}connection_parameters = ssl_ca=/etc/ca.pem&read_timeout=9\n")
    database = build_database(load(["--config-file", str(path)], "masakari-api"))
    pool = database.pool
    assert isinstance(pool, QueuePool)
    assert (pool._max_overflow, pool._timeout) == (3, 7)
    assert database.url.query["ssl_ca"] == "/etc/ca.pem"
    assert (database.url.query["read_timeout"], database.url.query["write_timeout"]) == ("9", "20")


def test_a_number_of_connections_that_is_none(tmp_path: Path) -> None:
    """It is named, and nothing starts."""
    path = tmp_path / "masakari.conf"
    path.write_text("[database]\nmax_pool_size = many\n[DEFAULT]\nstate_path = /tmp\n")
    with pytest.raises(ConfigurationError, match=r"\[database\] max_pool_size cannot be used: .*many"):
        build_database(load(["--config-file", str(path)], "masakari-api"))


def test_openstack_ansible() -> None:
    """A service name with a space in it is no hindrance, and without a privileged user Nova sees that of [keystone_authtoken]."""
    settings = read("openstack-ansible")
    assert settings.cloud.nova_catalog_admin_info == "compute:Compute Service:adminURL"
    assert settings.cloud.os_privileged_user_name is None
    assert not settings.server.use_ssl


def test_openstack_helm() -> None:
    """One worker, five seconds to stop, domains by their name, and a database over TLS."""
    settings = read("openstack-helm")
    assert settings.cloud.os_region_name == "RegionOne"
    assert build_database(settings).url.query["ssl_key"] == "/etc/mysql/certs/tls.key"
    assert settings.server.masakari_api_workers == 1
    assert settings.server.graceful_shutdown_timeout == 5
    assert settings.cloud.os_user_domain_name == "service"


def test_charm() -> None:
    """The charm's user is in the domain of services."""
    settings = read("charm")
    assert settings.cloud.os_user_domain_name == "service_domain"
    assert settings.cloud.os_privileged_user_tenant == "services"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_nobody_reads_is_one_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each option that is ignored or unknown is named, once, in one line without a value, and nothing else is."""
    settings = read(path.stem)
    with caplog.at_level(logging.INFO):
        name_unread(settings)
    (record,) = caplog.records
    fields = record.__dict__["fields"]
    assert record.levelno == logging.WARNING
    assert fields["unknown"] == (", ".join(UNKNOWN[path.stem]) or None)
    ignored = fields["ignored"].split(", ")
    assert len(ignored) == len(set(ignored))
    if path.stem in IGNORED:
        assert set(ignored) == IGNORED[path.stem]
    else:
        assert len(ignored) == 16
    assert "not-a-secret" not in str(fields)


def test_a_file_of_ours_alone_warns_of_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without upstream's leftovers there is no line; credentials in a section of their own are no leftovers."""
    path = tmp_path / "masakari.conf"
    path.write_text(
        "[DEFAULT]\nhost = a\n[recovery]\nmove_attempts = 2\n[keystone_authtoken]\nauth_section = nova\n[nova]\nusername = u\n"
    )
    with caplog.at_level(logging.INFO):
        name_unread(load(["--config-file", str(path)], "masakari-api"))
    assert not caplog.records


def test_a_misspelt_option_is_named(tmp_path: Path) -> None:
    """A name that nobody knows is called unknown, and starts nothing else."""
    path = tmp_path / "masakari.conf"
    path.write_text("[recovery]\nmove_attemps = 2\n[fencing]\nInventory = x\n")
    left = unread(load(["--config-file", str(path)], "masakari-engine").config)
    assert left.unknown == ("[recovery] move_attemps", "[fencing] Inventory")
    assert left.ignored == ()


@pytest.mark.parametrize("setting", ["", "[wsgi]\napi_paste_config = {folder}/api-paste.ini\n"])
def test_an_api_paste_file_is_ignored_and_named(setting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A paste file that is there, beside masakari.conf or where the option says, is one line of the log."""
    path = tmp_path / "masakari.conf"
    path.write_text(setting.format(folder=tmp_path))
    settings = load(["--config-file", str(path)], "masakari-api")
    with caplog.at_level(logging.INFO):
        name_paste_files(settings)
        assert not caplog.records
        (tmp_path / "api-paste.ini").write_text("this is no paste file")
        name_paste_files(settings)
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]["path"]) == ("api-paste-ignored", tmp_path / "api-paste.ini")
