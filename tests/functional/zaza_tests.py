"""The same stories for zaza, which deploys the bundles of tests/tests.yaml and calls these."""

from __future__ import annotations

import unittest

from tests.functional import stories, vault
from tests.functional.models import ZazaModel


def initialise_vault() -> None:
    """Configure step: bring vault to life, and wait for our units, which wait for its certificates."""
    model = ZazaModel()
    vault.initialise(model)
    stories.units_become_active(model)


class CharmTest(unittest.TestCase):
    """What an operator does with the charm."""

    @classmethod
    def setUpClass(cls) -> None:
        """Take the model that zaza deployed."""
        cls.model = ZazaModel()

    def test_the_api_answers(self) -> None:
        """Every unit serves on the port that is registered."""
        stories.api_answers(self.model)

    def test_pause_lasts_until_resume(self) -> None:
        """A paused unit stays so through hooks."""
        stories.pause_lasts_until_resume(self.model)

    def test_restart_starts_what_was_named(self) -> None:
        """One service gets a new process."""
        stories.restart_starts_what_was_named(self.model)

    def test_questions_are_answered(self) -> None:
        """The actions that ask can be read, and refuse."""
        stories.questions_are_answered(self.model)

    def test_unknown_parameters_are_refused(self) -> None:
        """No action takes what it does not know."""
        stories.unknown_parameters_are_refused(self.model)

    def test_upgrades_wait_for_their_action(self) -> None:
        """The classic outcomes."""
        stories.upgrades_wait_for_their_action(self.model)
