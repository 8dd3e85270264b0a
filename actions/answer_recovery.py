"""`answer-recovery`: a human's word on a recovery. That a host is down is `confirm-host-down`'s to say, and no other's.

`host` names the recovery of the host itself: its instances and processes have incidents of their own, which `recovery` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Find the recovery and hand the word on; the service refuses what means nothing where the recovery stands."""
    params = {name: str(event.params.get(name, "")).strip() for name in ("word", "host", "recovery", "reason", "by")}
    if bool(params["host"]) is bool(params["recovery"]):
        event.fail("name either host or recovery; nothing was recorded")
        return
    if not params["reason"] or not params["by"]:
        event.fail("reason and by must not be blank; nothing was recorded")
        return
    try:
        row = _open(manage.ask(charm.machine, "recovery", "list"), params["host"], params["recovery"])
        if params["word"] == "confirm" and _is_of_host(row):
            raise Trouble(
                f"recovery {row['uuid']} is of the host {row['host']} itself, so nothing was recorded",
                "make sure that the host is down, and say so: confirm-host-down",
            )
        by = f"{params['by']} (juju action on {charm.unit.name})"
        words = ("recovery", params["word"], f"--reason={params['reason']}", f"--by={by}", row["uuid"])
        manage.tell(charm.machine, *words)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    event.set_results(
        {
            "outcome": f"{params['word']} recorded; see: show-recovery recovery={row['uuid']}",
            "recovery": row["uuid"],
            "host": row["host"],
        }
    )


def _open(rows: list[dict[str, Any]], host: str, uuid: str) -> dict[str, Any]:
    """Return the open recovery that is meant. Raises `Trouble` where there is none."""
    hosts = [row for row in rows if _is_of_host(row)]
    found = [row for row in hosts if row["host"] == host] if host else [row for row in rows if row["uuid"] == uuid]
    if not found:
        named = ", ".join(sorted(row["host"] for row in hosts)) or "none"
        raise Trouble(
            f"no recovery {'of the host ' + host if host else uuid} is open, so nothing was recorded",
            f"open: {named}; list-recoveries shows those of instances and processes too",
        )
    return found[0]


def _is_of_host(row: dict[str, Any]) -> bool:
    """Tell a host's recovery from the incident of an instance or a process. A release from before has no other kind."""
    return bool(row.get("kind", "host") == "host")
