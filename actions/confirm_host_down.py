"""`confirm-host-down`: a human's word that a failed host is off, where its recovery waits for that word.

The word becomes a proof, and a proof has a name: Juju does not tell the charm who runs an action, so the parameter `by` has to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm

ASKING = ("unwitnessed", "disputed", "braked", "capped", "asking", "unproven")
"""Waits in which the question is whether the host is down. In the others a confirm means nothing."""


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Find the recovery, hand the word on, and refuse where nothing waits for it."""
    params = {name: str(event.params.get(name, "")).strip() for name in ("host", "recovery", "reason", "by")}
    if bool(params["host"]) is bool(params["recovery"]):
        event.fail("name either host or recovery; nothing was recorded")
        return
    if not params["reason"] or not params["by"]:
        event.fail("reason and by must not be blank; nothing was recorded")
        return
    try:
        row = _waiting(manage.ask(charm.machine, "recovery", "list"), params["host"], params["recovery"])
        by = f"{params['by']} (juju action on {charm.unit.name})"
        is_off = ("--host-is-off",) if event.params.get("host-is-off") else ()
        words = ("recovery", "confirm", f"--reason={params['reason']}", f"--by={by}", *is_off, row["uuid"])
        manage.tell(charm.machine, *words)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    event.set_results(
        {
            "outcome": f"recorded; the engine weighs it, see: show-recovery recovery={row['uuid']}",
            "recovery": row["uuid"],
            "host": row["host"],
        }
    )


def _waiting(rows: list[dict[str, Any]], host: str, uuid: str) -> dict[str, Any]:
    """Return the recovery that is meant. Raises `Trouble` where there is none, or it does not ask this."""
    small = next((row for row in rows if row["uuid"] == uuid and row.get("kind", "host") != "host"), None)
    if small is not None:
        raise Trouble(
            f"recovery {uuid} is of the {small['kind']} {small['subject']}, and does not ask whether a host is down; nothing was recorded",
            f"say yes to what it asks: answer-recovery word=confirm recovery={uuid}",
        )
    rows = [row for row in rows if row.get("kind", "host") == "host"]  # a release from before has no other kind
    found = [row for row in rows if (row["host"] == host if host else row["uuid"] == uuid)]
    if not found:
        asking = sorted(row["host"] for row in rows if row["phase"] in ASKING)
        fix = f"hosts that wait for it: {', '.join(asking) or 'none'}"
        raise Trouble(f"no recovery {'of ' + host if host else uuid} is open, so nothing was recorded", fix)
    row = found[0]
    if row["phase"] not in ASKING:
        raise Trouble(
            f"recovery {row['uuid']} of {row['host']} does not ask whether the host is down: it is {row['phase']}; "
            "nothing was recorded",
            f"see: show-recovery recovery={row['uuid']}",
        )
    return row
