"""A charm as Juju reads it: its folder, endpoints, options and actions."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.juju.standin.errors import JujuError

# A zip keeps Unix modes in the upper half of this field.
MODE_SHIFT = 16
# It takes two; what takes a hundred times as long hangs.
COMPILE_SECONDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One end that a charm offers; `role` is requires, provides or peers, `scope` global or container."""

    name: str
    interface: str
    role: str
    scope: str = "global"
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Charm:
    """What metadata.yaml, config.yaml and actions.yaml say; `folder` is None for a scripted charm."""

    name: str
    endpoints: Mapping[str, Endpoint]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    actions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bindings: tuple[str, ...] = ()
    is_subordinate: bool = False
    folder: Path | None = None

    def endpoint(self, name: str) -> Endpoint:
        """Return an endpoint, or say which there are."""
        if name not in self.endpoints:
            raise JujuError(f"charm {self.name} has no endpoint {name!r}; it has {', '.join(sorted(self.endpoints))}")
        return self.endpoints[name]


def read_charm(source: Path, into: Path) -> Charm:
    """Read a packed charm (unpacked below `into` first) or a folder that holds an unpacked one."""
    if source.is_dir():
        folder = source
    else:
        folder = into
        unpack(source, folder)
    if not (folder / "dispatch").is_file():
        raise JujuError(f"{source} is no packed charm: it has no dispatch")
    metadata = read_yaml(folder / "metadata.yaml")
    endpoints = {
        name: Endpoint(
            name=name,
            interface=entry["interface"],
            role=role,
            scope=entry.get("scope", "global"),
            limit=entry.get("limit", 0),
        )
        for role in ("requires", "provides", "peers")
        for name, entry in (metadata.get(role) or {}).items()
    }
    return Charm(
        name=metadata["name"],
        endpoints=endpoints,
        options=read_yaml(folder / "config.yaml").get("options") or {},
        actions=read_yaml(folder / "actions.yaml"),
        bindings=tuple(metadata.get("extra-bindings") or ()),
        is_subordinate=bool(metadata.get("subordinate", False)),
        folder=folder,
    )


def unpack(source: Path, folder: Path) -> None:
    """Unpack a .charm with its file modes and links, as the agent does."""
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> MODE_SHIFT
            target = folder / entry.filename
            if not target.resolve().is_relative_to(folder.resolve()):
                raise JujuError(f"{source} holds {entry.filename}, which points out of the charm")
            if mode & 0o170000 == 0o120000:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(archive.read(entry).decode())
                continue
            archive.extract(entry, folder)
            if mode & 0o777:
                target.chmod(mode & 0o777)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML mapping; a file that is not there is an empty one."""
    if not path.is_file():
        return {}
    found = yaml.safe_load(path.read_text())
    return found if isinstance(found, dict) else {}


def compile_folder(folder: Path) -> None:
    """Compile a charm for the units' python, once for all of them: each would do it in its first hook."""
    command = ("/usr/bin/python3", "-m", "compileall", "-q", str(folder))
    subprocess.run(command, check=False, capture_output=True, timeout=COMPILE_SECONDS)
