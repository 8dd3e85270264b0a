"""`return-host`: a repaired host is let back, and its spare into the reserve, or every reason against it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masakari_charm import results
from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm

SECONDS = 240.0
"""A heartbeat is waited for half a minute, and Nova's lists and each order may take their time."""


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Let it back; fail with the first reason against it, and show all of them."""
    params = {name: str(event.params.get(name, "")).strip() for name in ("host", "reason", "by")}
    if not all(params.values()) or params["host"].startswith("-"):
        event.fail("host, reason and by must not be blank, and host is a name; nothing was done")
        return
    flags = [f"--{name}" for name in ("as-reserved", "inspected", "dry-run") if event.params.get(name)]
    by = f"{params['by']} (juju action on {charm.unit.name})"
    words = ("host", "return", params["host"], f"--reason={params['reason']}", f"--by={by}", *flags)
    try:
        answer = manage.ask(charm.machine, *words, timeout_seconds=SECONDS)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    against: list[str] = answer["against"]
    event.set_results(
        {
            "outcome": _outcome(answer),
            "done": results.text(answer.get("done", [])),
            "notes": results.text(answer.get("notes", [])),
            "against": results.text(against),
            **results.for_program(answer, otherwise=f"masakari-manage host return {params['host']} --dry-run --json"),
        }
    )
    if against:
        event.fail(f"{params['host']} is not let back: {against[0]}")


def _outcome(answer: dict[str, Any]) -> str:
    """Sum it up."""
    if answer["against"]:
        count = len(answer["against"])
        return f"not let back: {count} reason{'' if count == 1 else 's'} against it"
    # The first line of what was done says who did it and why, the second what.
    lines: list[str] = answer["done"]
    return lines[min(1, len(lines) - 1)] if answer["is_done"] else f"would be: {lines[0]}"
