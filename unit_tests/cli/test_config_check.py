"""masakari-manage config check: what API and engine would refuse, said beforehand and all at once."""

from __future__ import annotations

import pytest

from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Installed

INVENTORY = """\
hosts:
  c2: {ipmi: {address: 10.0.0.2, user: admin, password: pw-of-bmc}}
  c1: {ipmi: {address: "fd00::1", user: admin, password: pw-of-bmc}}
"""


def test_it_shows_what_would_be_used(installed: Installed, manage: Manage) -> None:
    """A good configuration is shown with the values that were set and every BMC, and without any password: exit 0."""
    installed.inventory.write_text(INVENTORY)
    installed.configure(
        DEFAULT={
            "transport_url": "rabbit://masakari:pw-of-rabbit@rabbit/masakari",
            "os_privileged_user_password": "pw-of-nova",
        },
        database={"connection": "mysql+pymysql://masakari:pw-of-db@db/masakari?ssl_ca=/etc/ca"},
        recovery={"shared_storage": "true"},
    )
    code, out, err = manage("config", "check")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "engine    engine-1" in lines
    assert "database  mysql+pymysql://masakari:***@db/masakari" in lines
    assert "broker    set" in lines
    assert f"fencing   {installed.inventory}: 2 hosts" in lines
    assert lines.index("          c1 by ipmi at [fd00::1]:623") < lines.index("          c2 by ipmi at 10.0.0.2:623")
    assert "[recovery] shared_storage = true" in lines
    assert "[DEFAULT] os_privileged_user_password = (not shown)" in lines
    assert "pw-of" not in out


def test_it_shows_where_alerts_and_metrics_go(installed: Installed, manage: Manage) -> None:
    """Webhooks stand there by their hosts, without path and password; nothing configured is said as that."""
    assert "alerts    lines of the log of the engine only" in manage("config", "check")[1].splitlines()
    secret = installed.folder / "secret"
    secret.write_text("pw-of-alerts-0123456789")
    secret.chmod(0o600)
    webhooks = "https://me:pw-of-hook@hooks.example.org/pw-of-path, http://[::1]:8080/other"
    installed.configure(
        alerts={"webhooks": webhooks, "secret_file": secret, "proxy": "http://me:pw-of-proxy@proxy:3128"},
        metrics={"engine_port": 9797, "api_enabled": "true"},
    )
    code, out, err = manage("config", "check")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "alerts    to 2 webhooks, signed" in lines
    assert [line for line in lines if line.startswith("          https://hooks.example.org (")]
    assert "metrics   engine: 127.0.0.1:9797, API: /metrics" in lines
    assert "[alerts] webhooks = (not shown)" in lines
    assert f"[alerts] secret_file = {secret}" in lines
    assert "pw-of" not in out


def test_what_is_ignored_is_said_with_the_reason(installed: Installed, manage: Manage) -> None:
    """Options that nobody reads are listed, those of upstream's with the reason; the check passes all the same."""
    installed.configure(DEFAULT={"notification_delay_max": "3", "surprise": "1"})
    code, out, err = manage("config", "check")
    assert (code, err) == (0, "")
    why = "the database decides what is a duplicate, without a delay"
    assert f"[DEFAULT] notification_delay_max is ignored: {why}" in out.splitlines()
    assert "[DEFAULT] surprise is unknown, and ignored" in out.splitlines()


def test_what_the_operator_chose_is_shown(installed: Installed, manage: Manage) -> None:
    """Each choice of recovery.yaml is a line; a fault in it, and a task that is not upstream's, are named together: exit 2."""
    path = installed.path.with_name("recovery.yaml")
    path.write_text("default: {host: confirm}\nsegments: {rack-1: {host: power_off}}\n")
    installed.configure(recovery={"policy_file": str(path)})
    code, out, _ = manage("config", "check")
    assert code == 0
    lines = out.splitlines()
    at = lines.index(f"policy    {path}: 2 choices")
    assert lines[at + 1 : at + 3] == [
        "          host in all other segments: confirm",
        "          host in segment rack-1: power_off",
    ]
    path.write_text("default: {host: no}\n")
    flows = {"process_failure_recovery_tasks": "pre:[my_task],main:[],post:[]"}
    installed.configure(recovery={"policy_file": str(path)}, taskflow_driver_recovery_flows=flows)
    code, _, err = manage("config", "check")
    assert code == 2
    assert f'{path}:1: default: host "no" is no workflow' in err
    assert "names the task my_task" in err


def test_no_inventory_is_said(installed: Installed, manage: Manage) -> None:
    """Without an inventory the programs start, so the check passes, and says that no host can be fenced."""
    installed.inventory.unlink()
    code, out, err = manage("config", "check")
    assert (code, err) == (0, "")
    assert f"fencing   {installed.inventory}: 0 hosts, so none can be fenced" in out


def test_a_value_that_cannot_be_used_is_named(installed: Installed, manage: Manage) -> None:
    """An option out of its bounds is one line with option, value, file and what would do: exit 2."""
    installed.configure(recovery={"heartbeat_silence_seconds": "soon"})
    code, out, err = manage("config", "check")
    assert (code, out) == (2, "")
    assert err == (
        f"masakari-manage: [recovery] heartbeat_silence_seconds = soon in {installed.path} cannot be used: "
        "it must be a number from 3 to 86400 seconds\n"
    )


def test_all_faults_are_named_at_once(installed: Installed, manage: Manage) -> None:
    """Database, broker, inventory and log are each looked at, though another one is wrong; no password is shown."""
    installed.inventory.write_text(INVENTORY.replace("10.0.0.2", "10.0.0.777"))
    installed.configure(
        DEFAULT={"transport_url": "carrier-pigeon://u:pw-of-bird@nowhere/", "log_dir": installed.folder / "nowhere"},
        database={"connection": "mysgl://masakari:pw-of-db@db/masakari"},
        alerts={"webhooks": "ftp://hooks/pw-of-path", "secret_file": "/nowhere/secret"},
    )
    code, out, err = manage("config", "check")
    assert (code, out) == (2, "")
    assert [
        line for line in err.splitlines() if line.startswith("masakari-manage: [database] connection cannot be used")
    ]
    assert "[DEFAULT] transport_url cannot be used" in err
    assert f'{installed.inventory}:2: host c2: address "10.0.0.777" is neither' in err
    assert f"cannot log to {installed.folder}/nowhere/masakari-engine.log" in err
    assert err.count("[database] connection") == 1
    assert "[alerts] webhooks: URL number 1 of 1 cannot be used: it does not begin with http:// or https://" in err
    assert "[alerts] secret_file = /nowhere/secret cannot be used: there is no such file" in err
    assert "pw-of" not in err


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_file_may_be_named_on_either_side(place: str, installed: Installed, manage: Manage) -> None:
    """--config-file stands before the command as everywhere, or behind it; there it is the one that counts."""
    other = installed.folder / "other.conf"
    other.write_text(installed.path.read_text().replace("engine-1", "engine-2"))
    # The fixture names its file before the command already.
    arguments = ("config", "check", "--config-file", str(other)) if place == "after" else ("config", "check")
    code, out, _ = manage(*arguments)
    assert code == 0
    assert out.startswith(f"engine    engine-{2 if place == 'after' else 1}\n")


def test_it_leaves_no_trace(installed: Installed, manage: Manage) -> None:
    """The check makes neither a database nor a log file, which would belong to the wrong user."""
    installed.configure(DEFAULT={"log_dir": installed.folder})
    before = {path.name for path in installed.folder.iterdir()}
    assert manage("config", "check")[0] == 0
    assert {path.name for path in installed.folder.iterdir()} == before
