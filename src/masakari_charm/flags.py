"""`config-flags`: options of masakari.conf that the charm has no option for, as "key=value,group.key=value".

Rules
1. A key without a group is of [DEFAULT]. A piece without "=" goes on with the value before it, so that a value may hold commas.
2. What a relation, a secret or another option of the charm sets is refused: a flag would be lost, or would break a connection.
3. The case of a group's name does not count, as it does not for oslo.config: [Database] would be [database] over again, and win.
4. An option that the service knows is checked against its bounds. In the service's own groups an unknown name is a slip; elsewhere it
   may be an option of a library, and is written as it is.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from vmha.options import OPTIONS, Option

Flags = tuple[tuple[str, str, str], ...]
"""Group, key, value."""

SET_BY_OPTION = {
    ("DEFAULT", "debug"): "debug",
    ("DEFAULT", "masakari_api_threads"): "workers",
    ("DEFAULT", "nova_catalog_admin_info"): "use-internal-endpoints",
    ("DEFAULT", "os_region_name"): "region",
    ("fencing", "fence_attempts"): "fence-attempts",
    ("guards", "brake_hosts"): "brake-hosts",
    ("guards", "brake_percent"): "brake-percent",
    ("host_failure", "evacuate_all_instances"): "evacuate-all-instances",
    ("recovery", "local_disk"): "local-disk",
    ("recovery", "shared_storage"): "shared-storage",
}
"""The charm's own option for an option of the service."""

SET_BY_CHARM = frozenset(
    {
        ("DEFAULT", "auth_strategy"),
        ("DEFAULT", "host"),
        ("DEFAULT", "log_dir"),
        ("DEFAULT", "log_file"),
        ("DEFAULT", "masakari_api_listen"),
        ("DEFAULT", "masakari_api_listen_port"),
        ("DEFAULT", "nova_api_insecure"),
        ("DEFAULT", "nova_ca_certificates_file"),
        ("DEFAULT", "os_privileged_user_auth_url"),
        ("DEFAULT", "os_privileged_user_name"),
        ("DEFAULT", "os_privileged_user_password"),
        ("DEFAULT", "os_privileged_user_tenant"),
        ("DEFAULT", "os_project_domain_name"),
        ("DEFAULT", "os_system_scope"),
        ("DEFAULT", "os_user_domain_name"),
        ("DEFAULT", "state_path"),
        ("DEFAULT", "transport_url"),
        ("database", "connection"),
        ("fencing", "inventory"),
        ("oslo_middleware", "enable_proxy_headers_parsing"),
        ("oslo_messaging_rabbit", "ssl"),
        ("oslo_messaging_rabbit", "ssl_ca_file"),
        ("taskflow", "connection"),
    }
)
"""What the charm itself or a relation sets."""

RELATIONS_OWN = frozenset({"keystone_authtoken"})
"""Groups of credentials: no key of them may be set."""

_KNOWN = {(option.group, option.name): option for option in OPTIONS}
_OUR_GROUPS = frozenset(option.group for option in OPTIONS) - {"DEFAULT"}
_KEY = re.compile(r"(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Refused:
    """A flag that cannot be taken, and what to do."""

    what: str
    fix: str


def parse(text: str) -> tuple[Flags, tuple[Refused, ...]]:
    """Return the flags that can be taken, and why the others cannot."""
    taken: dict[tuple[str, str], str] = {}
    refused: list[Refused] = []
    if _UNSAFE.search(text):
        return (), (Refused("a line break or another control character stands in it", "write the flags on one line"),)
    for key, value in _pairs(text):
        found = _KEY.fullmatch(key)
        if found is None:
            refused.append(Refused(f'"{key}" is no key', "write key=value or group.key=value, with commas between"))
            continue
        place = (_group(found[1] or "DEFAULT"), found[2])
        fault = _fault(place, value)
        if fault is not None:
            refused.append(fault)
        else:
            taken[place] = value
    return tuple((group, name, value) for (group, name), value in sorted(taken.items())), tuple(refused)


def _group(name: str) -> str:
    """Return a group in the one form that is looked up and written: lower case, but for DEFAULT."""
    lower = name.lower()
    return "DEFAULT" if lower == "default" else lower


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for piece in text.split(","):
        key, equal, value = piece.partition("=")
        if equal:
            pairs.append((key.strip(), value.strip()))
        elif pairs:
            before, so_far = pairs[-1]
            pairs[-1] = (before, f"{so_far},{piece.strip()}")
        elif piece.strip():
            pairs.append((piece.strip() + "?", ""))
    return [(key, value.rstrip(",")) for key, value in pairs]


def _fault(place: tuple[str, str], value: str) -> Refused | None:
    group, name = place
    shown = f"[{group}] {name}"
    if place in SET_BY_OPTION:
        return Refused(f"{shown} has an option of its own", f"use {SET_BY_OPTION[place]} instead")
    if place in SET_BY_CHARM or group in RELATIONS_OWN:
        return Refused(f"{shown} is set by the charm from its relations", "remove it from config-flags")
    option = _KNOWN.get(place)
    if option is None:
        if group not in _OUR_GROUPS:
            return None
        return Refused(
            f"{shown} is no option of the service", "correct the name; docs/operate/configuration.md lists all"
        )
    if not is_allowed(option, value):
        return Refused(f"{shown} cannot be {value!r}", f"it must be {expected(option)}")
    return None


def is_allowed(option: Option, value: str) -> bool:
    """Tell whether the service would take a value; bounds between options are checked by the service itself."""
    match option.kind:
        case "int" | "float" | "port":
            try:
                number = float(value) if option.kind == "float" else int(value)
            except ValueError:
                return False
            low, high = (0, 65535) if option.kind == "port" else (option.low, option.high)
            return math.isfinite(number) and (low is None or number >= low) and (high is None or number <= high)
        case "bool":
            return value.strip().lower() in ("true", "false", "1", "0", "yes", "no", "on", "off")
        case "choice":
            return value in option.choices
        case _:
            return bool(value)


def expected(option: Option) -> str:
    """Say what an option may be."""
    match option.kind:
        case "int" | "float":
            kind = "a whole number" if option.kind == "int" else "a number"
            return f"{kind} from {option.low:g} to {option.high:g}{' ' + option.unit if option.unit else ''}"
        case "port":
            return "a port from 0 to 65535"
        case "bool":
            return "true or false"
        case "choice":
            return f"one of {', '.join(option.choices)}"
        case _:
            return "a text"
