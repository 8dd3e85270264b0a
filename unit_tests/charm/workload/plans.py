"""The plan of a unit with API, engine and haproxy, as the tests begin with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from masakari_charm.plan import CONFIG_FILE, FENCING_FILE, File, Plan, Service
from unit_tests.charm.workload.fake_system import WHEELS

UNITS = "/usr/local/lib/systemd/system"
HAPROXY_FILE = "/etc/haproxy/haproxy.cfg"
CERTIFICATE_FILE = "/etc/haproxy/masakari.pem"

API = Service(name="masakari-api", reads=(CONFIG_FILE,), runs_release=True)
ENGINE = Service(name="masakari-engine", reads=(CONFIG_FILE, FENCING_FILE), runs_release=True)
HAPROXY = Service(name="haproxy", reads=(HAPROXY_FILE, CERTIFICATE_FILE), can_reload=True, stands_before="masakari-api")

FILES = (
    File(
        path=CONFIG_FILE, content=f"[fencing]\ninventory = {FENCING_FILE}\n", mode=0o640, owner="root", group="masakari"
    ),
    File(path=FENCING_FILE, content="hosts: {}\n", mode=0o600, owner="masakari", group="masakari", is_secret=True),
    File(path=HAPROXY_FILE, content=f"bind :15868 ssl crt {CERTIFICATE_FILE}\n"),
    File(path=CERTIFICATE_FILE, content="PEM\n", mode=0o600, is_secret=True),
    File(path=f"{UNITS}/masakari-api.service", content="[Service]\n"),
    File(path=f"{UNITS}/masakari-engine.service", content="[Service]\n"),
)

PLAN = Plan(
    wheels=WHEELS,
    packages=("haproxy", "python3-venv"),
    files=FILES,
    services=(HAPROXY, API, ENGINE),
    is_complete=True,
    may_migrate=True,
)


def plan(**changes: Any) -> Plan:
    """Return the plan with these fields instead."""
    return replace(PLAN, **changes)


def with_file(path: str, content: str, **changes: Any) -> Plan:
    """Return the plan with other content in one of its files."""
    files = tuple(replace(file, content=content) if file.path == path else file for file in FILES)
    return plan(files=files, **changes)
