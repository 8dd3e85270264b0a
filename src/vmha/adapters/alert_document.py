"""What a receiver of alerts gets, as plain JSON: docs/operate/alerts.md describes it, docs/operate/alert.schema.json checks it.

Rules: a key is never taken away and never means something else while `version` stays; new keys may come; every alert of one recovery
has the same `incident` and `dedup_key`, and a `number` that grows by one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from vmha.adapters.db.text import sentence
from vmha.core.alerting import Severity, needs_human, severity
from vmha.core.effects import AlertKind
from vmha.core.model import MoveStatus, Recovery

if TYPE_CHECKING:
    from vmha.core.effects import Alert
    from vmha.core.explain import Reason
    from vmha.core.incidents import Incident

VERSION = 1
NAMESPACE = UUID("6f0d3bb2-6f0b-5d3f-9d5c-0f4d2b7f6a11")
"""Any constant: ids of alerts are made of it, the incident and the number."""


def alert_uuid(incident: str, number: int) -> str:
    """Name the alert of an incident with that number; the same one always has the same name."""
    return str(uuid5(NAMESPACE, f"{incident}/{number}"))


def document(recovery: Incident, alert: Alert, *, number: int, at: float) -> dict[str, Any]:
    """Say of a recovery what the alert says, and how it stands; `at` is the database's time in seconds."""
    return {
        "version": VERSION,
        "id": alert_uuid(recovery.uuid, number),
        "incident": recovery.uuid,
        "dedup_key": f"vmha-{recovery.uuid}",
        "number": number,
        "kind": alert.kind.value,
        "severity": severity(alert.kind, recovery.phase, recovery.outcome, alert.reason.code).value,
        "needs_human": needs_human(alert.kind, recovery.phase),
        "host": alert.host,
        "segment": recovery.segment,
        "code": alert.reason.code.name,
        "summary": sentence(alert.reason.sentence),
        "facts": {name: sentence(value) for name, value in alert.reason.facts},
        "phase": recovery.phase.value,
        # A word that is refused in the decision that ends the recovery is told beside the end, and is not it.
        "outcome": recovery.outcome.value if recovery.outcome and alert.kind is AlertKind.ENDED else None,
        "proof": recovery.proof.rung.value if isinstance(recovery, Recovery) and recovery.proof else None,
        "instances": _instances(recovery),
        "opened_at": _moment(recovery.opened_at),
        "made_at": _moment(at),
    }


def document_of_refusal(reason: Reason, *, host: str, segment: str, at: float) -> dict[str, Any]:
    """Say that the failure of a host was refused, so that there is no recovery."""
    told = {"host": host, "segment": segment, "code": reason.code.name, "summary": sentence(reason.sentence)}
    facts = {name: sentence(value) for name, value in reason.facts}
    return _bare(AlertKind.REFUSED, Severity.WARNING, at, f"vmha-host-{host}") | told | {"facts": facts}


def document_of_arming(
    reason: Reason, *, scope: str, host: str | None, segment: str | None, at: float
) -> dict[str, Any]:
    """Say that a disarming has run out. `scope` is its key, and `host` or `segment` what it was for, None where that was all."""
    told = {"host": host, "segment": segment, "code": reason.code.name, "summary": sentence(reason.sentence)}
    facts = {name: sentence(value) for name, value in reason.facts}
    return _bare(AlertKind.ARMED, Severity.WARNING, at, f"vmha-disarm-{scope}") | told | {"facts": facts}


def document_of_test(engine: str, *, at: float) -> dict[str, Any]:
    """Build what `masakari-manage alerts test` sends."""
    words = {"code": "TEST", "summary": f"a test of {engine}: alerts of vmha reach you; nothing has happened"}
    return _bare(AlertKind.TEST, Severity.INFO, at, f"vmha-test-{engine}") | words | {"facts": {"engine": engine}}


def _bare(kind: AlertKind, urgency: Severity, at: float, dedup_key: str) -> dict[str, Any]:
    """Build an alert of no recovery, with the same keys."""
    return {
        "version": VERSION,
        "id": str(uuid4()),
        "incident": None,
        "dedup_key": dedup_key,
        "number": 1,
        "kind": kind.value,
        "severity": urgency.value,
        "needs_human": False,
        "host": None,
        "segment": None,
        "phase": None,
        "outcome": None,
        "proof": None,
        "instances": None,
        "opened_at": None,
        "made_at": _moment(at),
    }


_GROUPS = {
    MoveStatus.MOVED: "moved",
    MoveStatus.FAILED: "failed",
    MoveStatus.HELD: "waiting",
    MoveStatus.STALLED: "waiting",
    MoveStatus.SKIPPED: "left_alone",
    MoveStatus.GONE: "left_alone",
}
"""What is shown of a move; all other statuses are under way."""


def _instances(recovery: Incident) -> dict[str, int] | None:
    """Count the instances by how they stand; None before it is known what runs on the host."""
    if not isinstance(recovery, Recovery) or not recovery.surveyed:
        return None
    count = dict.fromkeys(("total", "moved", "under_way", "waiting", "failed", "left_alone"), 0)
    count["total"] = len(recovery.moves)
    for move in recovery.moves:
        count[_GROUPS.get(move.status, "under_way")] += 1
    return count


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
