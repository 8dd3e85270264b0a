"""masakari.conf becomes settings, or a message that names what to correct."""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING

import pytest
from oslo_config import cfg

from vmha import config_files
from vmha.alert_settings import AlertSettings, MetricsSettings
from vmha.core.policy import LocalDisk, Policy
from vmha.errors import ConfigurationError
from vmha.options import OPTIONS, Option
from vmha.settings import (
    NEEDS,
    ApiSettings,
    CloudSettings,
    EngineSettings,
    FencingSettings,
    LogSettings,
    ServerSettings,
    Settings,
    TaskflowSettings,
    load,
)

if TYPE_CHECKING:
    from pathlib import Path

PARTS = (
    *(Policy, AlertSettings, ApiSettings, CloudSettings, EngineSettings, FencingSettings, LogSettings),
    *(MetricsSettings, ServerSettings, TaskflowSettings),
)
# Fields of Settings itself that are options; `engine` is the option `host`.
OWN = frozenset({"host", "policy_file", "state_path", "service_disable_reason"})
# Fields that the fencing inventory and recovery.yaml fill.
OF_THE_INVENTORY = frozenset({"detector_segments", "workflows"})


@pytest.fixture(autouse=True)
def no_installed_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep a masakari.conf of this machine out of the tests."""
    monkeypatch.setattr(config_files, "CONFIG_FILE", tmp_path / "etc" / "masakari.conf")
    monkeypatch.setattr(config_files, "CONFIG_FOLDER", tmp_path / "etc" / "masakari.conf.d")


def read(folder: Path, *texts: str) -> Settings:
    """Write each text to a file and load them in this order."""
    argv = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.conf"
        path.write_text(text)
        argv += ["--config-file", str(path)]
    return load(argv, "masakari-engine")


@pytest.mark.parametrize("word", ["--log-file={}", "--logfile={}"])
def test_the_log_may_be_set_on_the_command_line(tmp_path: Path, word: str) -> None:
    """Debian's and Ubuntu's services start upstream with --log-file: it goes before the file, as --debug does, and other words are refused."""
    path = tmp_path / "masakari.conf"
    path.write_text("[DEFAULT]\nlog_file = /var/log/other.log\nlog_dir = /var/log\ndebug = false\n")
    words = ["--config-file", str(path)]
    spoken = load([*words, word.format("/var/log/api.log"), "--log-dir=/srv", "-d"], "masakari-api").log
    assert spoken == LogSettings(debug=True, log_file="/var/log/api.log", log_dir="/srv")
    assert load(words, "masakari-api").log == LogSettings(
        debug=False, log_file="/var/log/other.log", log_dir="/var/log"
    )
    with pytest.raises(SystemExit):
        load([*words, "--host=other"], "masakari-api")


def test_every_option_has_a_user_and_every_field_an_option() -> None:
    """The fields of all parts and the table of options name the same things, each once."""
    fields = [field.name for part in PARTS for field in dataclasses.fields(part)]
    names = [option.field for option in OPTIONS]

    assert len(set(names)) == len(names)
    assert len(set(fields)) == len(fields)
    assert set(fields) - OF_THE_INVENTORY | OWN == set(names)


def test_defaults_of_the_table_are_the_defaults_of_the_policy() -> None:
    """An empty file gives the policy that `Policy()` describes."""
    assert load([], "masakari-engine").policy == Policy()


def test_an_empty_configuration_is_enough_to_read(tmp_path: Path) -> None:
    """Without any file the database is SQLite in state_path, there is no broker, and the engine is named after the machine."""
    loaded = load([], "masakari-engine")

    assert loaded.engine == socket.gethostname()
    assert loaded.database_url == "sqlite:////var/lib/masakari/masakari.sqlite"
    assert loaded.transport_url is None


def test_an_upstream_file_is_read_as_it_is(tmp_path: Path) -> None:
    """Upstream's names count, options that are not ours are left alone, and `$` refers to other options."""
    loaded = read(
        tmp_path,
        """
[DEFAULT]
enabled_apis = masakari_api
masakari_api_workers = 4
notification_driver = taskflow_driver
wait_period_after_service_update = 60
log_dir = /var/log/masakari
host = ha-1
state_path = /srv/masakari
transport_url = rabbit://masakari:not-a-secret@10.0.0.5:5672/openstack
nova_catalog_admin_info = compute:nova:internalURL
os_privileged_user_name = nova
os_privileged_user_password = not-a-secret
[database]
connection = mysql+pymysql://masakari:not-a-secret@10.0.0.5/masakari
max_retries = -1
[host_failure]
evacuate_all_instances = True
ignore_instances_in_error_state = yes
[taskflow]
connection = mysql+pymysql://masakari:not-a-secret@10.0.0.5/masakari
[coordination]
backend_url = redis://10.0.0.5
""",
    )

    assert loaded.engine == "ha-1"
    assert loaded.policy.ignore_instances_in_error_state is True
    assert str(loaded.state_path) == "/srv/masakari"
    assert loaded.database_url.startswith("mysql+pymysql://")
    assert loaded.transport_url is not None
    assert loaded.cloud.os_privileged_user_name == "nova"
    assert loaded.log.log_dir == "/var/log/masakari"


def test_later_files_win(tmp_path: Path) -> None:
    """Files count in the order in which they are named."""
    loaded = read(
        tmp_path,
        "[recovery]\nmove_attempts = 2\nlocal_disk = rebuild\n",
        "[recovery]\nmove_attempts = 5\n",
    )

    assert loaded.policy.move_attempts == 5
    assert loaded.policy.local_disk is LocalDisk.REBUILD


def test_the_usual_places_are_read(tmp_path: Path) -> None:
    """Without --config-file the installed file is read, and then the folder beside it."""
    folder = tmp_path / "etc" / "masakari.conf.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc" / "masakari.conf").write_text("[DEFAULT]\nhost = a\ndebug = true\n")
    (folder / "10-site.conf").write_text("[DEFAULT]\nhost = b\n")

    loaded = load([], "masakari-engine")

    assert (loaded.engine, loaded.log.debug) == ("b", True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[recovery]\nmove_attempts = many", "a whole number from 1 to 20"),
        ("[recovery]\nmove_attempts = 0", "a whole number from 1 to 20"),
        ("[recovery]\nmove_attempts = 21", "a whole number from 1 to 20"),
        ("[fencing]\nproof_valid_seconds = 601", "a number from 5 to 600 seconds"),
        ("[fencing]\nproof_valid_seconds = nan", "a number from 5 to 600 seconds"),
        ("[recovery]\nlocal_disk = maybe", "one of wait, rebuild"),
        ("[recovery]\nshared_storage = maybe", "true or false"),
        ("[DEFAULT]\nmasakari_api_listen_port = 70000", "a port"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    """The message has group, option, value and file, and says what would do."""
    group, setting = line.split("\n")

    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, "[DEFAULT]\ndebug = true\n", line + "\n")

    assert f"{group} {setting} in {tmp_path}/1.conf cannot be used: it must be {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fencing]\nproof_valid_seconds = 15\n", r"\[fencing\] proof_valid_seconds = 15 \(.*0.conf\).* = 18: .*raise"),
        ("[fencing]\nproof_valid_seconds = 18\n", "must be more than proof_refresh_seconds"),
        (
            "[fencing]\npower_call_seconds = 13\n",
            r"\[engine\] order_seconds = 12 .* at least power_call_seconds \(13\)",
        ),
        ("[engine]\nlease_seconds = 2\n", "lease_seconds"),
        ("[fencing]\nfence_seconds = 18\n", "fence_seconds"),
        ("[recovery]\nwitness_interval_seconds = 12\n", "off_silence_seconds"),
        ("[recovery]\nheartbeat_silence_seconds = 3\nwitness_interval_seconds = 3\n", "heartbeat_silence_seconds"),
        ("[recovery]\nmove_seconds = 11\n", "move_seconds"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """A bound between options is checked, and the message has both sides and why."""
    with pytest.raises(ConfigurationError, match=said):
        read(tmp_path, text)


def test_every_bound_between_options_holds_for_the_defaults() -> None:
    """The product as it ships passes its own checks, and each check names options that exist."""
    names = {option.field for option in OPTIONS}

    assert all({need.option, *need.parts} <= names for need in NEEDS)
    load([], "masakari-engine")


def test_lease_terms_leave_time_for_the_longest_order(tmp_path: Path) -> None:
    """A successor waits for the lease, the longest order and the margin, and then looks once in each poll interval."""
    text = "[engine]\nlease_seconds = 10\norder_seconds = 20\ntakeover_margin_seconds = 2\npoll_seconds = 0.5\n"
    loaded = read(tmp_path, text)

    assert loaded.engine_settings.lease_terms.lease_seconds == 10
    assert loaded.engine_settings.lease_terms.claim_after_seconds == 22
    assert loaded.engine_settings.takeover_seconds == 32.5


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    """What prints settings prints no password, and no URL that may carry one."""
    loaded = read(
        tmp_path,
        "[DEFAULT]\nos_privileged_user_password = not-a-secret\ntransport_url = rabbit://u:not-a-secret@h/\n"
        "[database]\nconnection = mysql+pymysql://u:not-a-secret@h/masakari\n"
        "[keystone_authtoken]\npassword = not-a-secret\n",
    )

    assert "not-a-secret" not in repr(loaded)


def test_every_option_that_sounds_secret_is_one() -> None:
    """An option with password, secret or token in its name is marked, so that no message shows its value."""
    assert all(option.secret for option in OPTIONS if sounds_secret(option))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[DEFAULT]\nos_privileged_user_password = pa$word\n",
            r"\[DEFAULT\] os_privileged_user_password .* write \$\$",
        ),
        ("[fencing]\ninventory = $nowhere/fencing.yaml\n", r"\[fencing\] inventory .* write \$\$"),
        ("[DEFAULT]\nhost = ha 1\n", "host"),
        ("[DEFAULT]\nnova_catalog_admin_info = compute\n", "nova_catalog_admin_info = compute .*internalURL"),
        ("no section\n", r"0.conf"),
    ],
)
def test_other_mistakes_say_what_to_correct(tmp_path: Path, text: str, said: str) -> None:
    """A dollar in a password, a name with a blank, a half catalog entry and a broken file are named."""
    with pytest.raises(ConfigurationError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong --config-file is a message with its path."""
    with pytest.raises(ConfigurationError, match=r"there is no .*nowhere\.conf"):
        load(["--config-file", str(tmp_path / "nowhere.conf")], "masakari-engine")


def test_an_empty_number_is_its_default(tmp_path: Path) -> None:
    """A template whose variable was empty leaves the default standing, for numbers too."""
    texts = "masakari_api_workers =\nosapi_max_limit =\n[fencing]\nfence_seconds =\nfence_attempts =\n[wsgi]\ntcp_keepidle =\n"
    found, expected = read(tmp_path, f"[DEFAULT]\n{texts}"), load([], "masakari-engine")
    assert (found.policy, found.api, found.server) == (expected.policy, expected.api, expected.server)


def test_options_of_libraries_may_name_ours(tmp_path: Path) -> None:
    """`$state_path` and `$host` stand for their values in options of libraries too, as in upstream's one namespace."""
    text = "[DEFAULT]\nstate_path = /srv/masakari\nhost = ha-1\n[oslo_policy]\npolicy_file = ${state_path}/$host/policy.yaml\n"
    loaded = read(tmp_path, f"{text}[database]\nconnection = sqlite:///$state_path/masakari.sqlite\n")
    loaded.config.register_opt(cfg.StrOpt("policy_file"), group="oslo_policy")
    assert loaded.config.oslo_policy.policy_file == "/srv/masakari/ha-1/policy.yaml"
    assert loaded.database_url == "sqlite:////srv/masakari/masakari.sqlite"


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    """`os_region_name =` means the same as leaving the line out."""
    loaded = read(tmp_path, "[DEFAULT]\nos_region_name =\nstate_path =\n")

    assert loaded.cloud.os_region_name is None
    assert str(loaded.state_path) == "/var/lib/masakari"


def sounds_secret(option: Option) -> bool:
    """Tell whether an option's name says that its value is secret; where a file lies is none."""
    return any(word in option.name for word in ("password", "secret", "token")) and not option.name.endswith("_file")
