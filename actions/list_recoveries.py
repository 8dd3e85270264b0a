"""`list-recoveries`: the recoveries that are open, and those that have ended where `all` says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm import results
from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """List them, youngest first."""
    words = ("recovery", "list", *(("--all",) if event.params.get("all") else ()))
    try:
        rows = manage.ask(charm.machine, *words)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    waiting = sum(row["waits_for_human"] for row in rows)
    still_open = sum(row["ended_at"] is None for row in rows)
    event.set_results(
        {
            "outcome": f"{still_open} open, {waiting} waiting for a human",
            "recoveries": results.text(
                f"{row['uuid']}  {row['host']}  {row['outcome'] or row['phase']}  {row['opened_at']}  {row['message']}"
                for row in rows
            ),
            **results.for_program(rows, otherwise=f"masakari-manage {' '.join(words)} --json"),
        }
    )
