"""What operators of a storm chose to be done about which failure, and how they answer where they are asked about small ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from vmha.core.events import Confirmed, Rejected
from vmha.core.incidents import InstancePhase, ProcessPhase
from vmha.core.workflows import Choice, Failure, Workflow, Workflows

if TYPE_CHECKING:
    from vmha.sim.storm import Storm

_OF_HOSTS = (Workflow.RECOVER,) * 9 + (Workflow.CONFIRM, Workflow.POWER_OFF, Workflow.REPORT)
_OF_OTHERS = (Workflow.RECOVER,) * 4 + (Workflow.CONFIRM, Workflow.REPORT)


def draw_workflows(chance: random.Random) -> Workflows:
    """Draw what is done about each kind of failure; most often it is recovered."""
    drawn = {failure: chance.choice(_OF_HOSTS if failure is Failure.HOST else _OF_OTHERS) for failure in Failure}
    return Workflows(tuple(Choice(None, failure, workflow) for failure, workflow in drawn.items()))


def draw_dispute_seconds(seed: int) -> float:
    """Draw how long Nova must hear a host before its report counts as wrong: as it ships, or so briefly that it happens again within the run.

    From a source of its own, so that the other draws of a seed stay what they were.
    """
    return random.Random(seed + 3_000_017).choice((60.0, 60.0, 60.0, 300.0))


def answer_small(storm: Storm) -> None:
    """Confirm or reject some of the instances and processes that are asked about."""
    for row in storm.rig.memory.rows.values():
        if row.state.phase in (InstancePhase.ASKING, ProcessPhase.ASKING) and storm.random.random() < 0.5:
            word = storm.random.choice((Confirmed, Confirmed, Rejected))
            storm.rig.memory.say(row.state.uuid, word(by="ann", why="I looked"))
