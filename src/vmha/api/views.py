"""Rows as JSON objects, with upstream's keys in upstream's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.api.times import shown, shown_epoch

if TYPE_CHECKING:
    from vmha.adapters.db.hosts import Host
    from vmha.adapters.db.notifications import Notification
    from vmha.adapters.db.recovery_views import ProofView, RecoveryView, TimelineLine
    from vmha.adapters.db.segments import Segment
    from vmha.adapters.db.vmoves import VMove
    from vmha.api.call import JsonObject
    from vmha.core.model import Move


def segment(row: Segment) -> JsonObject:
    """Show a segment."""
    return {
        "id": row.id,
        "uuid": row.uuid,
        "name": row.name,
        "service_type": row.service_type,
        "enabled": row.enabled,
        "description": row.description,
        "recovery_method": row.recovery_method,
        **_life(row),
    }


def host(row: Host, of: Segment) -> JsonObject:
    """Show a host of the segment `of`."""
    return {
        "id": row.id,
        "uuid": row.uuid,
        "name": row.name,
        "failover_segment_id": row.failover_segment_id,
        "failover_segment": segment(of),
        "type": row.type,
        "reserved": row.reserved,
        "control_attributes": row.control_attributes,
        "on_maintenance": row.on_maintenance,
        **_life(row),
    }


def notification(row: Notification, details: list[JsonObject] | None = None) -> JsonObject:
    """Show a notification, with the steps of its recovery if `details` are given."""
    return {
        "id": row.id,
        "notification_uuid": row.notification_uuid,
        "generated_time": shown(row.generated_time),
        "source_host_uuid": row.source_host_uuid,
        "type": row.type,
        "payload": row.payload,
        "status": row.status,
        **({} if details is None else {"recovery_workflow_details": details}),
        "failover_segment_uuid": row.failover_segment_uuid,
        "message": row.message,
        **_life(row),
    }


def vmove(row: VMove) -> JsonObject:
    """Show the move of an instance."""
    return {
        "id": row.id,
        "uuid": row.uuid,
        "notification_uuid": row.notification_uuid,
        "instance_uuid": row.instance_uuid,
        "instance_name": row.instance_name,
        "source_host": row.source_host,
        "dest_host": row.dest_host,
        "start_time": shown(row.start_time),
        "end_time": shown(row.end_time),
        "type": row.type,
        "status": row.status,
        "message": row.message,
        **_life(row),
    }


def recovery(row: RecoveryView) -> JsonObject:
    """Show a recovery as lists do."""
    return {
        "uuid": row.uuid,
        "kind": row.kind,
        "subject": row.subject,
        "host": row.host_name,
        "host_uuid": row.host_uuid,
        "segment_uuid": row.segment_uuid,
        "method": row.method,
        "phase": row.phase.value,
        "waits_for_human": row.phase.is_wait,
        "outcome": None if row.outcome is None else row.outcome.value,
        "message": row.message,
        "opened_at": shown_epoch(row.opened_at),
        "ended_at": shown_epoch(row.ended_at),
    }


def recovery_in_full(
    row: RecoveryView, notifications: list[str], moves: list[Move], proofs: list[ProofView]
) -> JsonObject:
    """Show a recovery with all that belongs to it but the timeline."""
    return {
        **recovery(row),
        "notifications": notifications,
        "moves": [_move(each) for each in moves],
        "proofs": [_proof(each) for each in proofs],
    }


def timeline_line(line: TimelineLine) -> JsonObject:
    """Show one line of what happened and why."""
    return {
        "at": shown_epoch(line.at),
        "engine": line.engine,
        "code": line.code,
        "facts": line.facts,
        "sentence": line.sentence,
    }


def _move(move: Move) -> JsonObject:
    return {
        "instance_uuid": move.instance,
        "instance_name": move.name,
        "status": move.status.value,
        "target": move.target,
        "destination": move.destination,
        "attempts": move.attempts,
        "suspects": list(move.suspects),
        "started_at": shown_epoch(move.started_at),
        "ended_at": shown_epoch(move.ended_at),
        "reason": None if move.reason is None else move.reason.sentence,
        "diagnosis": None if move.diagnosis is None else move.diagnosis.plain,
    }


def _proof(row: ProofView) -> JsonObject:
    return {
        "uuid": row.uuid,
        "host": row.host_name,
        "rung": row.rung,
        "readings": [{"power": each.power.value, "at": shown_epoch(each.at)} for each in row.readings],
        "word": None if row.word is None else {"by": row.word.by, "why": row.word.why, "at": shown_epoch(row.word.at)},
        "established_at": shown_epoch(row.established_at),
        "read_at": shown_epoch(row.read_at),
        "valid_until": shown_epoch(row.valid_until),
        "revoked_at": shown_epoch(row.revoked_at),
        "revoked_because": row.revoked_because,
    }


def _life(row: Segment | Host | Notification | VMove) -> JsonObject:
    """Show the columns that all of upstream's tables have."""
    return {
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "deleted_at": shown(row.deleted_at),
        "deleted": bool(row.deleted),
    }
