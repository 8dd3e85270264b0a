"""Bundles and tests/tests.yaml against the charm: what is ours in them exists. What a controller would say is not known here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from masakari_charm import config
from unit_tests.charm.rig import CONFIG, METADATA, ROOT

BUNDLES = ROOT / "bundles"
TEST_BUNDLES = ROOT / "tests" / "bundles"
OVERLAYS = sorted((TEST_BUNDLES / "overlays").glob("*.j2"))
WHOLE = [BUNDLES / "openstack.yaml", *sorted(TEST_BUNDLES.glob("*.yaml"))]
EVERY = [*sorted(BUNDLES.glob("*.yaml")), *sorted(TEST_BUNDLES.glob("*.yaml"))]
PACKED = ROOT / "dist" / "masakari.charm"
TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "int": (int,), "float": (int, float)}
TESTS: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "tests.yaml").read_text())


def label(path: Path) -> str:
    """Name a file in a test's id."""
    return str(path.relative_to(ROOT))


ALL_BUNDLES = pytest.mark.parametrize("path", EVERY, ids=label)


def load(path: Path) -> dict[str, Any]:
    """Read a bundle."""
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    return read


def rendered(path: Path, **known: str) -> dict[str, Any]:
    """Read an overlay that zaza renders."""
    context = {"charm_name": TESTS["charm_name"], "charm_location": str(ROOT), **known}
    read: dict[str, Any] = yaml.safe_load(jinja2.Template(path.read_text(), autoescape=False).render(context))
    return read


def relations(bundle: dict[str, Any]) -> set[frozenset[str]]:
    """Return the relations, each as its two ends."""
    return {frozenset(ends) for ends in bundle.get("relations", ())}


def interface(endpoint: str) -> str:
    """Return the interface of one of our endpoints."""
    sides = {**METADATA["requires"], **METADATA["provides"], **METADATA["peers"]}
    return str(sides[endpoint]["interface"])


def check_options(options: dict[str, Any], *, to_be_set: bool = False) -> None:
    """Each option exists, its value has its type, and the charm takes it."""
    for name, value in options.items():
        assert name in CONFIG["options"], name
        assert isinstance(value, TYPES[CONFIG["options"][name]["type"]]), name
    problems = config.parse(options, cpus=4).problems
    assert bool(problems) is to_be_set, problems


@ALL_BUNDLES
def test_what_is_ours_exists(path: Path) -> None:
    """The charm is the packed one; every option is in config.yaml, with a value of its type; every endpoint is in metadata.yaml."""
    bundle = load(path)
    ours = bundle["applications"].get("masakari")
    if ours is not None:
        assert (path.parent / ours["charm"]).resolve() == PACKED
        check_options(ours["options"], to_be_set="SET-AN-ADDRESS" in ours["options"].values())
        assert not set(ours.get("bindings", {})) - {"", *METADATA["extra-bindings"], *METADATA["requires"]}
    for ends in relations(bundle):
        for application, _, endpoint in (end.partition(":") for end in ends):
            if application == "masakari":
                assert endpoint in METADATA["requires"] | METADATA["provides"]


@ALL_BUNDLES
def test_relations_join_what_is_deployed(path: Path) -> None:
    """Both ends of each relation name an application of the file, unless it is an overlay; every end names its endpoint; none twice."""
    bundle = load(path)
    pairs = [tuple(sorted(ends)) for ends in bundle["relations"]]
    assert len(pairs) == len(set(pairs))
    for ends in pairs:
        assert len(ends) == 2
        for application, _, endpoint in (end.partition(":") for end in ends):
            assert endpoint
            if path in WHOLE:
                assert application in bundle["applications"], application


@ALL_BUNDLES
def test_every_application_can_be_deployed(path: Path) -> None:
    """An application names a charm and, where that is a store's, a channel; a place that it is put on is a machine of the file."""
    bundle = load(path)
    machines = set(bundle.get("machines", {}))
    related = {end.partition(":")[0] for ends in relations(bundle) for end in ends}
    for name, application in bundle["applications"].items():
        assert name in related, f"{name} is related to nothing"
        assert application["charm"].startswith("ch:") is ("channel" in application), name
        places = {str(place).removeprefix("lxd:") for place in application.get("to", ())}
        assert places <= machines or path not in WHOLE, name
        assert len(application.get("to", ())) in (0, application.get("num_units", 0)), name


@pytest.mark.parametrize("path", WHOLE, ids=label)
def test_our_mandatory_relations_are_there(path: Path) -> None:
    """What metadata.yaml calls mandatory is related, each to one application; mysql-router is one of ours alone."""
    ends = [ends for ends in relations(load(path)) if any(end.startswith("masakari:") for end in ends)]
    mine = sorted(end.partition(":")[2] for pair in ends for end in pair if end.startswith("masakari:"))
    assert len(mine) == len(set(mine))
    mandatory = {name for name, endpoint in METADATA["requires"].items() if not endpoint["optional"]}
    assert mandatory <= set(mine)
    assert frozenset(("masakari:shared-db", "masakari-mysql-router:shared-db")) in ends


@pytest.mark.parametrize(
    ("endpoint", "other"),
    [("shared-db", "mysql-shared"), ("amqp", "rabbitmq"), ("identity-service", "keystone"), ("ha", "hacluster")],
)
def test_the_interfaces_are_those_of_the_other_ends(endpoint: str, other: str) -> None:
    """What a bundle joins speaks one interface."""
    assert interface(endpoint) == other


def test_the_overlay_is_what_the_bundle_has() -> None:
    """The overlay for a cloud that runs, and the whole cloud, relate Masakari alike and take the same charms and channels."""
    overlay, whole = load(BUNDLES / "masakari.yaml"), load(BUNDLES / "openstack.yaml")
    assert relations(overlay) <= relations(whole)
    for name, application in overlay["applications"].items():
        for key in ("charm", "channel", "num_units", "to"):
            assert application.get(key) == whole["applications"][name].get(key), (name, key)


def test_what_is_tested_is_what_is_offered() -> None:
    """The cloud of the functional tests has the applications, channels and relations of the bundle for MAAS."""
    offered, tested = load(BUNDLES / "openstack.yaml"), load(TEST_BUNDLES / "noble-caracal.yaml")
    assert relations(offered) == relations(tested)
    assert {name: each.get("channel") for name, each in offered["applications"].items()} == {
        name: each.get("channel") for name, each in tested["applications"].items()
    }


def test_the_monitors_are_joined_to_what_is_there() -> None:
    """The overlay of the monitors names applications of the whole cloud, and says that our charm for them does not exist yet."""
    text = (BUNDLES / "monitors.yaml").read_text()
    overlay, whole = load(BUNDLES / "monitors.yaml"), load(BUNDLES / "openstack.yaml")
    known = set(overlay["applications"]) | set(whole["applications"])
    assert {end.partition(":")[0] for ends in relations(overlay) for end in ends} <= known
    assert "does not exist yet" in text
    assert overlay["applications"]["pacemaker-remote"]["options"]["enable-stonith"] is False


@pytest.mark.parametrize("path", OVERLAYS, ids=label)
@pytest.mark.parametrize("known", [{}, {"OS_VIP00": "10.5.100.1"}], ids=["bare", "with an address"])
def test_overlays_render_to_what_is_ours(path: Path, known: dict[str, str]) -> None:
    """With and without the environment's values an overlay is YAML, for applications of its bundle, with options that we have."""
    applications = rendered(path, **known)["applications"]
    assert set(applications) == {"masakari"}
    ours = applications["masakari"]
    check_options(ours.get("options", {}))
    assert ours.get("charm", str(PACKED)) == str(PACKED)
    if path.name.startswith("noble-caracal"):
        assert ours["options"].get("vip") == known.get("OS_VIP00")


def test_zaza_finds_what_it_deploys() -> None:
    """Every bundle that tests.yaml names is there and lets zaza give it the packed charm; every overlay belongs to one."""
    named = {bundle for key in ("gate", "smoke", "dev") for each in TESTS[f"{key}_bundles"] for bundle in each.values()}
    assert named == {path.stem for path in TEST_BUNDLES.glob("*.yaml")}
    assert all(load(TEST_BUNDLES / f"{name}.yaml")["local_overlay_enabled"] is True for name in named)
    assert {path.name.removesuffix(".yaml.j2") for path in OVERLAYS} <= named | {"local-charm-overlay"}
    assert TESTS["charm_name"] == METADATA["name"]


def test_zaza_finds_what_it_calls() -> None:
    """Every alias is one of a bundle; every class and function that tests.yaml names is defined in a file of the repository."""
    aliases = {alias for key in ("gate", "smoke", "dev") for each in TESTS[f"{key}_bundles"] for alias in each}
    for key in ("configure", "tests"):
        for alias, targets in ((alias, names) for each in TESTS[key] for alias, names in each.items()):
            assert alias in aliases
            for target in targets:
                module, _, name = target.rpartition(".")
                tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
                kind = ast.ClassDef if key == "tests" else ast.FunctionDef
                assert any(isinstance(node, kind) and node.name == name for node in tree.body), target


def test_zaza_waits_for_what_is_deployed() -> None:
    """Each application whose state tests.yaml describes is one of a bundle, with the keys that zaza reads."""
    known = {name for path in TEST_BUNDLES.glob("*.yaml") for name in load(path)["applications"]}
    assert set(TESTS["target_deploy_status"]) <= known
    for state in TESTS["target_deploy_status"].values():
        assert set(state) == {"workload-status", "workload-status-message-prefix"}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "the program juju is not on this machine"),
        ('[ "$1" = controllers ] && echo \'{"controllers": null}\'', "no controller is configured"),
        ('[ "$1" = controllers ] && exit 1', "no controller is configured"),
        (
            'if [ "$1" = controllers ]; then echo \'{"current-controller": "lxd"}\'; else echo "ERROR refused" >&2; exit 1; fi',
            "the controller lxd does not answer (ERROR refused)",
        ),
    ],
)
def test_functional_tests_refuse_without_a_controller(script: str | None, words: str, tmp_path: Path) -> None:
    """Without juju, without a controller, or with one that is away nothing is run, and what to do is said in one line."""
    if script is not None:
        juju = tmp_path / "juju"
        juju.write_text(f"#!/bin/sh\n{script}\n")
        juju.chmod(0o755)
    path = str(tmp_path) if script is None else f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        (sys.executable, "-m", "tests.functional"),
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("make functional cannot run: ")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
