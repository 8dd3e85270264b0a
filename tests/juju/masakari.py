"""The masakari charm with its peers, for tests and the demo: which charm is taken, and the cloud around it."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packing import pack
from packing.commands import CannotPack
from packing.pack import PROJECT_FILES, kept
from packing.tree import copy_files
from tests.juju import peers
from tests.juju.packing import library, library_root
from tests.juju.release import Database
from tests.juju.standin.charm import compile_folder, unpack
from tests.juju.standin.juju import Juju

ROOT = Path(__file__).resolve().parents[2]
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

    JUJU_CHARM names one; else it is the pack of this tree, made here where no suite has made it. Where it cannot be made, the tree is
    laid out as packed, with the libraries of the tests' environment; with CI=true that is an error. Raises `CannotPack`.
    """
    if named := os.environ.get("JUJU_CHARM"):
        return Path(named), f"JUJU_CHARM: {named}"
    try:
        return kept(ROOT, work=ROOT / ".packing").charm, "this tree, packed by charmcraft"
    except CannotPack as error:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            raise
        return lay_out(folder / "charm"), f"this tree, laid out as packed, since it cannot be packed here: {error}"


def unpacked(folder: Path) -> Path:
    """Return the charm's folder, compiled, as units take it: once for many models."""
    found, where = find_charm(folder)
    if found.is_dir():
        warnings.warn(f"the charm under test: {where}", stacklevel=2)
        return found
    target = folder / "unpacked"
    unpack(found, target)
    compile_folder(target)
    return target


def lay_out(folder: Path) -> Path:
    """Lay this tree out as a packed charm without wheels: these come as a resource."""
    copy_files(ROOT, folder, PROJECT_FILES[1:])
    pack.lay_out(ROOT, folder)
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
