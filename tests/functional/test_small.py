"""One unit with what the API needs and no more: deployed, paused, asked, upgraded, removed."""

from __future__ import annotations

import pytest

from tests.functional import stories
from tests.functional.conftest import CHARM, DEPLOY_SECONDS, Deploy
from tests.functional.models import JubilantModel, wait_until


@pytest.fixture(scope="module")
def model(deploy: Deploy) -> JubilantModel:
    """Deploy the small bundle, and wait for our unit."""
    deployed = deploy("noble-caracal-small")
    wait_until(
        lambda: bool(deployed.units("masakari")) and stories.is_ready(deployed, deployed.units("masakari")[0]),
        "an active masakari",
        seconds=DEPLOY_SECONDS,
    )
    return deployed


def test_the_api_answers(model: JubilantModel) -> None:
    """A unit without TLS and cluster serves on the port that is registered."""
    stories.api_answers(model)


def test_pause_lasts_until_resume(model: JubilantModel) -> None:
    """A paused unit stays so through hooks."""
    stories.pause_lasts_until_resume(model)


def test_restart_starts_what_was_named(model: JubilantModel) -> None:
    """One service gets a new process."""
    stories.restart_starts_what_was_named(model)


def test_questions_are_answered(model: JubilantModel) -> None:
    """The actions that ask can be read, and refuse."""
    stories.questions_are_answered(model)


def test_unknown_parameters_are_refused(model: JubilantModel) -> None:
    """No action takes what it does not know."""
    stories.unknown_parameters_are_refused(model)


def test_upgrades_wait_for_their_action(model: JubilantModel) -> None:
    """The classic outcomes."""
    stories.upgrades_wait_for_their_action(model)


def test_a_refresh_keeps_the_service(model: JubilantModel) -> None:
    """A refresh with the same charm leaves the services' processes as they are."""
    unit = model.units("masakari")[0]
    before = [stories.process(model, unit, name) for name in stories.SERVICES]
    model.juju.refresh("masakari", path=CHARM)
    stories.units_become_active(model)
    assert [stories.process(model, unit, name) for name in stories.SERVICES] == before


def test_a_relation_may_go_and_come(model: JubilantModel) -> None:
    """Without the database the unit says which relation is missing; joined again it recovers by itself."""
    unit = model.units("masakari")[0]
    model.juju.remove_relation("masakari:shared-db", "masakari-mysql-router:shared-db")
    wait_until(
        lambda: "'shared-db' missing" in model.shown(unit).message,
        "a unit that misses shared-db",
        seconds=stories.SETTLE_SECONDS,
    )
    model.juju.integrate("masakari:shared-db", "masakari-mysql-router:shared-db")
    stories.units_become_active(model)


@pytest.mark.juju_teardown
def test_removal_leaves_nothing_running(model: JubilantModel) -> None:
    """The application can be removed without force."""
    model.juju.remove_application("masakari")
    wait_until(lambda: not model.units("masakari"), "an empty model", seconds=stories.SETTLE_SECONDS)
