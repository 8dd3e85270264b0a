"""`show-recovery`: where one recovery stands, its instances, its proofs, and what happened and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masakari_charm import results
from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ops

    from charm import MasakariCharm

NO_PROOF = "no proof: the monitor's word was taken (policy = detector)"


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Show it."""
    uuid = str(event.params["recovery"]).strip()
    if uuid.startswith("-"):
        event.fail(f"{uuid!r} is no uuid; list-recoveries shows them")
        return
    try:
        shown = manage.ask(charm.machine, "recovery", "show", uuid)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    event.set_results(
        {
            "outcome": f"{shown['host']}: {shown['outcome'] or shown['phase']}: {shown['message']}",
            "instances": results.text(_instances(shown)),
            "proofs": results.text(_proofs(shown)),
            "timeline": results.text(f"{line['at']}  {line['says']}" for line in shown["timeline"]),
            **results.for_program(shown, otherwise=f"masakari-manage recovery show {uuid} --json"),
        }
    )


def _instances(shown: dict[str, Any]) -> Iterator[str]:
    for each in shown["instances"]:
        yield f"{each['name']}  {each['status']}  {each['destination'] or '-'}  {each['instance']}"


def _proofs(shown: dict[str, Any]) -> Iterator[str]:
    for each in shown["proofs"]:
        ending = f"revoked: {each['revoked_because']}" if each["revoked_because"] else f"read last {each['read_at']}"
        ground = NO_PROOF if each["rung"] == "detector" else f"by {each['rung']}"
        yield f"{ground}, {ending}"
