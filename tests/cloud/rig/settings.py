"""Where the cloud keeps its data, which ports it uses and how many hosts it has.

The values of the first `up` are stored beside the data, because the service catalogue holds the ports:
whoever looks at a running cloud later sees the cloud that runs, whatever its own environment says.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from tests.cloud.rig.errors import RigError

ADDRESS = "127.0.0.1"
REGION = "RegionOne"
# One password for everything: nothing of this cloud is reachable from outside the machine.
PASSWORD = "rig-secret"
BMC_USER = "admin"
BMC_PASSWORD = "bmc-secret"

# Offsets from the first port. All stay below 32768, where Linux starts to hand out ports of its own.
PORTS: Mapping[str, int] = {
    "cloud-database": 1,
    "cloud-broker": 2,
    "cloud-broker-cluster": 3,
    "epmd": 4,
    "memcached": 5,
    "keystone": 10,
    "placement": 11,
    "nova-api": 12,
    "glance": 13,
    "neutron": 14,
    "ha-database": 20,
    "ha-broker": 21,
    "ha-broker-cluster": 22,
    "ha-api": 23,
}
FIRST_BMC_PORT = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Everything about one cloud that an operator may choose."""

    data: Path
    first_port: int = 23000
    computes: int = 5

    @property
    def hosts(self) -> tuple[str, ...]:
        """Name every compute host, in order."""
        return tuple(f"host-{number}" for number in range(1, self.computes + 1))

    def port(self, name: str) -> int:
        """Return the TCP port of the server `name`, a key of PORTS."""
        return self.first_port + PORTS[name]

    def url(self, name: str, path: str = "") -> str:
        """Return the address of the HTTP server `name`."""
        return f"http://{ADDRESS}:{self.port(name)}{path}"

    def bmc_port(self, host: str) -> int:
        """Return the UDP port of the management controller of `host`."""
        return self.first_port + FIRST_BMC_PORT + int(host.rpartition("-")[2])

    def save(self) -> None:
        """Store the values beside the data, for every later command and test."""
        self.data.mkdir(parents=True, exist_ok=True)
        values = {"first_port": self.first_port, "computes": self.computes}
        (self.data / "settings.json").write_text(json.dumps(values) + "\n")


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings: what is stored with the data, else the environment, else the defaults.

    VMHA_CLOUD_DIR moves the data, VMHA_CLOUD_PORT the block of ports, VMHA_CLOUD_COMPUTES sets the hosts.
    The number of hosts may grow later; the ports may not change before a `wipe`.
    """
    checkout = Path(__file__).resolve().parents[3]
    data = Path(environment.get("VMHA_CLOUD_DIR") or checkout / ".cloud").resolve()
    if any(character.isspace() for character in str(data)):
        raise RigError(f"MariaDB's scripts cannot work in {str(data)!r}; set VMHA_CLOUD_DIR to a path without spaces")
    stored_file = data / "settings.json"
    stored = json.loads(stored_file.read_text()) if stored_file.exists() else {}
    settings = Settings(
        data=data,
        first_port=_number(environment, "VMHA_CLOUD_PORT", stored.get("first_port", 23000)),
        computes=_number(environment, "VMHA_CLOUD_COMPUTES", stored.get("computes", 5)),
    )
    if stored and stored["first_port"] != settings.first_port:
        raise RigError(
            f"the cloud in {data} was made with VMHA_CLOUD_PORT={stored['first_port']}, "
            f"not {settings.first_port}; run `wipe` first or leave the variable unset"
        )
    return settings


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise RigError(f"{name} must be a positive number, not {text!r}")
    return int(text)
