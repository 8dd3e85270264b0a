"""Deploys bundles of tests/bundles, each in a model of its own; pytest-jubilant's options choose controller and model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from tests.functional.models import JubilantModel

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = ROOT / "tests" / "bundles"
CHARM = ROOT / "dist" / "masakari.charm"
DEPLOY_SECONDS = 3 * 3600.0
"""A whole cloud on virtual machines."""

Deploy = Callable[[str], JubilantModel]


@pytest.fixture(scope="module")
def deploy(juju: Any, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Deploy:
    """Give what deploys a bundle with its overlay; with --no-juju-setup the model is taken as it is."""

    def bundle(name: str) -> JubilantModel:
        if not pytestconfig.getoption("--no-juju-setup"):
            overlays = rendered(name, tmp_path_factory.mktemp("overlays"))
            juju.deploy(BUNDLES / f"{name}.yaml", overlays=overlays)
        return JubilantModel(juju)

    return bundle


def rendered(name: str, folder: Path) -> list[Path]:
    """Render the overlays of a bundle as zaza does, and return where."""
    found = []
    for template in (BUNDLES / "overlays" / f"{each}.yaml.j2" for each in ("local-charm-overlay", name)):
        if template.exists():
            known = {"charm_name": "masakari", "charm_location": str(ROOT), **os.environ}
            text = jinja2.Template(template.read_text(), autoescape=False).render(known)
            yaml.safe_load(text)
            found.append(folder / template.stem)
            found[-1].write_text(text)
    return found
