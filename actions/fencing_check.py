"""`fencing-check`: does every BMC answer? Power is read, and nothing is switched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masakari_charm import results
from masakari_charm.workload import manage
from masakari_charm.workload.machine import Trouble

if TYPE_CHECKING:
    import ops

    from charm import MasakariCharm

SECONDS = 600.0
"""32 BMCs are asked at a time, each for 8 s at most: time for 2,000 that say nothing."""


def run(event: ops.ActionEvent, charm: MasakariCharm) -> None:
    """Ask all BMCs, or that of one host; fail where one does not answer."""
    host = str(event.params.get("host", "")).strip()
    if host.startswith("-"):
        event.fail(f"{host!r} is no host; name it as Nova does")
        return
    words = ("fencing", "check", *((host,) if host else ()))
    try:
        found = manage.ask(charm.machine, *words, timeout_seconds=SECONDS)
    except Trouble as trouble:
        event.fail(str(trouble))
        return
    hosts: list[dict[str, Any]] = found["hosts"]
    silent = [each for each in hosts if each["state"] == "not-ok" or (host and each["power"] is None)]
    bare, believed = (sum(each["state"] == state for each in hosts) for state in ("unprotected", "no-proof"))
    outcome = f"{sum(each['power'] is not None for each in hosts)} of {len(hosts) - bare - believed} BMCs answer"
    outcome += f", {_count(bare)} unprotected" if bare else ""
    outcome += f", {_count(believed)} believed without a proof" if believed else ""
    unread = {"segments": f"could not be read: {found['segments_unread']}"} if found["segments_unread"] else {}
    event.set_results(
        {
            "outcome": outcome,
            "hosts": results.text(map(_line, hosts)),
            **unread,
            **results.for_program(found, otherwise=f"masakari-manage {' '.join(words)} --json"),
        }
    )
    if silent:
        event.fail(f"not ok: {', '.join(each['host'] for each in silent[:20])}; the result hosts says what to do")


def _count(hosts: int) -> str:
    return f"{hosts} host{'' if hosts == 1 else 's'}"


def _line(each: dict[str, Any]) -> str:
    word = str(each["state"]).replace("-", " ").upper()
    says = each["trouble"] or f"{each['address']} reads {str(each['power']).upper()}"
    return f"{word}  {each['host']}  {says}"
