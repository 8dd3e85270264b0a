"""The rows that both databases hold when a file of requests begins.

Uuids end in the row's id and begin with zeros, so that `exchange` knows them from those that the servers make. Segment 15 is
in use: its host's notification is running, and with us a recovery moves its instances.
"""

from __future__ import annotations

from typing import Any

Row = tuple[Any, ...]

_LIFE = ("created_at", "updated_at", "deleted_at", "deleted")
_SEGMENTS = ("id", "uuid", "name", "service_type", "description", "recovery_method", "enabled", *_LIFE)
_HOSTS = (
    "id",
    "uuid",
    "name",
    "type",
    "control_attributes",
    "failover_segment_id",
    "reserved",
    "on_maintenance",
    *_LIFE,
)
_NOTIFICATIONS = (
    *("id", "notification_uuid", "generated_time", "source_host_uuid", "type", "payload", "status"),
    *("failover_segment_uuid", "message", *_LIFE),
)
_VMOVES = (
    *("id", "uuid", "notification_uuid", "instance_uuid", "instance_name", "source_host", "dest_host"),
    *("start_time", "end_time", "type", "status", "message", *_LIFE),
)
_OURS = ("recoveries", "recovery_notifications", "inbox", "effects", "moves", "claims", "fence_proofs", "timeline")


def uuid(number: int) -> str:
    """Return the uuid of the row with that id."""
    return f"00000000-0000-4000-8000-0000000000{number:02d}"


def names() -> dict[str, str]:
    """Return the names by which requests call the uuids of the rows, and some that no row has."""
    return {f"u{number}": uuid(number) for number in range(11, 100)}


def _life(day: int, *, updated: bool = False, deleted: int = 0) -> Row:
    created = f"2026-01-{day:02d} 10:00:00.000000"
    changed = f"2026-02-{day:02d} 10:00:00.000000"
    return created, changed if updated else None, changed if deleted else None, deleted


def _segment(number: int, day: int, name: str, service: str, method: str, *, enabled: int = 1, **life: Any) -> Row:
    about = "the racks\nof room 2" if number == 14 else None
    return number, uuid(number), name, service, about, method, enabled, *_life(day, **life)


def _host(number: int, day: int, name: str, segment: int, *, type: str = "COMPUTE", **flags: Any) -> Row:
    reserved, maintenance = flags.pop("reserved", 0), flags.pop("on_maintenance", 0)
    return number, uuid(number), name, type, "SSH", uuid(segment), reserved, maintenance, *_life(day, **flags)


def _notification(number: int, day: int, host: int, segment: int, type: str, payload: str, status: str) -> Row:
    generated = f"2026-01-{day:02d} 09:59:58.250000"
    shown = uuid(segment) if segment else None
    return (
        number,
        uuid(number),
        generated,
        uuid(host),
        type,
        payload,
        status,
        shown,
        None,
        *_life(day, updated=day != 3),
    )


def _vmove(number: int, day: int, notification: int, status: str, *, ended: bool) -> Row:
    times = ("2026-01-02 10:00:01.000001", "2026-01-02 10:00:31.500000" if ended else None)
    message = "No valid host was found." if status == "failed" else None
    names = (uuid(number + 20), f"vm-{number}", "c1", "c2" if status == "succeeded" else None)
    return number, uuid(number), uuid(notification), *names, *times, "evacuation", status, message, *_life(day)


_STOPPED = '{"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}'
_PROCESS = '{"event": "STOPPED", "process_name": "nova-compute"}'
_VM = f'{{"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": "{uuid(99)}"}}'

ROWS: dict[str, tuple[tuple[str, ...], tuple[Row, ...]]] = {
    "failover_segments": (
        _SEGMENTS,
        (
            _segment(11, 1, "racks-1", "compute", "auto", updated=True),
            _segment(12, 2, "racks-2", "compute", "reserved_host"),
            _segment(13, 2, "racks-3", "storage", "auto_priority", enabled=0),
            _segment(14, 3, "racks-4", "compute", "rh_priority", updated=True),
            _segment(15, 4, "racks-5", "compute", "auto"),
            _segment(16, 5, "racks-6", "net", "auto"),
            _segment(17, 6, "racks-7", "compute", "auto", deleted=17),
        ),
    ),
    "hosts": (
        _HOSTS,
        (
            _host(21, 1, "c1", 11, updated=True),
            _host(22, 2, "c2", 11, reserved=1),
            _host(23, 2, "c3", 11, on_maintenance=1, updated=True),
            _host(24, 3, "c4", 13),
            _host(25, 4, "c5", 15),
            _host(26, 5, "Compute-7.example.org", 14),
            _host(27, 6, "gone", 11, deleted=27),
            _host(28, 7, "old-1", 11, type="VM"),
            _host(29, 8, "old-2", 11, type="VM", reserved=1, on_maintenance=1),
            _host(30, 9, "old-3", 11, type="", updated=True),
        ),
    ),
    "notifications": (
        _NOTIFICATIONS,
        (
            _notification(31, 1, 21, 11, "COMPUTE_HOST", _STOPPED, "finished"),
            _notification(32, 2, 21, 11, "COMPUTE_HOST", _STOPPED, "failed"),
            _notification(33, 3, 22, 11, "PROCESS", _PROCESS, "finished"),
            _notification(34, 4, 21, 11, "VM", _VM, "ignored"),
            _notification(35, 5, 24, 0, "COMPUTE_HOST", _STOPPED, "ignored"),
            _notification(36, 6, 25, 15, "COMPUTE_HOST", _STOPPED, "running"),
            _notification(37, 7, 26, 14, "VM", _VM, "finished"),
        ),
    ),
    "vmoves": (
        _VMOVES,
        (
            _vmove(51, 2, 31, "succeeded", ended=True),
            _vmove(52, 2, 31, "succeeded", ended=True),
            _vmove(53, 3, 31, "failed", ended=True),
            _vmove(54, 4, 31, "ongoing", ended=False),
            _vmove(55, 5, 31, "pending", ended=False),
            _vmove(56, 6, 31, "succeeded", ended=True),
            _vmove(57, 7, 36, "ongoing", ended=False),
        ),
    ),
}
_RECOVERY = {
    "recoveries": {
        "uuid": uuid(91),
        "kind": "host",
        "open_key": f"host:{uuid(25)}",
        "host_uuid": uuid(25),
        "host_name": "c5",
        "segment_uuid": uuid(15),
        "method": "auto",
        "phase": "moving",
        "message": "",
        "state": "{}",
        "version": 1,
        "opened_at": 0,
        "epoch": 0,
        "lease_until": 4102444800,  # the year 2100: an engine works on it
    },
    "recovery_notifications": {"notification_uuid": uuid(36), "recovery_uuid": uuid(91), "is_first": 1},
}


def statements(side: str) -> str:
    """Return the SQL that empties a side's database and fills it."""
    tables = [*reversed(ROWS), *(_OURS if side == "ours" else ())]
    script = [f"DELETE FROM {table};" for table in tables]
    for table, (columns, rows) in ROWS.items():
        script += [_insert(table, columns, row) for row in rows]
    if side == "ours":
        script += [_insert(table, tuple(row), tuple(row.values())) for table, row in _RECOVERY.items()]
    return "\n".join(script)


def _insert(table: str, columns: tuple[str, ...], values: Row) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(map(_literal, values))});"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
