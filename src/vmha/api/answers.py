"""What answers look like, as JSON schemas for the description of the API: every key of `views`, and no other."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from vmha.api import faults, schemas
from vmha.core.causes import Cause
from vmha.core.kinds import KINDS, PHASES
from vmha.core.model import MoveStatus, Outcome, Power

if TYPE_CHECKING:
    from vmha.api.schemas import Schema


def ref(name: str) -> Schema:
    """Refer to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _page(name: str, kind: str) -> Schema:
    """Describe a list; one that was cut though the client named no limit has a link to the rest."""
    link = _object({"rel": {"const": "next"}, "href": _TEXT})
    return _object({name: _list(ref(kind)), f"{name}_links": _list(link)}, optional=(f"{name}_links",))


def _one_of(*words: str | None) -> Schema:
    return {"enum": list(words)}


STATUSES: Final = ["new", "running", "error", "failed", "ignored", "finished"]
"""What a notification's status may be."""

_TEXT: Final[Schema] = {"type": "string"}
_TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
_FLAG: Final[Schema] = {"type": "boolean"}
_ID: Final[Schema] = {"type": "integer", "minimum": 1}
_FORM: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$"
_TIME: Final[Schema] = {"type": "string", "pattern": _FORM, "description": "naive UTC"}
_TIME_OR_NULL: Final[Schema] = {**_TIME, "type": ["string", "null"]}
_LIFE: Final = {"created_at": _TIME_OR_NULL, "updated_at": _TIME_OR_NULL, "deleted_at": _TIME_OR_NULL, "deleted": _FLAG}

_SEGMENT = {
    "id": _ID,
    "uuid": _TEXT,
    "name": _TEXT,
    "service_type": _TEXT,
    "enabled": _FLAG,
    "description": _TEXT_OR_NULL,
    "recovery_method": _one_of(*schemas.RECOVERY_METHODS),
    **_LIFE,
}
_HOST = {
    "id": _ID,
    "uuid": _TEXT,
    "name": _TEXT,
    "failover_segment_id": _TEXT,
    "failover_segment": ref("Segment"),
    "type": _TEXT,
    "reserved": _FLAG,
    "control_attributes": _TEXT,
    "on_maintenance": _FLAG,
    **_LIFE,
}
_STEP = {"timestamp": _TEXT, "progress": _TEXT, "message": _TEXT}
_TASK = {
    "name": _TEXT,
    "progress": {"type": "number", "minimum": 0, "maximum": 1},
    "progress_details": _list(_object(_STEP)),
    "state": _TEXT,
}
_NOTIFICATION = {
    "id": _ID,
    "notification_uuid": _TEXT,
    "generated_time": _TIME,
    "source_host_uuid": _TEXT,
    "type": _one_of("COMPUTE_HOST", "VM", "PROCESS"),
    "payload": {"type": "object"},
    "status": _one_of(*STATUSES),
    "recovery_workflow_details": {
        **_list(_object(_TASK)),
        "description": "from 1.1 on, where one notification is shown",
    },
    "failover_segment_uuid": _TEXT_OR_NULL,
    "message": _TEXT_OR_NULL,
    **_LIFE,
}
_VMOVE = {
    "id": _ID,
    "uuid": _TEXT,
    "notification_uuid": _TEXT,
    "instance_uuid": _TEXT,
    "instance_name": _TEXT,
    "source_host": _TEXT_OR_NULL,
    "dest_host": _TEXT_OR_NULL,
    "start_time": _TIME_OR_NULL,
    "end_time": _TIME_OR_NULL,
    "type": _TEXT_OR_NULL,
    "status": _TEXT_OR_NULL,
    "message": _TEXT_OR_NULL,
    **_LIFE,
}
_EXTENSION = {
    "name": _TEXT,
    "alias": _TEXT,
    "description": _TEXT,
    "namespace": _TEXT,
    "updated": _TEXT,
    "links": {"type": "array", "maxItems": 0},
}
_RECOVERY = {
    "uuid": _TEXT,
    "kind": _one_of(*KINDS),
    "subject": {**_TEXT_OR_NULL, "description": "the instance's uuid or the process's name, null for a host"},
    "host": _TEXT,
    "host_uuid": _TEXT,
    "segment_uuid": _TEXT_OR_NULL,
    "method": {**_one_of(None, *schemas.RECOVERY_METHODS), "description": "null but for hosts"},
    "phase": _one_of(*dict.fromkeys(each.value for each in PHASES)),
    "waits_for_human": _FLAG,
    "outcome": _one_of(None, *(each.value for each in Outcome)),
    "message": _TEXT,
    "opened_at": _TIME,
    "ended_at": _TIME_OR_NULL,
}
_MOVE = {
    "instance_uuid": _TEXT,
    "instance_name": _TEXT,
    "status": _one_of(*(each.value for each in MoveStatus)),
    "target": _TEXT_OR_NULL,
    "destination": _TEXT_OR_NULL,
    "attempts": {"type": "integer", "minimum": 0},
    "suspects": _list(_TEXT),
    "started_at": _TIME_OR_NULL,
    "ended_at": _TIME_OR_NULL,
    "reason": _TEXT_OR_NULL,
    "diagnosis": {
        **_object({"cause": _one_of(*(each.value for each in Cause)), "evidence": _list(_TEXT), "next_step": _TEXT}),
        "type": ["object", "null"],
    },
}
_WORD = {**_object({"by": _TEXT, "why": _TEXT, "at": _TIME}), "type": ["object", "null"]}
_PROOF = {
    "uuid": _TEXT,
    "host": _TEXT,
    "rung": _TEXT,
    "readings": _list(_object({"power": _one_of(*(each.value for each in Power)), "at": _TIME})),
    "word": _WORD,
    "established_at": _TIME,
    "read_at": _TIME,
    "valid_until": _TIME,
    "revoked_at": _TIME_OR_NULL,
    "revoked_because": _TEXT_OR_NULL,
}
_IN_FULL = {
    **_RECOVERY,
    "notifications": _list(_TEXT),
    "moves": _list(_object(_MOVE)),
    "proofs": _list(_object(_PROOF)),
}
_LINE = {"at": _TIME, "engine": _TEXT, "code": _TEXT, "facts": {"type": "object"}, "sentence": _TEXT}
_RETURN = {"host": _TEXT, "host_uuid": _TEXT, "dry_run": _FLAG, "done": _list(_TEXT), "notes": _list(_TEXT)}

COMPONENTS: Final[dict[str, Schema]] = {
    "Segment": _object(_SEGMENT),
    "Host": _object(_HOST),
    "Notification": _object(_NOTIFICATION, optional=("recovery_workflow_details",)),
    "VMove": _object(_VMOVE),
    "Extension": _object(_EXTENSION),
    "Recovery": _object(_RECOVERY),
    "RecoveryInFull": _object(_IN_FULL),
    "TimelineLine": _object(_LINE),
    "Return": _object(_RETURN),
    "Version": {
        "type": "object",
        "required": ["id", "status", "version", "min_version", "updated", "links", "media-types"],
    },
    "BareFault": _object({"message": _TEXT, "code": _TEXT, "title": _TEXT}),
    "Unauthorized": _object({"error": _object({"code": {"const": 401}, "title": _TEXT, "message": _TEXT})}),
}

_HOSTS = "/segments/{segment}/hosts"
_VMOVES = "/notifications/{notification}/vmoves"


def envelope(status: HTTPStatus) -> Schema:
    """Describe the body of an error with this status."""
    return _object({faults.name_of(status): _object({"code": {"const": status.value}, "message": _TEXT})})


def _one(name: str, kind: str) -> Any:
    return _object({name: ref(kind)})


SUCCESSES: Final[dict[tuple[str, str], tuple[HTTPStatus, Schema | None]]] = {
    ("GET", ""): (HTTPStatus.OK, _one("version", "Version")),
    ("GET", "/openapi"): (HTTPStatus.OK, {"type": "object"}),
    ("GET", "/segments"): (HTTPStatus.OK, _page("segments", "Segment")),
    ("POST", "/segments"): (HTTPStatus.CREATED, _one("segment", "Segment")),
    ("GET", "/segments/{segment}"): (HTTPStatus.OK, _one("segment", "Segment")),
    ("PUT", "/segments/{segment}"): (HTTPStatus.OK, _one("segment", "Segment")),
    ("DELETE", "/segments/{segment}"): (HTTPStatus.NO_CONTENT, None),
    ("GET", _HOSTS): (HTTPStatus.OK, _page("hosts", "Host")),
    ("POST", _HOSTS): (HTTPStatus.CREATED, _one("host", "Host")),
    ("GET", _HOSTS + "/{host}"): (HTTPStatus.OK, _one("host", "Host")),
    ("PUT", _HOSTS + "/{host}"): (HTTPStatus.OK, _one("host", "Host")),
    ("DELETE", _HOSTS + "/{host}"): (HTTPStatus.NO_CONTENT, None),
    ("GET", "/notifications"): (HTTPStatus.OK, _page("notifications", "Notification")),
    ("POST", "/notifications"): (HTTPStatus.ACCEPTED, _one("notification", "Notification")),
    ("GET", "/notifications/{notification}"): (HTTPStatus.OK, _one("notification", "Notification")),
    ("GET", _VMOVES): (HTTPStatus.OK, _page("vmoves", "VMove")),
    ("GET", _VMOVES + "/{vmove}"): (HTTPStatus.OK, _one("vmove", "VMove")),
    ("GET", "/extensions"): (HTTPStatus.OK, _object({"extensions": _list(ref("Extension"))})),
    ("GET", "/extensions/{alias}"): (HTTPStatus.OK, _one("extension", "Extension")),
    ("GET", "/recoveries"): (HTTPStatus.OK, _page("recoveries", "Recovery")),
    ("GET", "/recoveries/{recovery}"): (HTTPStatus.OK, _one("recovery", "RecoveryInFull")),
    ("GET", "/recoveries/{recovery}/timeline"): (HTTPStatus.OK, _object({"timeline": _list(ref("TimelineLine"))})),
    ("POST", "/recoveries/{recovery}/action"): (HTTPStatus.ACCEPTED, _one("recovery", "Recovery")),
    ("POST", _HOSTS + "/{host}/action"): (HTTPStatus.OK, _one("return", "Return")),
}
"""Status and body of each route's success, by method and path."""
