"""An operator who lets hosts back, in the world's time: what `masakari-manage host return` does, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.flags import OurReasons
from vmha.core.returning import ReturnRefused, Wish
from vmha.engine.carrying import DOWN_REASON, PROCESS_REASON
from vmha.engine.looking import Hands
from vmha.engine.returning import let_back
from vmha.errors import StoreUnavailable
from vmha.sim.checker import RETURN
from vmha.sim.ports import SimClock, SimNova, SimPower
from vmha.sim.returns import MemoryReturns

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.returning import Returned
    from vmha.engine.looking import Steps
    from vmha.return_ports import Returns
    from vmha.sim.rig import Rig

STEP_SECONDS = 0.1
"""How long the calls of one step take."""


class Return:
    """One run of the command. It takes a moment for each step, and can be killed between two of them."""

    def __init__(self, rig: Rig, host: str, wish: Wish, hands: Hands, *, is_dry: bool = False) -> None:
        self._world = rig.world
        self.host = host
        self.wish = wish
        self.began_at = rig.world.now
        self.ended_at: float | None = None
        self.returned: Returned | None = None
        self.refused: ReturnRefused | None = None
        self.away: StoreUnavailable | None = None
        self._steps: Steps[Returned] | None = let_back(host, wish, hands, is_dry=is_dry)
        self._later(0.0)

    def kill(self) -> None:
        """Stop here, for good."""
        self._steps = None

    def _later(self, seconds: float) -> None:
        self._world.after(seconds + STEP_SECONDS, self._step)

    def _step(self) -> None:
        if self._steps is None:
            return
        try:
            self._later(next(self._steps))
            return
        except StopIteration as end:
            self.returned = end.value
        except ReturnRefused as refused:
            self.refused = refused
        except StoreUnavailable as away:
            self.away = away
        self._steps, self.ended_at = None, self._world.now


class Operator:
    """Lets hosts of a scenario back, as its lines say, and keeps what came of it."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._hands = hands(rig, rig.world.new_uuid)
        self.returns: list[Return] = []

    def let_back(self, host: str, by: str, *why: str) -> None:
        """Begin a return. The words as_reserved, inspected and dry are its options, the others say why."""
        options = {word for word in why if word in ("as_reserved", "inspected", "dry")}
        words = " ".join(word for word in why if word not in options)
        wish = Wish(by=by, why=words, as_reserved="as_reserved" in options, inspected="inspected" in options)
        self.returns.append(Return(self._rig, host, wish, self._hands, is_dry="dry" in options))

    def kill(self, host: str) -> None:
        """Kill the last return of a host, between two of its steps."""
        [run for run in self.returns if run.host == host][-1].kill()

    def lines(self) -> list[str]:
        """Tell how each return ended: what was done and what is to know, or every reason against it."""
        return ["returns", *(line for run in self.returns for line in _told(run))] if self.returns else []


def _told(run: Return) -> list[str]:
    ending = "broke off" if run.ended_at is None else f"{'refused' if run.refused else 'ended'} at {run.ended_at:.1f}"
    lines = [f"  {run.began_at:6.1f}  {run.host} by {run.wish.by}: {ending}"]
    if run.returned is not None:
        mark = "would be said" if run.returned.is_dry else "said"
        lines += [f"          {mark}: {reason.sentence}" for reason in run.returned.done]
        lines += [f"          note: {reason.sentence}" for reason in run.returned.notes]
    if run.refused is not None:
        lines += [f"          against: {reason.sentence}" for reason in run.refused.reasons]
    return lines if run.away is None else [*lines, f"          {run.away}"]


def hands(rig: Rig, new_uuid: Callable[[], str], returns: Returns | None = None) -> Hands:
    """Give an operator what the command works with. No census: nothing reports it yet."""
    clock = SimClock(rig.world)
    return Hands(
        nova=SimNova(rig.world, RETURN, clock),
        power=SimPower(rig.world, RETURN, hosts=rig.inventory, clock=clock),
        returns=returns or MemoryReturns(rig.memory),
        census=lambda _host: None,
        clock=clock,
        new_uuid=new_uuid,
        our_reasons=OurReasons(host=DOWN_REASON, process=PROCESS_REASON),
    )
