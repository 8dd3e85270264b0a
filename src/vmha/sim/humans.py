"""What humans say in a scenario beside confirm and reject: pause, resume, cancel, disarm and arm; and what no storm meets.

`delete_provider HOST`: an operator deletes its resource provider. `enabled_late HOST SECONDS`: Nova enables and disables its service at
once and answers so much later, since it waits for the host's nova-compute (nova/compute/api.py, HostAPI, of release 34).
"""

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


def _delete_provider(player: Player, host: str) -> None:
    player.world.note("fault", fault="delete_provider", host=host)
    player.world.placement.delete_provider(host)


def _enabled_late(player: Player, host: str, seconds: str) -> None:
    player.world.note("fault", fault="enabled_late", host=host, seconds=seconds)
    player.world.nova.enabled_late[host] = float(seconds)


VERBS: dict[str, Callable[..., None]] = {
    "pause_recovery": partial(_say, kind=Paused),
    "resume_recovery": partial(_say, kind=Resumed),
    "cancel": partial(_say, kind=Cancelled),
    "disarm": _disarm,
    "arm": _arm,
    "delete_provider": _delete_provider,
    "enabled_late": _enabled_late,
}
