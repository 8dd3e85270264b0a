"""The masakari charm with its peers, for tests and the demo: which charm is taken, and the cloud around it."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packing.pack import CHARM_FILES, PROJECT_FILES
from packing.tree import copy_files, sources
from tests.juju import peers
from tests.juju.packing import library, library_root
from tests.juju.release import Database
from tests.juju.standin.charm import compile_folder
from tests.juju.standin.juju import Juju

ROOT = Path(__file__).resolve().parents[2]
PACKED = ROOT / "dist" / "masakari.charm"
VIP = "10.64.0.100"
# What the charm imports, for a charm that is laid out here; a packed one brings its own.
LIBRARIES = ("ops", "yaml", "jinja2", "markupsafe", "websocket", "opentelemetry", "typing_extensions")
RELATIONS = {
    "masakari-mysql-router": "shared-db",
    "rabbitmq-server": "amqp",
    "keystone": "identity-service",
    "masakari-hacluster": "ha",
    "vault": "certificates",
}
"""Application -> the endpoint's name, the same at both ends."""


def find_charm(folder: Path) -> tuple[Path, str]:
    """Return the charm to run and where it is from.

    JUJU_CHARM names one; else dist/masakari.charm is taken if it holds the code of this tree; else the tree is laid out as packed,
    with the libraries of the tests' environment.
    """
    if named := os.environ.get("JUJU_CHARM"):
        return Path(named), f"JUJU_CHARM: {named}"
    if PACKED.is_file() and is_current(PACKED):
        return PACKED, "dist/masakari.charm, as `make charms` packed it"
    return lay_out(folder / "charm"), "this tree, laid out as packed (dist/masakari.charm is missing or of other code)"


def is_current(packed: Path) -> bool:
    """Whether a packed charm holds this tree's code, byte for byte."""
    wanted = [name for name in sources(ROOT) if name.startswith(CHARM_FILES) or name in PROJECT_FILES[1:]]
    with zipfile.ZipFile(packed) as archive:
        names = set(archive.namelist())
        return all(name in names and archive.read(name) == (ROOT / name).read_bytes() for name in wanted)


def lay_out(folder: Path) -> Path:
    """Lay this tree out as a packed charm without wheels: these come as a resource."""
    copy_files(ROOT, folder, (*PROJECT_FILES[1:], *CHARM_FILES))
    for name in LIBRARIES:
        for path in library(name):
            target = folder / "lib" / path.relative_to(library_root(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    compile_folder(folder)
    return folder


def deploy_cloud(juju: Juju, *, modes: Mapping[str, str] | None = None, brokers: int = 1) -> None:
    """Deploy the five peers."""
    chosen = {name: {"mode": mode} for name, mode in (modes or {}).items()}
    peers.deploy(juju, "keystone", units=1, config=chosen.get("keystone"))
    peers.deploy(juju, "rabbitmq-server", units=brokers, config=chosen.get("rabbitmq-server"))
    peers.deploy(juju, "vault", config=chosen.get("vault"))
    for charm in ("mysql-router", "hacluster"):
        peers.deploy(juju, charm, f"masakari-{charm}", config=chosen.get(f"masakari-{charm}"))


def deploy_masakari(
    juju: Juju, charm: Path, wheels: Path, *, units: int = 3, config: Mapping[str, Any] | None = None
) -> None:
    """Deploy the charm with a small release."""
    juju.deploy(charm, "masakari", units=units, config=config, resources={"wheels": wheels})


def integrate(juju: Juju, *applications: str) -> None:
    """Relate masakari to these, to all five where none is named."""
    for name in applications or tuple(RELATIONS):
        juju.integrate(f"masakari:{RELATIONS[name]}", f"{name}:{RELATIONS[name]}")


def make(folder: Path, database: Database, *, seed: int | None = None, tell: Any = None) -> Juju:
    """Return a model in which masakari-manage asks this database."""
    return Juju(folder, seed=seed, tell=tell, recorders={"masakari-manage": database.manage})
