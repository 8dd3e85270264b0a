"""Reading bags as they really are: keys that are absent, empty, "__null__", or hold what cannot be used."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Bag = Mapping[str, str]
Bags = Mapping[str, Bag]
"""The bags of the remote units, by the unit's name."""

NOTHING = frozenset({"", "__null__", "None"})
"""What keystone and the classic charms write where they have no value."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_PEM = re.compile(r"\s*-----BEGIN [A-Z0-9 ]+-----\s.+?-----END [A-Z0-9 ]+-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A relation that is not there (`is_joined` False), or whose other side has not answered these keys yet."""

    relation: str
    is_joined: bool = False
    keys: tuple[str, ...] = ()


def text(bag: Bag, key: str) -> str | None:
    """Return a value of one line; None where there is none that could be used."""
    value = bag.get(key, "")
    return None if value in NOTHING or _CONTROL.search(value) else value


def address(bag: Bag) -> str | None:
    """Return where the unit is: what its charm wrote, or what Juju knows (Juju 4 no longer keeps private-address)."""
    return text(bag, "private-address") or text(bag, "ingress-address")


def port(bag: Bag, key: str, *, default: int) -> int:
    """Return a port; what is none counts as absent."""
    value = text(bag, key) or ""
    is_port = value.isascii() and value.isdigit() and len(value) <= 5 and 0 < int(value) < 65536
    return int(value) if is_port else default


def pem(bag: Bag, key: str) -> str | None:
    """Return a PEM text, which may stand there as it is or in base64, with one newline at its end."""
    return to_pem(bag.get(key, ""))


def is_no_pem(bag: Bag, key: str) -> bool:
    """Tell whether something stands there that is no PEM text: to go on without it would be to go on without TLS."""
    return bag.get(key, "").strip() not in NOTHING and pem(bag, key) is None


def to_pem(value: object) -> str | None:
    """Return a PEM text as it is written to a file; None for anything else."""
    if not isinstance(value, str) or value in NOTHING:
        return None
    plain = value if "-----BEGIN " in value else from_base64(value)
    if plain is None or not _PEM.match(plain) or not plain.isascii():
        return None
    return plain.strip() + "\n"


def from_base64(value: str) -> str | None:
    """Return the text in a base64 value, whose lines may be broken; None where it is none."""
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def json_object(bag: Bag, key: str) -> dict[str, Any]:
    """Return a JSON object; what is none counts as an empty one."""
    try:
        value = json.loads(bag.get(key, ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def json_list(bag: Bag, key: str) -> list[Any]:
    """Return a JSON list; what is none counts as an empty one."""
    try:
        value = json.loads(bag.get(key, ""))
    except ValueError:
        return []
    return value if isinstance(value, list) else []


def absent(bag: Bag, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Name the keys that the bag does not have."""
    return tuple(key for key in keys if text(bag, key) is None)


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def dump(value: object) -> str:
    """Return JSON that is the same for the same value, in whatever order it was built."""
    return json.dumps(value, sort_keys=True)
