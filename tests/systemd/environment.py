"""Everything that one unit's life needs, and how the tests look at the unit: as an operator would, with systemctl and Juju."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from openstack.exceptions import HttpException

from tests.cloud.rig import environments
from tests.cloud.rig.waiting import until
from tests.juju.peers import vault
from tests.juju.standin.errors import JujuError
from tests.juju.standin.model import SPACES, Status
from tests.systemd import releases, rootfs
from tests.systemd.container import Container
from tests.systemd.model import RealMachines
from tests.systemd.neighbours import HOSTS, Neighbours, plain_session
from tests.systemd.network import own_network
from tests.systemd.releases import Release
from vmha.sim.stage import QUICK

UNIT = "masakari/0"
API, ENGINE = "masakari-api", "masakari-engine"
ROWS = ("failover_segments", "hosts", "notifications", "vmoves", "recoveries", "moves", "effects", "timeline")
WRITTEN = ("/etc/masakari", "/etc/logrotate.d", "/usr/local", "/opt/masakari/current", "/var/lib/masakari-charm")
# About 20 s on a machine that has nothing else to do.
RECOVERY_SECONDS = 120
# The stand-in's first machine, in each of its spaces.
ADDRESSES = tuple(network.replace(".0/", ".10/") for network in SPACES.values())
BINDINGS = {"public": "public", "internal": "internal", "admin": "admin"}
URL = "http://10.64.1.10:15868"
# fence_attempts has an option of its own. Shorter times than the defaults, in proportion to the simulated Nova's.
FLAGS = ",".join(
    f"{group}.{name}={value}"
    for group, values in QUICK.items()
    for name, value in values.items()
    if name != "fence_attempts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One unit among its neighbours."""

    juju: RealMachines
    starting: Future[Neighbours]
    this: Future[Release]
    later: Future[Release]

    @property
    def neighbours(self) -> Neighbours:
        """The neighbours, once all of them answer."""
        return self.starting.result()

    @property
    def machine(self) -> Container:
        """The unit's machine."""
        return self.juju.container(UNIT)

    @property
    def status(self) -> Status:
        """What Juju shows for the unit."""
        return self.juju.model.unit(UNIT).status

    def settle(self) -> Status:
        """Let the hooks run that are due; none may fail. Return what Juju shows then."""
        self.juju.settle(retries=0)
        agent = self.juju.model.unit(UNIT).agent
        if agent.word != "idle":
            log = (self.machine.folder / "hooks.log").read_text(errors="replace")
            raise AssertionError(f"{agent.message or agent.word}:\n{log[-4000:]}")
        return self.status

    def run_one_hook(self) -> Status:
        """Let only the hook run that is due first, and return what Juju shows then."""
        with suppress(JujuError):  # the stand-in says that more are due
            self.juju.settle(retries=0, most=1)
        return self.status

    def update_status(self) -> Status:
        """Let update-status come, as it does every five minutes."""
        self.juju.update_status(UNIT)
        return self.settle()

    def show(self, service: str, *properties: str) -> dict[str, str]:
        """Return what systemd says of a service."""
        said = self.machine.run("systemctl", "show", service, *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in said.splitlines())

    def is_active(self, service: str) -> bool:
        """Tell whether a service runs."""
        return self.show(service, "ActiveState")["ActiveState"] == "active"

    def starts(self) -> dict[str, str]:
        """Return the id that systemd gave to each service's last start; a restart gives another."""
        return {name: self.show(name, "InvocationID")["InvocationID"] for name in (API, ENGINE)}

    def sql(self, statement: str) -> str:
        """Ask the database that the service keeps its memory in."""
        return self.neighbours.database.sql(f"USE masakari; {statement}").strip()

    def rows(self) -> dict[str, str]:
        """Return how many rows the tables have that an operator would miss."""
        return {name: self.sql(f"SELECT count(*) FROM {name}") for name in ROWS}

    def schema(self) -> str:
        """Return the step at which the service's own tables stand."""
        return self.sql("SELECT version_num FROM vmha_alembic_version")

    def release(self) -> str:
        """Return the release that `current` leads to."""
        return self.machine.run("readlink", "/opt/masakari/current").strip().removeprefix("releases/")

    def written(self) -> str:
        """Return when everything that the charm writes was written last."""
        return self.machine.run("find", *WRITTEN, "-printf", "%p %T@ %i\n")

    def listening(self, program: str) -> set[tuple[str, int]]:
        """Return where a program on the machine listens by TCP, as address and port."""
        lines = [line for line in self.machine.run("ss", "-Hltnp").splitlines() if f'"{program}"' in line]
        places = (line.split()[3].rpartition(":") for line in lines)
        return {(address.strip("[]"), int(port)) for address, _, port in places}

    # As a client of the API

    def answers(self) -> bool:
        """Tell whether the API answers, whoever asks."""
        try:
            return plain_session().get(f"{URL}/healthcheck", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    @staticmethod
    def reached(client: Any) -> bool:
        """Tell whether haproxy passes a client's request on."""
        try:
            list(client.segments())
        except HttpException as error:
            if error.status_code != 503:
                raise
            return False
        return True

    def knock(self) -> int:
        """Ask the API with a token that nobody gave, and return its status."""
        headers = {"X-Auth-Token": "nobody's"}
        return plain_session().get(f"{URL}/v1/segments", headers=headers, timeout=30).status_code

    def make_segment(self, name: str) -> None:
        """Make a segment; the first one has all hosts of the cloud."""
        client = self.neighbours.client()
        is_first = not list(client.segments())
        segment = client.create_segment(name=name, recovery_method="auto", service_type="compute")
        for host in HOSTS if is_first else ():
            client.create_host(segment.uuid, name=host, type="COMPUTE", control_attributes="SSH")

    def report(self, host: str) -> None:
        """Post what a host monitor would."""
        self.neighbours.client().create_notification(
            type="COMPUTE_HOST",
            hostname=host,
            generated_time=datetime.now(UTC).replace(tzinfo=None).isoformat(),
            payload={"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
        )

    def wait_until_recovered(self, host: str) -> dict[str, Any]:
        """Wait until the recovery of a host has ended, and return it."""
        client = self.neighbours.client()

        def ended() -> dict[str, Any] | None:
            found = client.get(f"/recoveries?host={host}").json()["recoveries"]
            return next((recovery for recovery in found if recovery["outcome"]), None)

        log = self.machine.disk / "var/log/masakari/masakari-engine.log"
        return until(ended, f"the recovery of {host}", timeout_seconds=RECOVERY_SECONDS, hint=str(log))

    def join_vault(self) -> Path:
        """Relate the unit to a vault of its own, and return the file with the vault's CA once it has issued."""
        vault.deploy(self.juju, "vault", 1)
        self.juju.integrate("masakari:certificates", "vault:certificates")
        self.settle()
        relation = next(r for r in self.juju.model.relations_of("vault") if "masakari" in r.ends)
        path = self.machine.folder / "vault-ca.pem"
        path.write_text(relation.bags["vault/0"]["ca"])
        return path


@contextmanager
def started(folder: Path) -> Iterator[Environment]:
    """Begin to pack two charms, and to start the neighbours in a network of their own and ours. No unit is deployed yet."""
    # All that may have to be fetched is fetched before the network is cut.
    root = rootfs.make()
    environments.make(["keystone"])
    with ThreadPoolExecutor(1) as packers, ThreadPoolExecutor(1) as starters:
        # A thread has the network that was there when it began: the packers the machine's, who starts the neighbours our own.
        this, later = packers.submit(releases.pack_this), packers.submit(releases.pack_later, folder)
        with own_network(ADDRESSES):
            neighbours = Neighbours(folder / "neighbours")
            starting = starters.submit(neighbours.start)
            try:
                with RealMachines(folder / "juju", root) as juju:
                    yield Environment(juju=juju, starting=starting, this=this, later=later)
            finally:
                wait((starting,))
                neighbours.stop()
