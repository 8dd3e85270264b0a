"""The charm's outside: everything of today's charm is still there, and the documents and tables say the same as the YAML."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from masakari_charm import config, publish
from unit_tests.charm.rig import ACTIONS, CONFIG, METADATA, ROOT
from vmha.options import OPTIONS

TODAY: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "today.yaml").read_text())
DOCUMENT = ROOT / "docs" / "charm" / "config.md"
SOURCES = sorted(
    [ROOT / "src" / "charm.py", *(ROOT / "src" / "masakari_charm").rglob("*.py"), *(ROOT / "actions").glob("*.py")]
)


@pytest.mark.parametrize("side", ["requires", "peers"])
def test_todays_endpoints_remain(side: str) -> None:
    """Every endpoint keeps its name, interface and scope, so that Juju accepts a switch."""
    ours = {
        name: {key: endpoint[key] for key in ("interface", "scope") if key in endpoint}
        for name, endpoint in METADATA[side].items()
    }
    assert TODAY[side].items() <= ours.items()


def test_todays_bindings_remain() -> None:
    """Every extra binding keeps its name."""
    assert set(TODAY["extra-bindings"]) <= set(METADATA["extra-bindings"])


def test_todays_actions_remain() -> None:
    """Every action keeps its name and needs no parameter."""
    assert set(TODAY["actions"]) <= set(ACTIONS)
    assert not [name for name in TODAY["actions"] if "required" in ACTIONS[name]]


@pytest.mark.parametrize("option", TODAY["options"])
def test_todays_options_remain(option: str) -> None:
    """Every option keeps its name, its type and its default, or that it has none."""
    ours = {key: value for key, value in CONFIG["options"][option].items() if key != "description"}
    assert ours == TODAY["options"][option]


def test_nothing_new_is_required() -> None:
    """What today's charm does not have is optional, so that nothing blocks after a switch."""
    for side in ("requires", "provides"):
        for name, endpoint in METADATA.get(side, {}).items():
            assert endpoint["optional"] == (name not in ("shared-db", "identity-service")), name


def test_every_endpoint_is_published() -> None:
    """Each endpoint of the metadata has its module."""
    declared = {name for side in ("requires", "provides", "peers") for name in METADATA[side]}
    assert declared == set(publish.ENDPOINTS)


def test_the_metadata_asks_for_juju() -> None:
    """The charm says which Juju it needs, that it is no subordinate, and what the resource is."""
    assert METADATA["name"] == "masakari"
    assert METADATA["assumes"] == ["juju >= 3.6"]
    assert METADATA["subordinate"] is False
    assert METADATA["resources"]["wheels"]["type"] == "file"


def test_defaults_of_the_service_are_the_services() -> None:
    """An option that stands for one of the service's has its default, so that setting nothing changes nothing."""
    for name, option in config.SERVICE_OPTIONS.items():
        assert CONFIG["options"][name]["default"] == option.default
    assert config.parse({}, cpus=4).without_effect == ()
    defaults = {name: option["default"] for name, option in CONFIG["options"].items() if "default" in option}
    assert config.parse(defaults, cpus=4).without_effect == ()
    assert config.parse(defaults, cpus=4).problems == ()


def test_the_document_lists_every_option() -> None:
    """docs/charm/config.md has each option with its type and default, in the order of config.yaml."""
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), flags=re.MULTILINE)
    shown = [(name, kind, default.strip()) for name, kind, default, _ in rows]
    assert shown == [(name, option["type"], default_of(option)) for name, option in CONFIG["options"].items()]
    without = {name for name, *_, meaning in rows if meaning.strip().startswith("Without effect")}
    assert without == set(config.WITHOUT_EFFECT)


def default_of(option: dict[str, Any]) -> str:
    """Show a default as the document does."""
    default = option.get("default")
    if default is None:
        return "-"
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"`{default}`"
        if isinstance(default, str)
        else str(default)
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_charm_imports_of_the_service_only_its_options(path: Path) -> None:
    """Nothing of the charm loads the service: it runs where only the charm's libraries are."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named.add(node.module)
    assert {name for name in named if name.split(".")[0] == "vmha"} <= {"vmha.options"}


def test_every_module_of_the_charm_is_used() -> None:
    """Every module is reached by imports from charm.py or an action."""
    modules = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts): path
        for path in (ROOT / "src" / "masakari_charm").rglob("*.py")
        if path.name != "__init__.py"
    }
    waiting, reached = [path for path in SOURCES if "masakari_charm" not in path.parts], set[str]()
    while waiting:
        text = waiting.pop().read_text()
        found = {name for name in modules if re.search(pattern_of(name), text, flags=re.MULTILINE)} - reached
        reached |= found
        waiting += [modules[name] for name in found]
    assert not set(modules) - reached


def pattern_of(module: str) -> str:
    """Return what an import of a module looks like."""
    package, _, name = module.rpartition(".")
    return rf"from {module} import|from {package} import (?:\(\n)?(?:.*\b)?{name}\b|import {module}\b"


def test_no_relation_module_knows_ops() -> None:
    """What is parsed and asked is plain data: the modules of the relations take no object of the framework."""
    for path in (ROOT / "src" / "masakari_charm" / "relations").glob("*.py"):
        assert "import ops" not in path.read_text(), path


def test_the_icon_is_a_square() -> None:
    """Charmhub wants an SVG of 100 by 100."""
    icon = ElementTree.parse(ROOT / "icon.svg").getroot()
    assert (icon.get("width"), icon.get("height")) == ("100", "100")


def test_the_options_that_are_the_services_are_named_alike() -> None:
    """fence-attempts is fence_attempts, and so on, so that its documentation is found."""
    names = {option.name for option in OPTIONS}
    assert {name.replace("-", "_") for name in config.SERVICE_OPTIONS} <= names
