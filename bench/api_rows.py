"""The rows that both sides' databases hold, made by the database itself, and what is counted and removed after a run."""

from __future__ import annotations

SEGMENTS, HOSTS = 20, 8000
"""Segments of a large cloud. A run posts fewer notifications than there are hosts: each opens a recovery of its own."""
OLD = 100_000
"""Notifications in the database of those workloads that have many."""
FIRST_POSTED = 1_000_000
"""Where ids of notifications that a run posts begin."""
OURS = ("recoveries", "recovery_notifications", "inbox", "effects", "moves", "claims", "fence_proofs", "timeline")
_SEGMENT = "CONCAT('00000000-0000-4000-8000-1', LPAD({}, 11, '0'))"
_HOST = "CONCAT('00000000-0000-4000-8000-2', LPAD({}, 11, '0'))"
_NOTIFICATION = "CONCAT('00000000-0000-4000-8000-3', LPAD({}, 11, '0'))"


def fill(database: str, *, notifications: int) -> str:
    """Return the SQL that fills the tables: a cloud, and old notifications of it, one a minute until yesterday."""
    segment_of_host = _SEGMENT.format(f"(seq % {SEGMENTS}) + 1")
    host = f"(seq * 7919 % {HOSTS}) + 1"
    made = f"UTC_TIMESTAMP() - INTERVAL 1 DAY - INTERVAL ({notifications} - seq) MINUTE"
    script = f"""
        USE {database};
        INSERT INTO failover_segments (id, uuid, name, service_type, recovery_method, enabled, created_at, deleted)
        SELECT seq, {_SEGMENT.format("seq")}, CONCAT('rack-', seq), 'COMPUTE', 'auto', 1,
            UTC_TIMESTAMP() - INTERVAL 200 DAY, 0 FROM seq_1_to_{SEGMENTS};
        INSERT INTO hosts (id, uuid, name, reserved, type, control_attributes, failover_segment_id, on_maintenance, created_at, deleted)
        SELECT seq, {_HOST.format("seq")}, CONCAT('compute-', seq), 0, 'COMPUTE', 'SSH', {segment_of_host}, 0,
            UTC_TIMESTAMP() - INTERVAL 200 DAY, 0 FROM seq_1_to_{HOSTS};
        """
    if notifications:
        script += f"""
        INSERT INTO notifications (id, notification_uuid, generated_time, source_host_uuid, type, payload, status, failover_segment_uuid,
            created_at, updated_at, deleted)
        SELECT seq, {_NOTIFICATION.format("seq")}, {made}, {_HOST.format(host)},
            ELT(seq % 3 + 1, 'COMPUTE_HOST', 'VM', 'PROCESS'),
            ELT(seq % 3 + 1, '{{"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}}',
                CONCAT('{{"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": "', UUID(), '"}}'),
                '{{"event": "STOPPED", "process_name": "nova-compute"}}'),
            'finished', {_SEGMENT.format(f"({host}) % {SEGMENTS} + 1")}, {made}, {made}, 0
        FROM seq_1_to_{notifications};
        """
    return f"{script} ALTER TABLE notifications AUTO_INCREMENT = {FIRST_POSTED}; ANALYZE TABLE notifications, hosts, failover_segments;"


def count_posted(database: str) -> str:
    """Return the SQL that counts what was posted."""
    return f"SELECT COUNT(*) FROM {database}.notifications WHERE id >= {FIRST_POSTED};"


def count_opened(database: str) -> str:
    """Return the SQL that counts the recoveries that were opened; our side only."""
    return f"SELECT COUNT(*) FROM {database}.recoveries;"


def remove_posted(database: str, *, is_ours: bool) -> str:
    """Return the SQL that removes what was posted, so that each run begins with the same rows."""
    script = f"DELETE FROM {database}.notifications WHERE id >= {FIRST_POSTED};"
    return script + "".join(f"TRUNCATE {database}.{table};" for table in (OURS if is_ours else ()))
