"""Reads the inventory: which BMC switches which host.

The file, by default /etc/masakari/fencing.yaml, must be readable by its owner alone (mode 0600):

    defaults:                     # optional: what most of the BMCs share (port, user, password)
      ipmi:
        user: admin
        password: file:/etc/masakari/bmc-password
    hosts:
      compute-1:                  # the host by Nova's name for it
        ipmi:
          address: 10.0.0.7       # IPv4, IPv6 or a name
          port: 623               # optional
          user: admin
          password: secret        # the password itself, or file:/absolute/path, or env:NAME
          system_guid: a1234567-89ab-cdef-a123-456789abcdef     # optional, as ipmitool or dmidecode prints it
    segments:                     # optional
      rack-1:                     # the segment by its name
        policy: detector          # or proof, as without this entry

Rules
1. A file with a fault is not used at all. Every fault is reported, with file, line, host and what to do.
2. A value is taken as it is written: `password: 0123` is these four characters. One that begins with a sign of
   YAML's own (`! & * % @`) needs quotes.
3. A password that itself begins with `file:`, `env:` or `value:` is written with `value:` before it.
4. One BMC switches one host. A power-off by IPMI cuts everything behind it, so two hosts with the same address
   and port, or with the same GUID, are refused.
5. A password stands in no message and no repr. What `file:` and `env:` name is read once, here.
6. No file means no BMC: that is allowed, and said in a warning, because every host is then unprotected.
7. `policy: detector` lets a monitor's word stand where a host of that segment has no BMC. A host with one is fenced as everywhere.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

import yaml

from vmha.adapters.private_file import Unreadable, read_private
from vmha.adapters.yaml_file import YamlFile, is_null
from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG = logging.getLogger(__name__)

IPMI_PORT = 623
DETECTOR = "detector"
POLICIES = ("proof", DETECTOR)
_SHARED_KEYS = ("password", "port", "user")
_IPMI_KEYS = ("address", "password", "port", "system_guid", "user")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class IpmiDevice:
    """The BMC of one host."""

    host: str
    address: str
    port: int
    user: str
    password: str = field(repr=False)
    system_guid: UUID | None = None

    @property
    def endpoint(self) -> str:
        """Return address and port as one text: "10.0.0.7:623", "[fd00::7]:623"."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All BMCs by host, the segments with policy = detector, and the file that they stand in."""

    source: str
    devices: Mapping[str, IpmiDevice]
    detector_segments: frozenset[str] = frozenset()

    def covers(self, host: str, segment: str) -> bool:
        """Tell whether the host is recovered without a human: it has a BMC, or its segment's monitors are believed."""
        return host in self.devices or segment in self.detector_segments


def load_inventory(path: Path, *, environ: Mapping[str, str] = os.environ) -> Inventory:
    """Read and check the inventory. Raises `ConfigurationError`, which names every fault of the file."""
    try:
        text = read_private(path)
    except FileNotFoundError:
        LOG.warning("fencing inventory %s does not exist: no host can be fenced, all are unprotected", path)
        return Inventory(source=str(path), devices=MappingProxyType({}))
    except Unreadable as error:
        raise ConfigurationError(f"cannot use the fencing inventory {path}: {error}") from error
    reader = _Reader(path, environ)
    devices = reader.read(text)
    if reader.faults:
        raise ConfigurationError(reader.complaint())
    return Inventory(source=str(path), devices=MappingProxyType(devices), detector_segments=reader.detector_segments)


class _Reader(YamlFile):
    """Makes devices of the nodes."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        super().__init__(path, "fencing inventory")
        self.detector_segments: frozenset[str] = frozenset()
        self._environ = environ
        self._shared: dict[str, yaml.Node] = {}
        self._endpoints: dict[str, str] = {}
        self._guids: dict[UUID, str] = {}

    def read(self, text: str) -> dict[str, IpmiDevice]:
        """Return the devices without fault; an empty text is an empty inventory."""
        root = self.compose(text)
        if root is None:
            return {}
        top = self.keys(root, "the file", known=("defaults", "hosts", "segments"))
        if "defaults" in top:
            shared = self.keys(top["defaults"], "defaults", known=("ipmi",))
            if "ipmi" in shared:
                self._shared = self.keys(shared["ipmi"], "defaults: ipmi", known=_SHARED_KEYS)
        if "segments" in top and not is_null(top["segments"]):
            self.detector_segments = self._detector_segments(top["segments"])
        if "hosts" not in top or is_null(top["hosts"]):
            return {}
        devices = [self._device(host, node) for host, node in self.keys(top["hosts"], "hosts", known=None).items()]
        return {device.host: device for device in devices if device is not None}

    def _detector_segments(self, node: yaml.Node) -> frozenset[str]:
        found = {name: self._policy(name, entry) for name, entry in self.keys(node, "segments", known=None).items()}
        return frozenset(name for name, policy in found.items() if policy == DETECTOR)

    def _policy(self, segment: str, node: yaml.Node) -> str | None:
        where = f"segment {segment}"
        entries = self.keys(node, where, known=("policy",))
        if not isinstance(node, yaml.MappingNode):
            return None
        policy = self.text(node, entries, "policy", where)
        if policy is not None and policy not in POLICIES:
            self.fault(entries["policy"], where, f'policy "{policy}" is none; write {" or ".join(POLICIES)}')
        return policy

    def fault(self, node: yaml.Node, where: str, text: str) -> None:
        """Remember a fault; one in what all share is named as such."""
        is_shared = any(node is shared for shared in self._shared.values())
        super().fault(node, "defaults: ipmi" if is_shared else where, text)

    def _device(self, host: str, node: yaml.Node) -> IpmiDevice | None:
        where = f"host {host}"
        methods = self.keys(node, where, known=("ipmi",))
        if "ipmi" not in methods:
            if isinstance(node, yaml.MappingNode):
                self.fault(node, where, "has no ipmi section; add one with address, user and password")
            return None
        section = methods["ipmi"]
        entries = self._shared | self.keys(section, where, known=_IPMI_KEYS)
        if not isinstance(section, yaml.MappingNode):
            return None
        address = self._address(section, entries, where)
        port = self._port(entries, where)
        user = self.text(section, entries, "user", where)
        password = self._password(section, entries, where)
        guid = self._guid(entries, where)
        if address is None or port is None or user is None or password is None:
            return None
        device = IpmiDevice(host=host, address=address, port=port, user=user, password=password, system_guid=guid)
        self._alone(device, entries, where)
        return device

    def _alone(self, device: IpmiDevice, entries: dict[str, yaml.Node], where: str) -> None:
        """Refuse a BMC, or a GUID, that another host of the file has already."""
        other = self._endpoints.setdefault(device.endpoint.lower(), device.host)
        if other != device.host:
            text = f"has the same BMC {device.endpoint} as host {other}; correct the address of one of them"
            self.fault(entries["address"], where, text)
        if device.system_guid is None:
            return
        other = self._guids.setdefault(device.system_guid, device.host)
        if other != device.host:
            self.fault(
                entries["system_guid"],
                where,
                f"has the same system_guid as host {other}; correct one of them",
            )

    def _address(self, section: yaml.Node, entries: dict[str, yaml.Node], where: str) -> str | None:
        text = self.text(section, entries, "address", where)
        if text is None:
            return None
        try:
            return str(_plain(ipaddress.ip_address(text)))
        except ValueError:
            # The last label of a name is never a number: 10.0.0.777 is a slip, no name.
            if _HOST_NAME.fullmatch(text) and not text.rstrip(".").rpartition(".")[2].isdigit():
                return text
        advice = "write an IP address or a name, and the port under its own key"
        self.fault(entries["address"], where, f'address "{text}" is neither; {advice}')
        return None

    def _port(self, entries: dict[str, yaml.Node], where: str) -> int | None:
        node = entries.get("port")
        if node is None:
            return IPMI_PORT
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        if re.fullmatch("[0-9]{1,5}", text) and 1 <= int(text) <= 65535:
            return int(text)
        self.fault(node, where, "port must be a number from 1 to 65535")
        return None

    def _guid(self, entries: dict[str, yaml.Node], where: str) -> UUID | None:
        node = entries.get("system_guid")
        if node is None:
            return None
        try:
            guid = UUID(node.value if isinstance(node, yaml.ScalarNode) else "")
        except ValueError:
            self.fault(node, where, "system_guid is no GUID; copy the one that `ipmitool mc guid` prints")
            return None
        # Some BMCs show these two as long as nobody wrote a GUID into them.
        if guid.int in (0, 2**128 - 1):
            self.fault(node, where, "system_guid is the one of a BMC without identity; leave the key out")
            return None
        return guid

    def _password(self, section: yaml.Node, entries: dict[str, yaml.Node], where: str) -> str | None:
        text = self.text(section, entries, "password", where)
        if text is None:
            return None
        kind, _, rest = text.partition(":")
        if kind == "value":
            return rest
        if kind == "file":
            return self._password_file(entries["password"], Path(rest), where)
        if kind == "env":
            return self._password_variable(entries["password"], rest, where)
        return text

    def _password_file(self, node: yaml.Node, path: Path, where: str) -> str | None:
        if not path.is_absolute():
            self.fault(node, where, "password: file: needs an absolute path")
            return None
        try:
            text = read_private(path).rstrip("\r\n")
        except FileNotFoundError:
            self.fault(node, where, f"password file {path} does not exist; create it or correct the path")
            return None
        except Unreadable as error:
            self.fault(node, where, f"password file {path}: {error}")
            return None
        if not text:
            self.fault(node, where, f"password file {path} is empty; write the password into it")
        return text or None

    def _password_variable(self, node: yaml.Node, name: str, where: str) -> str | None:
        if not _VARIABLE.fullmatch(name):
            self.fault(node, where, "password: env: needs the name of an environment variable")
            return None
        text = self._environ.get(name)
        if not text:
            self.fault(node, where, f"environment variable {name} is not set; set it for the service")
        return text or None


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Take an IPv4 address out of its IPv6 form, ::ffff:10.0.0.7: it leads to the same BMC."""
    return getattr(address, "ipv4_mapped", None) or address
