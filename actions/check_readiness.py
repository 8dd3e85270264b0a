"""`check-readiness`: the checklist for production. Each point is OK, NOT OK with what to do, or UNKNOWN with why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm import results
from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm

SECONDS = 900.0
"""Every BMC, and every host in Nova and Placement: time for some thousand hosts."""


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Go through the list; fail where a point is NOT OK."""
    try:
        checks = manage.ask(charm.machine, "readiness", timeout_seconds=SECONDS)["checks"]
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    names = list(dict.fromkeys(check["check"] for check in checks))
    wrong = [name for name in names if any(c["check"] == name and c["verdict"] == "not-ok" for c in checks)]
    unknown = sum(check["verdict"] == "unknown" for check in checks)
    points = {name: results.text(_line(check) for check in checks if check["check"] == name) for name in names}
    event.set_results(
        {
            "outcome": ("not ready" if wrong else "ready") + (f", {unknown} unknown" if unknown else ""),
            **points,
            **results.for_program(checks, otherwise="masakari-manage readiness --json"),
        }
    )
    if wrong:
        event.fail(f"not ok: {', '.join(wrong)}; each result says what to do")


def _line(check: dict[str, str]) -> str:
    do = f"; {check['do']}" if check["do"] else ""
    return f"{check['verdict'].replace('-', ' ').upper()}: {check['says']}{do}"
