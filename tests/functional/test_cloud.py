"""Three units beside a whole cloud: clustered, with TLS, and a compute host that loses its power."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.functional import stories, vault
from tests.functional.cloud import RECOVERED_SECONDS, CloudUnderTest
from tests.functional.conftest import DEPLOY_SECONDS, Deploy
from tests.functional.models import JubilantModel, wait_until

IMAGE = os.environ.get("FUNCTIONAL_IMAGE", "")
INVENTORY = os.environ.get("FUNCTIONAL_INVENTORY", "")
NEEDS_IMAGE = "set FUNCTIONAL_IMAGE to the path of a small qcow2 image that boots, such as CirrOS's"


@pytest.fixture(scope="module")
def model(deploy: Deploy) -> JubilantModel:
    """Deploy the whole cloud, bring vault to life, name the BMCs where there are any, and wait for our units."""
    deployed = deploy("noble-caracal")
    wait_until(lambda: bool(deployed.units("vault")), "a vault", seconds=DEPLOY_SECONDS)
    vault.initialise(deployed)
    if INVENTORY:
        secret = deployed.juju.add_secret("fencing", {"inventory": Path(INVENTORY).read_text()})
        deployed.juju.grant_secret(secret, "masakari")
        deployed.configure("masakari", fencing_inventory=str(secret))
    wait_until(
        lambda: (
            len(deployed.units("masakari")) == 3
            and all(stories.is_ready(deployed, unit) for unit in deployed.units("masakari"))
        ),
        "three active units of masakari",
        seconds=DEPLOY_SECONDS,
    )
    return deployed


@pytest.fixture(scope="module")
def cloud(model: JubilantModel) -> CloudUnderTest:
    """Give the cloud with image, flavor, network and segment."""
    if not IMAGE:
        pytest.skip(NEEDS_IMAGE)
    found = CloudUnderTest(model)
    found.prepare(Path(IMAGE))
    return found


def test_the_api_answers_on_every_unit(model: JubilantModel) -> None:
    """Each unit serves with the certificate that vault issued."""
    stories.api_answers(model)


def test_one_unit_is_paused_while_the_others_serve(model: JubilantModel) -> None:
    """A paused unit stays so through hooks, and the others go on."""
    stories.pause_lasts_until_resume(model)


def test_every_unit_knows_its_cluster(model: JubilantModel) -> None:
    """hacluster has made a cluster of three, and haproxy is Pacemaker's."""
    for unit in model.units("masakari"):
        assert "cl_res_masakari_haproxy" in model.shell(unit, "crm_mon --one-shot --as-xml")


def test_a_host_that_fails_is_recovered(model: JubilantModel, cloud: CloudUnderTest) -> None:
    """A host loses its power and is reported; proven off, by its BMC or by a human's word, its instance runs elsewhere.

    The host stays off: who deployed it has to switch it on.
    """
    server = cloud.boot()
    host = cloud.host_of(server)
    cloud.cut_power(host)
    cloud.report(host)
    unit = model.units("masakari")[0]
    if not INVENTORY:
        wait_until(lambda: phase_of(model, unit, host) == "unproven", "a wait for a human", seconds=RECOVERED_SECONDS)
        assert not cloud.is_well_elsewhere(server, host)
        word = model.act(
            unit, "confirm-host-down", host=host, reason="this test cut its power", by="the functional tests"
        )
        assert word.is_done, word.message
    wait_until(lambda: cloud.is_well_elsewhere(server, host), "the instance elsewhere", seconds=RECOVERED_SECONDS)
    (ended,) = [row for row in recoveries(model, unit) if row["host"] == host]
    told = model.act(unit, "show-recovery", recovery=ended["uuid"])
    assert json.loads(told.results["json"])["outcome"] == "recovered"
    assert ("by human" in told.results["proofs"]) is not bool(INVENTORY)


def phase_of(model: JubilantModel, unit: str, host: str) -> str | None:
    """Return where the recovery of a host stands."""
    return next((row["phase"] for row in recoveries(model, unit) if row["host"] == host), None)


def recoveries(model: JubilantModel, unit: str) -> list[dict[str, str]]:
    """List all recoveries."""
    return list(json.loads(model.act(unit, "list-recoveries", all=True).results["json"]))
