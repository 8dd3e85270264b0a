"""What operators of a storm chose to be done about which failure, and how they answer where they are asked about small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.events import Confirmed, Rejected
from vmha.core.incidents import InstancePhase, ProcessPhase
from vmha.core.workflows import Choice, Failure, Workflow, Workflows

if TYPE_CHECKING:
    from random import Random

    from vmha.sim.storm import Storm

_OF_HOSTS = (Workflow.RECOVER,) * 9 + (Workflow.CONFIRM, Workflow.POWER_OFF, Workflow.REPORT)
_OF_OTHERS = (Workflow.RECOVER,) * 4 + (Workflow.CONFIRM, Workflow.REPORT)


def draw_workflows(random: Random) -> Workflows:
    """Draw what is done about each kind of failure; most often it is recovered."""
    drawn = {failure: random.choice(_OF_HOSTS if failure is Failure.HOST else _OF_OTHERS) for failure in Failure}
    return Workflows(tuple(Choice(None, failure, workflow) for failure, workflow in drawn.items()))


def answer_small(storm: Storm) -> None:
    """Confirm or reject some of the instances and processes that are asked about."""
    for row in storm.rig.memory.rows.values():
        if row.state.phase in (InstancePhase.ASKING, ProcessPhase.ASKING) and storm.random.random() < 0.5:
            word = storm.random.choice((Confirmed, Confirmed, Rejected))
            storm.rig.memory.say(row.state.uuid, word(by="ann", why="I looked"))
