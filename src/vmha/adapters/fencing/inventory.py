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
from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG = logging.getLogger(__name__)

IPMI_PORT = 623
DETECTOR = "detector"
POLICIES = ("proof", DETECTOR)
_SHARED_KEYS = ("password", "port", "user")
_IPMI_KEYS = ("address", "password", "port", "system_guid", "user")
_YAML_TAG = "tag:yaml.org,2002:"
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


class _Reader:
    """Walks the YAML nodes, which know their lines, and collects faults."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.faults: set[tuple[int, str]] = set()
        self.detector_segments: frozenset[str] = frozenset()
        self._path = path
        self._environ = environ
        self._shared: dict[str, yaml.Node] = {}
        self._endpoints: dict[str, str] = {}
        self._guids: dict[UUID, str] = {}

    def read(self, text: str) -> dict[str, IpmiDevice]:
        """Return the devices without fault; an empty text is an empty inventory."""
        root = self._compose(text)
        if root is None:
            return {}
        top = self._keys(root, "the file", known=("defaults", "hosts", "segments"))
        if "defaults" in top:
            shared = self._keys(top["defaults"], "defaults", known=("ipmi",))
            if "ipmi" in shared:
                self._shared = self._keys(shared["ipmi"], "defaults: ipmi", known=_SHARED_KEYS)
        if "segments" in top and not _is_null(top["segments"]):
            self.detector_segments = self._detector_segments(top["segments"])
        if "hosts" not in top or _is_null(top["hosts"]):
            return {}
        devices = [self._device(host, node) for host, node in self._keys(top["hosts"], "hosts", known=None).items()]
        return {device.host: device for device in devices if device is not None}

    def _detector_segments(self, node: yaml.Node) -> frozenset[str]:
        found = {name: self._policy(name, entry) for name, entry in self._keys(node, "segments", known=None).items()}
        return frozenset(name for name, policy in found.items() if policy == DETECTOR)

    def _policy(self, segment: str, node: yaml.Node) -> str | None:
        where = f"segment {segment}"
        entries = self._keys(node, where, known=("policy",))
        if not isinstance(node, yaml.MappingNode):
            return None
        policy = self._text(node, entries, "policy", where)
        if policy is not None and policy not in POLICIES:
            self._fault(entries["policy"], where, f'policy "{policy}" is none; write {" or ".join(POLICIES)}')
        return policy

    def complaint(self) -> str:
        """Return every fault in the order of the file, one per line."""
        lines = [f"{self._path}:{line}: {text}" for line, text in sorted(self.faults)]
        many = f"{len(lines)} faults" if len(lines) > 1 else "1 fault"
        return "\n  ".join([f"cannot use the fencing inventory {self._path}, {many}:", *lines])

    def _fault(self, node: yaml.Node, where: str, text: str) -> None:
        if any(node is shared for shared in self._shared.values()):
            where = "defaults: ipmi"
        self.faults.add((node.start_mark.line + 1, f"{where}: {text}"))

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            # YAML's own words may quote the file, and what stands there may be a password.
            if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
                line = error.problem_mark.line + 1
            else:
                line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            advice = "check indentation and colons, and put values with special characters in quotes"
            self.faults.add((line, f"this is not YAML; {advice}"))
            return None
        except RecursionError:
            self.faults.add((1, "brackets or levels are nested deeper than any inventory needs; look for one too many"))
            return None

    def _keys(self, node: yaml.Node, where: str, *, known: tuple[str, ...] | None) -> dict[str, yaml.Node]:
        """Return the entries of a mapping; unknown and repeated keys are faults, `known` None allows any."""
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, where, "must be a mapping of keys to values")
            return {}
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                self._fault(key, where, "a key must be a plain name")
            elif name in entries:
                self._fault(key, where, f'"{name}" stands here twice; remove one')
            elif known is not None and name not in known:
                self._fault(key, where, f'unknown key "{name}"; known keys are {", ".join(known)}')
            else:
                entries[name] = value
        return entries

    def _device(self, host: str, node: yaml.Node) -> IpmiDevice | None:
        where = f"host {host}"
        methods = self._keys(node, where, known=("ipmi",))
        if "ipmi" not in methods:
            if isinstance(node, yaml.MappingNode):
                self._fault(node, where, "has no ipmi section; add one with address, user and password")
            return None
        section = methods["ipmi"]
        entries = self._shared | self._keys(section, where, known=_IPMI_KEYS)
        if not isinstance(section, yaml.MappingNode):
            return None
        address = self._address(section, entries, where)
        port = self._port(entries, where)
        user = self._text(section, entries, "user", where)
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
            self._fault(entries["address"], where, text)
        if device.system_guid is None:
            return
        other = self._guids.setdefault(device.system_guid, device.host)
        if other != device.host:
            self._fault(
                entries["system_guid"],
                where,
                f"has the same system_guid as host {other}; correct one of them",
            )

    def _text(self, section: yaml.Node, entries: dict[str, yaml.Node], key: str, where: str) -> str | None:
        """Return a scalar as it is written."""
        node = entries.get(key)
        if node is None:
            self._fault(section, where, f"{key} is missing; add it")
            return None
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node, where, f"{key} must be one value; if it is one, put it in quotes")
        elif not node.tag.startswith(_YAML_TAG):
            self._fault(node, where, f"{key} begins with a sign of YAML's own; put it in quotes")
        elif _is_null(node) or not node.value:
            self._fault(node, where, f"{key} is empty; write it, in quotes where it begins with a special sign")
        else:
            return str(node.value)
        return None

    def _address(self, section: yaml.Node, entries: dict[str, yaml.Node], where: str) -> str | None:
        text = self._text(section, entries, "address", where)
        if text is None:
            return None
        try:
            return str(_plain(ipaddress.ip_address(text)))
        except ValueError:
            # The last label of a name is never a number: 10.0.0.777 is a slip, no name.
            if _HOST_NAME.fullmatch(text) and not text.rstrip(".").rpartition(".")[2].isdigit():
                return text
        advice = "write an IP address or a name, and the port under its own key"
        self._fault(entries["address"], where, f'address "{text}" is neither; {advice}')
        return None

    def _port(self, entries: dict[str, yaml.Node], where: str) -> int | None:
        node = entries.get("port")
        if node is None:
            return IPMI_PORT
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        if re.fullmatch("[0-9]{1,5}", text) and 1 <= int(text) <= 65535:
            return int(text)
        self._fault(node, where, "port must be a number from 1 to 65535")
        return None

    def _guid(self, entries: dict[str, yaml.Node], where: str) -> UUID | None:
        node = entries.get("system_guid")
        if node is None:
            return None
        try:
            guid = UUID(node.value if isinstance(node, yaml.ScalarNode) else "")
        except ValueError:
            self._fault(node, where, "system_guid is no GUID; copy the one that `ipmitool mc guid` prints")
            return None
        # Some BMCs show these two as long as nobody wrote a GUID into them.
        if guid.int in (0, 2**128 - 1):
            self._fault(node, where, "system_guid is the one of a BMC without identity; leave the key out")
            return None
        return guid

    def _password(self, section: yaml.Node, entries: dict[str, yaml.Node], where: str) -> str | None:
        text = self._text(section, entries, "password", where)
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
            self._fault(node, where, "password: file: needs an absolute path")
            return None
        try:
            text = read_private(path).rstrip("\r\n")
        except FileNotFoundError:
            self._fault(node, where, f"password file {path} does not exist; create it or correct the path")
            return None
        except Unreadable as error:
            self._fault(node, where, f"password file {path}: {error}")
            return None
        if not text:
            self._fault(node, where, f"password file {path} is empty; write the password into it")
        return text or None

    def _password_variable(self, node: yaml.Node, name: str, where: str) -> str | None:
        if not _VARIABLE.fullmatch(name):
            self._fault(node, where, "password: env: needs the name of an environment variable")
            return None
        text = self._environ.get(name)
        if not text:
            self._fault(node, where, f"environment variable {name} is not set; set it for the service")
        return text or None


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Take an IPv4 address out of its IPv6 form, ::ffff:10.0.0.7: it leads to the same BMC."""
    return getattr(address, "ipv4_mapped", None) or address


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == f"{_YAML_TAG}null")
