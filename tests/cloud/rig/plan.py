"""Run steps that depend on each other, as many at once as may be."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One thing to do once the steps named in `after` are done."""

    name: str
    action: Callable[[], None]
    after: tuple[str, ...] = ()


def run(steps: Iterable[Step], done: Callable[[str, float], None], *, at_once: int = 8) -> None:
    """Run every step; tell `done` the name and seconds of each.

    When a step fails nothing new is begun, those that run are waited for, and the first error is raised.
    """
    actions = {step.name: step.action for step in steps}
    order = TopologicalSorter({step.name: step.after for step in steps})
    order.prepare()
    running: dict[Future[float], str] = {}
    with ThreadPoolExecutor(at_once) as pool:
        while order.is_active():
            for name in order.get_ready():
                running[pool.submit(_timed, actions[name])] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                done(name, future.result())
                order.done(name)


def _timed(action: Callable[[], None]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began
