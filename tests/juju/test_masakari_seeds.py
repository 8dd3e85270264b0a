"""The masakari charm on three units under many orders of events, each of them one of Juju's: what comes of it is always the same.

It runs in the test's own process (see standin/inside.py), so that an order takes a second or two.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.juju import inside, masakari
from tests.juju.inside import Folder
from tests.juju.release import Database
from tests.juju.standin.charm import Charm, Endpoint
from tests.juju.standin.context import Context
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Unit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SEEDS = range(4)
UNITS = ("masakari/0", "masakari/1", "masakari/2")
BROKERS = 2
BREAKS = 12
SERVICES = ("masakari-api", "masakari-engine")
READY = "Unit is ready (no fencing-inventory: no host can be fenced)"
FILES = ("etc/masakari", "etc/haproxy/haproxy.cfg", "etc/logrotate.d", "usr/local/lib/systemd/system")
# Tools that every hook of ours calls.
TOOLS = ("config-get", "network-get", "relation-get", "relation-list", "is-leader", "resource-get", "status-set")
AGENT = Charm(
    name="agent",
    endpoints={"cos-agent": Endpoint(name="cos-agent", interface="cos_agent", role="requires", scope="container")},
    is_subordinate=True,
)


class Silent:
    """A charm that only joins."""

    def __init__(self, _: Unit) -> None:
        """Remember nothing."""

    def run(self, context: Context) -> None:
        """Take note of the hook."""


@dataclass(slots=True)
class Cloud:
    """A model with masakari in it, its machines and its database."""

    juju: Juju
    machines: dict[str, Folder]
    database: Database

    def statuses(self) -> set[tuple[str, str]]:
        """Return what the units show."""
        return {(unit.status.word, unit.status.message) for unit in self.juju.model.units_of("masakari")}

    def failed(self) -> list[str]:
        """Return the hooks that failed, with what was uncaught in them."""
        hooks = [f"{unit} {hook}" for unit in UNITS for hook in self.juju.history(unit) if hook.endswith("failed")]
        return hooks + [line for unit in UNITS for level, line in self.juju.model.unit(unit).log if level == "ERROR"]

    def starts(self) -> dict[str, int]:
        """Return how often the services were started."""
        return {
            f"{unit} {name}": self.machines[unit].recorders.service(name).starts for unit in UNITS for name in SERVICES
        }

    def outcome(self) -> dict[str, Any]:
        """Return all that must not depend on the order: statuses, our bags, ports, files and services of each unit."""
        model = self.juju.model
        found: dict[str, Any] = {"statuses": self.statuses(), "schema": self.database.schema}
        for name in UNITS:
            bags = {r.ends["masakari"]: r.bags[name] for r in model.relations_of("masakari")}
            services = self.machines[name].recorders.services
            found |= {
                f"{name} bags": bags,
                f"{name} ports": model.unit(name).ports,
                f"{name} files": {path: path_text(self.machines[name].root / path) for path in FILES},
                f"{name} services": {
                    service: (state.is_active, state.is_enabled, state.is_masked) for service, state in services.items()
                },
            }
        return found


def path_text(path: Path) -> dict[str, str]:
    """Return a file, or all files of a folder, by their names."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file.name: file.read_text() for file in files if file.is_file()}


def deploy(juju: Juju, database: Database) -> Cloud:
    """Deploy everything; nothing is related, and no hook has run."""
    masakari.deploy_cloud(juju, brokers=BROKERS)
    juju.deploy_script(AGENT, Silent)
    machines = inside.deploy(juju, database, config={"vip": masakari.VIP})
    return Cloud(juju, machines, database)


ENDS = [(f"masakari:{endpoint}", f"{name}:{endpoint}") for name, endpoint in masakari.RELATIONS.items()]
EVERY_END = [*ENDS, ("masakari:cos-agent", "agent:cos-agent")]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Three units with every relation, in Juju's usual order, settled."""
    database = Database()
    with masakari.make(tmp_path_factory.mktemp("usual"), database) as juju:
        made = deploy(juju, database)
        for one, other in EVERY_END:
            juju.integrate(one, other)
        juju.settle()
        yield made


def test_the_usual_order(cloud: Cloud) -> None:
    """Three units with every relation, a virtual IP and certificates settle in one go: active, clustered, TLS, one schema."""
    assert cloud.failed() == []
    assert cloud.statuses() == {("active", READY)}
    assert [verb for verb, _ in cloud.database.calls].count("db sync") == 1
    bag = next(r for r in cloud.juju.model.relations_of("masakari") if r.ends["masakari"] == "identity-service").bags
    assert {bag[unit]["public_url"] for unit in UNITS} == {f"https://{masakari.VIP}:15868/v1/%(tenant_id)s"}


@pytest.mark.parametrize("seed", SEEDS)
def test_other_orders_end_the_same(cloud: Cloud, tmp_path: Path, seed: int) -> None:
    """Relations come in any order, between any hooks, and peers answer late: no hook fails, and the end is that of the usual order."""
    chance, database = random.Random(seed), Database()
    with masakari.make(tmp_path, database, seed=seed) as juju:
        other = deploy(juju, database)
        late = chance.sample(list(masakari.RELATIONS), chance.randrange(len(masakari.RELATIONS)))
        for name in late:
            juju.config(name, {"mode": "late"})
        ends = chance.sample(EVERY_END, len(EVERY_END))
        for one, far in ends:
            juju.advance(chance.randrange(60))
            juju.integrate(one, far)
        for name in late:
            juju.advance(chance.randrange(60))
            juju.config(name, {"mode": "normal"})
        juju.settle()
        assert other.failed() == []
        assert other.outcome() == cloud.outcome()
        assert [verb for verb, _ in database.calls].count("db sync") == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_hooks_that_fail_are_made_up_for(cloud: Cloud, tmp_path: Path, seed: int) -> None:
    """Tools fail in the middle of hooks, here and there: each such hook fails, runs again, and the end is the usual one."""
    chance, database = random.Random(seed), Database()
    with masakari.make(tmp_path, database, seed=seed) as juju:
        other = deploy(juju, database)
        for one, far in chance.sample(EVERY_END, len(EVERY_END)):
            juju.integrate(one, far)
        for _ in range(BREAKS):
            juju.break_tool(chance.choice(UNITS), chance.choice(TOOLS))
            juju.advance(chance.randrange(1, 15))
        juju.settle(retries=BREAKS)
        assert [hook for unit in UNITS for hook in juju.history(unit) if hook.endswith("failed")]
        assert other.outcome() == cloud.outcome()


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end[0].partition(":")[2])
def test_a_relation_broken_and_joined_again(cloud: Cloud, end: tuple[str, str]) -> None:
    """While it is gone the units say so where they need it, and what runs goes on; joined again, all is as it was."""
    endpoint = end[0].partition(":")[2]
    before, starts = cloud.outcome(), cloud.starts()
    cloud.juju.remove_relation(*end)
    cloud.juju.settle()
    WITHOUT[endpoint](cloud)
    assert all(cloud.machines[unit].recorders.service(name).is_active for unit in UNITS for name in SERVICES)
    cloud.juju.integrate(*end)
    cloud.juju.settle()
    assert cloud.outcome() == before
    assert cloud.failed() == []
    # Each broker that goes or comes is another configuration of the service. Nothing else is.
    restarts = 2 * BROKERS if endpoint == "amqp" else 0
    assert {name: count - starts[name] for name, count in cloud.starts().items()} == dict.fromkeys(starts, restarts)


def without_database(cloud: Cloud) -> None:
    """The service cannot be configured without it."""
    assert cloud.statuses() == {("blocked", "'shared-db' missing")}


def without_keystone(cloud: Cloud) -> None:
    """Nor without this."""
    assert cloud.statuses() == {("blocked", "'identity-service' missing")}


def without_broker(cloud: Cloud) -> None:
    """It works without, and says what is worse."""
    ((word, message),) = cloud.statuses()
    assert (word, "no amqp: engines look at the database once a second" in message) == ("active", True)
    assert not [unit for unit in UNITS if "rabbit://" in text(cloud, unit, "etc/masakari/masakari.conf")]


def without_vault(cloud: Cloud) -> None:
    """The endpoint goes back to plaintext, haproxy too, and no key of before stays on the disk."""
    assert cloud.statuses() == {("active", READY)}
    bags = next(r for r in cloud.juju.model.relations_of("masakari") if r.ends["masakari"] == "identity-service").bags
    assert {bags[unit]["public_url"] for unit in UNITS} == {f"http://{masakari.VIP}:15868/v1/%(tenant_id)s"}
    for unit in UNITS:
        assert not re.search(r"^ *(bind|server) .* ssl", text(cloud, unit, "etc/haproxy/haproxy.cfg"), re.MULTILINE)
        assert not list((cloud.machines[unit].root / "etc/haproxy").glob("*.pem"))


def without_hacluster(cloud: Cloud) -> None:
    """systemd runs haproxy again, which goes on before the units; nobody carries the virtual IP now."""
    assert cloud.statuses() == {("active", READY)}
    for unit in UNITS:
        haproxy = cloud.machines[unit].recorders.service("haproxy")
        assert (haproxy.is_active, haproxy.is_enabled) == (True, True)


def text(cloud: Cloud, unit: str, path: str) -> str:
    """Return a file of a unit."""
    return (cloud.machines[unit].root / path).read_text()


WITHOUT = {
    "shared-db": without_database,
    "identity-service": without_keystone,
    "amqp": without_broker,
    "certificates": without_vault,
    "ha": without_hacluster,
}
