"""Who may do what: policy.yaml overrides upstream's defaults, at once, and a mistake in it changes nothing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from unit_tests.api.world import World
from vmha.api.call import Caller
from vmha.api.middleware import CALLER, _bearers
from vmha.api.policy import Policy
from vmha.errors import ConfigurationError

READER = Caller(user_id="u", user_name="ann", project_id="p", roles=("reader",), is_admin=False)
LIST, CREATE = "segments:index", "segments:create"
OPEN = '"os_masakari_api:segments:index": "role:reader"\n'

Write = Callable[[str], None]


@pytest.fixture
def config(tmp_path: Path) -> cfg.ConfigOpts:
    """Give a configuration that names a policy file and a folder of them."""
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "masakari.conf").write_text(
        f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\npolicy_dirs = {tmp_path}/policy.d\n"
    )
    config = cfg.ConfigOpts()
    config(["--config-file", str(tmp_path / "masakari.conf")], project="masakari")
    return config


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a pen for the policy file; each text is younger than the one before."""
    moments = iter(range(1, 1000))

    def to(text: str, name: str = "policy.yaml") -> None:
        path = tmp_path / name
        path.write_text(text)
        now = time.time() + next(moments)
        os.utime(path, (now, now))

    return to


def allows(policy: Policy, rule: str) -> bool:
    """Ask for the reader, as each request does: after a look at the files."""
    policy.read_again()
    return policy.allows(READER, rule)


def test_an_override_counts_and_the_rest_stays(config: cfg.ConfigOpts, write: Write) -> None:
    """A rule of the file takes the place of the default; rules that it does not have keep theirs."""
    write(OPEN)
    policy = Policy(config)
    assert policy.allows(READER, LIST)
    assert not policy.allows(READER, CREATE)


TOKEN = {
    "HTTP_X_USER_ID": "u",
    "HTTP_X_USER_NAME": "ann",
    "HTTP_X_USER_DOMAIN_ID": "heimat",
    "HTTP_X_ROLES": "reader, member",
    "HTTP_OPENSTACK_SYSTEM_SCOPE": "all",
    "HTTP_X_SERVICE_USER_ID": "nova",
    "HTTP_X_SERVICE_ROLES": "service",
}
"""What keystonemiddleware writes of a token with system scope, sent by a service."""


@pytest.mark.parametrize(
    ("check", "passes"),
    [
        ("role:reader and system_scope:all", True),
        ("role:reader and system_scope:none", False),
        ("user_domain_id:heimat", True),
        ("user_domain_id:%(project_id)s", False),
        ("service_user_id:nova", True),
        ("is_admin_project:True", True),
        ("rule:admin_api", False),
    ],
)
def test_rules_may_ask_what_upstreams_may(check: str, passes: bool, config: cfg.ConfigOpts, write: Write) -> None:
    """Scope, domains and the calling service are known to a rule under the names that oslo.context gives them."""
    write(f'"os_masakari_api:segments:index": "{check}"\n')
    policy = Policy(config)
    assert policy.allows(bearer(policy, TOKEN), LIST) is passes


def test_an_administrator_may_be_one_by_scope(config: cfg.ConfigOpts, write: Write) -> None:
    """context_is_admin is asked with all of that, too, and a user's id is its own target."""
    write('"context_is_admin": "role:admin and system_scope:all"\n')
    policy = Policy(config)
    assert bearer(policy, {**TOKEN, "HTTP_X_ROLES": "admin"}).is_admin
    assert not bearer(policy, {**TOKEN, "HTTP_X_ROLES": "admin", "HTTP_OPENSTACK_SYSTEM_SCOPE": "none"}).is_admin
    write('"context_is_admin": "user_id:%(user_id)s"\n')
    policy.read_again()
    assert bearer(policy, TOKEN).is_admin


def bearer(policy: Policy, token: dict[str, str]) -> Caller:
    """Return who a token says that its bearer is."""
    seen: list[Caller] = []

    def app(environ: dict[str, Any], _start: object) -> list[bytes]:
        seen.append(environ[CALLER])
        return []

    _bearers(policy)(app)(dict(token), lambda *_: None)
    return seen[0]


def test_a_change_counts_from_the_next_request_on(config: cfg.ConfigOpts, write: Write) -> None:
    """The file is read again when it changed, also when it comes or goes; so is the folder of policies."""
    write("{}\n")
    policy = Policy(config)
    assert not allows(policy, LIST)
    write(OPEN)
    assert allows(policy, LIST)
    write('"os_masakari_api:segments:create": "role:reader"\n')
    assert (allows(policy, LIST), allows(policy, CREATE)) == (False, True)
    write(OPEN, "policy.d/more.yaml")
    assert (allows(policy, LIST), allows(policy, CREATE)) == (True, True)


def test_the_api_looks_at_the_files_before_each_request(tmp_path: Path, write: Write) -> None:
    """A rule that changed refuses the next request, and lets the one after it pass when it changed back."""
    world = World(tmp_path, policy={})
    assert world.call("GET", "/v1/segments").status_int == 200
    write('"os_masakari_api:segments:index": "!"\n')
    assert world.call("GET", "/v1/segments").status_int == 403
    write("{}\n")
    assert world.call("GET", "/v1/segments").status_int == 200


@pytest.mark.parametrize("name", ["policy.yaml", "policy.d/more.yaml"])
def test_a_mistake_leaves_the_rules_as_they_were(
    name: str, config: cfg.ConfigOpts, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is no YAML while we run refuses nobody and opens nothing; the log says so once, and the cure counts."""
    write(OPEN)
    write('"os_masakari_api:segments:delete": "role:reader"\n', "policy.d/more.yaml")
    policy = Policy(config)
    with caplog.at_level(logging.ERROR, "vmha"):
        write("{no yaml: [", name)
        for _ in range(3):
            assert allows(policy, LIST)
            assert allows(policy, "segments:delete")
            assert not allows(policy, CREATE)
    assert [record.getMessage() for record in caplog.records] == ["policy-file-unreadable"]
    write('"os_masakari_api:segments:create": "role:reader"\n', name)
    assert allows(policy, CREATE)


def test_rules_are_never_half_read(config: cfg.ConfigOpts, write: Write) -> None:
    """While one thread reads files that change, no other one is judged by a part of them."""
    write('"os_masakari_api:segments:index": "!"\n')
    write(OPEN, "policy.d/more.yaml")
    policy = Policy(config)
    verdicts: list[bool] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            verdicts.append(allows(policy, LIST))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    changes, end = 0, time.monotonic() + 60
    while (changes < 20 or len(verdicts) <= 20) and time.monotonic() < end:
        write('"os_masakari_api:segments:index": "!"\n')
        time.sleep(0.01)
        changes += 1
    done.set()
    for thread in threads:
        thread.join()
    assert len(verdicts) > 20
    assert all(verdicts)


def test_a_mistake_at_start_is_refused(config: cfg.ConfigOpts, write: Write) -> None:
    """A folder of policies with a mistake in it keeps the service from starting, with a message."""
    write("- a list\n", "policy.d/more.yaml")
    with pytest.raises(ConfigurationError, match="cannot use the policy file"):
        Policy(config)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (
            "oslopolicy-sample-generator",
            '# Create a segment.\n# POST  /v1/segments\n#"os_masakari_api:segments:create"',
        ),
        ("oslopolicy-policy-generator", '"os_masakari_api:segments:index": "role:reader"'),
        ("oslopolicy-list-redundant", '"os_masakari_api:segments:create": "rule:admin_api"'),
    ],
)
def test_oslos_generators_know_us(program: str, expected: str, tmp_path: Path, write: Write) -> None:
    """Each command takes `--namespace masakari`, those that read the policy file find it by masakari.conf."""
    write(OPEN + '"os_masakari_api:segments:create": "rule:admin_api"\n')
    (tmp_path / "masakari.conf").write_text(f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")
    command = [str(Path(sys.executable).with_name(program)), "--namespace", "masakari"]
    if program != "oslopolicy-sample-generator":
        command += ["--config-file", str(tmp_path / "masakari.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_the_validator_names_a_mistake(tmp_path: Path, write: Write) -> None:
    """`oslopolicy-validator` fails for a rule that refers to none."""
    write('"os_masakari_api:segments:index": "rule:nobody"\n')
    (tmp_path / "masakari.conf").write_text(f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")
    program = str(Path(sys.executable).with_name("oslopolicy-validator"))
    command = [program, "--namespace", "masakari", f"--config-file={tmp_path}/masakari.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode != 0
    assert "segments:index" in done.stdout + done.stderr
