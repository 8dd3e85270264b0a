"""The fencing inventory of the Juju secret: its shape, before it comes near a machine.

The secret's key `inventory` holds the file that docs/operate/fencing.md describes. What is wrong is said by host and key, never with a
value: a value may be a password. The service checks the file as a whole once more, with what only it knows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

KEY = "inventory"
"""The key of the secret that holds the file."""

_IPMI_KEYS = frozenset({"address", "password", "port", "system_guid", "user"})
_SHARED_KEYS = frozenset({"password", "port", "user"})
_POLICIES = ("proof", "detector")
_NOTHING = (None, "", "null", "Null", "NULL", "~")
"""What YAML calls nothing: the service reads it so, and here it is still a text."""
_NEEDED = ("address", "user", "password")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")


class _AsWritten(yaml.SafeLoader):
    """Reads every value as the text that stands there, as the service does: a password of digits keeps its zeros."""


_AsWritten.yaml_implicit_resolvers = {}


def faults(text: str) -> tuple[str, ...]:
    """Say what is wrong with an inventory; nothing is returned where the shape is right."""
    try:
        content = yaml.load(text, Loader=_AsWritten)  # noqa: S506 - a SafeLoader that resolves even less
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return (f"it is not YAML{line}",)
    except (yaml.YAMLError, ValueError, RecursionError):
        return ("it is not YAML",)
    if content in (None, ""):
        return ("it is empty",)
    return tuple(_faults(content))


def _faults(content: object) -> Iterator[str]:
    if not isinstance(content, dict):
        yield "it must be a mapping with the key hosts"
        return
    yield from _unknown(content, "the file", frozenset({"defaults", "hosts", "segments"}))
    shared, shared_faults = _section(content.get("defaults", {}), "defaults", _SHARED_KEYS)
    yield from shared_faults
    yield from _segments(content.get("segments"))
    hosts = content.get("hosts")
    if hosts in _NOTHING and content.get("segments") not in (*_NOTHING, {}):
        return  # nothing but segments whose monitors are believed
    if not isinstance(hosts, dict) or not hosts:
        yield "hosts must be a mapping of hosts to their BMCs"
        return
    taken: dict[str, str] = {}
    for host, methods in hosts.items():
        entries, found = _section(methods, f"host {_name(host)}", _IPMI_KEYS)
        yield from found
        if not found:
            yield from _device(_name(host), {**shared, **entries}, taken)


def _segments(segments: object) -> Iterator[str]:
    if segments in _NOTHING:
        return
    if not isinstance(segments, dict):
        yield "segments must be a mapping of segments to their policy"
        return
    for segment, entries in segments.items():
        where = f"segment {_name(segment)}"
        if not isinstance(entries, dict):
            yield f"{where} must be a mapping with the key policy"
            continue
        yield from _unknown(entries, where, frozenset({"policy"}))
        if entries.get("policy") not in _POLICIES:
            yield f"{where}: policy must be {' or '.join(_POLICIES)}"


def _section(methods: object, where: str, known: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of an ipmi section, and what is wrong with it."""
    if where == "defaults" and isinstance(methods, dict) and "ipmi" not in methods:
        return {}, _unknown(methods, where, frozenset())
    if not isinstance(methods, dict) or not isinstance(methods.get("ipmi"), dict):
        return {}, [f"{where} has no ipmi section of keys and values"]
    found = [*_unknown(methods, where, frozenset({"ipmi"})), *_unknown(methods["ipmi"], where, known)]
    return methods["ipmi"], found


def _unknown(mapping: Mapping[object, object], where: str, known: frozenset[str]) -> list[str]:
    """Name the keys that nobody knows."""
    strange = [_name(key) for key in mapping if key not in known]
    return [f"{where} has the unknown key {key}" for key in strange]


def _device(host: str, entries: Mapping[str, Any], taken: dict[str, str]) -> Iterator[str]:
    for key in _NEEDED:
        if not isinstance(entries.get(key), str) or not entries[key]:
            yield f"host {host} has no {key}"
    address, port = entries.get("address"), entries.get("port", "623")
    if isinstance(address, str) and address:
        if not _is_address(address):
            yield f"host {host}: address is neither an IP address nor a name"
        other = taken.setdefault(f"{address.lower()} {port}", host)
        if other != host:
            yield f"host {host} has the same BMC as host {other}"
    if not isinstance(port, str) or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        yield f"host {host}: port must be a number from 1 to 65535"
    password = entries.get("password")
    if isinstance(password, str) and password.startswith("env:"):
        yield f"host {host}: a password from env: is not known to the unit's services; write it into the secret"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_HOST_NAME.fullmatch(text)) and not text.rstrip(".").rpartition(".")[2].isdigit()
    return True


def _name(key: object) -> str:
    """Show a key as a name, and nothing of what does not look like one: a slip may put anything in its place."""
    text = str(key)
    return text if re.fullmatch(r"[\w.-]{1,64}", text, re.ASCII) else "(not a name)"
