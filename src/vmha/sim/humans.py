"""What humans say in a scenario beside confirm and reject: pause, resume, cancel, disarm and arm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from vmha.core.events import Cancelled, Paused, Resumed
from vmha.core.model import Disarm

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.scenario import Player


def _say(player: Player, host: str, by: str, *why: str, kind: type[Paused | Resumed | Cancelled]) -> None:
    newest = [state.uuid for state in player.store.failures if state.host == host][-1]
    player.store.say(newest, kind(by=by, why=" ".join(why)))


def _disarm(player: Player, scope: str, seconds: str, by: str, *why: str) -> None:
    """Disarm `all`, `segment:NAME` or `host:NAME` for so many seconds."""
    name = scope.replace(":", " ")
    until = player.store.clock() + float(seconds)
    words = f"{until:.0f} s"
    player.store.disarms[name] = Disarm(scope=name, by=by, why=" ".join(why), until=until, until_text=words)


def _arm(player: Player, scope: str) -> None:
    del player.store.disarms[scope.replace(":", " ")]


VERBS: dict[str, Callable[..., None]] = {
    "pause_recovery": partial(_say, kind=Paused),
    "resume_recovery": partial(_say, kind=Resumed),
    "cancel": partial(_say, kind=Cancelled),
    "disarm": _disarm,
    "arm": _arm,
}
