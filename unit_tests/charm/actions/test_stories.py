"""The stories that `make functional` plays on a real Juju, on the real charm without one: what they expect of it, it says and does.

Juju is played by ops.testing and the machine by a folder, so that this shows nothing of Juju, systemd or a network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from ops import testing

from tests.functional import models, stories
from tests.functional.models import Acted, Model, Shown
from unit_tests.charm.actions.acting import Acting
from unit_tests.charm.rig import ACTIONS, Rig, complete
from unit_tests.cli.rig import Installed
from unit_tests.cli.served_rig import serving

UNIT = "masakari/0"


class PlayedModel:
    """A model with one unit of masakari."""

    def __init__(self, unit: Acting) -> None:
        self._unit = unit
        self._rig = unit.rig
        self._options: dict[str, Any] = {}
        self._status = self._rig.run(self._state()).unit_status

    def _state(self) -> testing.State:
        return complete(config=dict(self._options))

    def units(self, application: str) -> list[str]:
        """There is one."""
        return [UNIT] if application == "masakari" else []

    def shown(self, unit: str) -> Shown:
        """Return what the last hook showed."""
        return Shown(status=self._status.name, message=self._status.message)

    def address(self, unit: str) -> str:
        """Return the address."""
        return "10.0.0.5"

    def shell(self, unit: str, command: str) -> str:
        """Answer the few commands that stories run on a unit, from what the machine's model knows."""
        system = self._rig.system
        if command.startswith("curl "):
            return '{"versions": [{"id": "v1.0"}]}' if "masakari-api" in system.active else ""
        if command.startswith("systemctl show --property MainPID --value "):
            name = command.rpartition(" ")[2]
            starts = sum(words.endswith(f"start {name}") for words in system.changes)
            return f"{1000 + starts if name in system.active else 0}\n"
        asked = [part.split()[2] for part in command.split("; ")]
        return "".join("active\n" if name in system.active else "inactive\n" for name in asked)

    def act(self, unit: str, action: str, **params: Any) -> Acted:
        """Refuse what actions.yaml refuses, as Juju does, and run the rest."""
        schema = {
            key: ACTIONS[action].get(key) for key in ("required", "additionalProperties") if key in ACTIONS[action]
        }
        try:
            jsonschema.validate(params, {"type": "object", "properties": ACTIONS[action].get("params", {}), **schema})
        except jsonschema.ValidationError as refused:
            return Acted(is_done=False, results={}, message=refused.message)
        shown = self._unit.act(action, self._state(), **params)
        if self._unit.state is not None:
            self._status = self._unit.state.unit_status
        return Acted(is_done=shown.failure is None, results=shown.results, message=shown.failure or "")

    def configure(self, application: str, **options: Any) -> None:
        """Set options, and run the hook that follows."""
        self._options |= {name.replace("_", "-"): value for name, value in options.items()}
        self._status = self._rig.run(self._state()).unit_status


@pytest.fixture
def model(unit: Acting, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Give the model; here nothing comes later than at once."""
    monkeypatch.setattr(models, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(stories, "SETTLE_SECONDS", 0.0)
    return PlayedModel(unit)


@pytest.mark.parametrize(
    "story",
    [
        stories.units_become_active,
        stories.api_answers,
        stories.pause_lasts_until_resume,
        stories.restart_starts_what_was_named,
        stories.unknown_parameters_are_refused,
        stories.upgrades_wait_for_their_action,
    ],
    ids=lambda story: story.__name__,
)
def test_a_story_holds(story: Callable[[Model], None], model: Model) -> None:
    """The story ends well on the real charm."""
    story(model)


def test_questions_are_answered(model: Model, installed: Installed, rig: Rig) -> None:
    """The story of the questions ends well on a service that has neither segments nor BMCs, as after a deployment."""
    with serving(installed) as cloud:
        cloud.write_inventory({})
        stories.questions_are_answered(model)


def test_a_story_notices_what_does_not_hold(model: Model, rig: Rig) -> None:
    """A unit that is not ready fails the story that waits for it, with what did not come."""
    rig.system.refuses_to_start.add("masakari-api")
    rig.system.active.discard("masakari-api")
    model.configure("masakari", debug=True)
    with pytest.raises(AssertionError, match="an active masakari/0 did not come"):
        stories.units_become_active(model)
