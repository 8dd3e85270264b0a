"""What bodies may look like.

The order of keywords is upstream's: it decides which of several mistakes is named. So are lists and tuples, which the
message about a value that is none of them shows as Python does.
"""

from __future__ import annotations

from typing import Any

from vmha.api.validation import validator
from vmha.core.words import LONGEST_LINE, WORDS

Schema = dict[str, Any]

_TRUE = [True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"]
_FALSE = [False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"]

RECOVERY_METHODS = ["auto", "reserved_host", "auto_priority", "rh_priority"]

NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
TEXT: Schema = {"type": "string", "minLength": 0, "format": "printable text"}
TEXT_OR_NULL: Schema = {**TEXT, "type": ["string", "null"]}
FLAG: Schema = {"type": ["boolean", "string"], "enum": _TRUE + _FALSE}
HOST_TYPE: Schema = {"type": "string", "minLength": 0, "maxLength": 255, "pattern": "^[a-zA-Z0-9]*$"}
HOST_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-._]*$"}
TIME: Schema = {"type": "string", "format": "date-time"}
UUID: Schema = {"type": "string", "format": "uuid"}
PAYLOAD: Schema = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
REASON: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_LINE,
    "pattern": r"\S",
    "format": "printable line",
}

_SEGMENT: dict[str, Schema] = {
    "name": NAME,
    "description": TEXT_OR_NULL,
    "recovery_method": {
        "type": "string",
        "enum": RECOVERY_METHODS,
    },
    "service_type": NAME,
}
_SEGMENT_1_2 = {**_SEGMENT, "enabled": FLAG}
_SEGMENT_REQUIRED = ["name", "recovery_method", "service_type"]
# Neither may be NULL in the database; upstream takes null here and then fails.
_HOST: dict[str, Schema] = {
    "name": NAME,
    "type": HOST_TYPE,
    "control_attributes": TEXT,
    "reserved": FLAG,
    "on_maintenance": FLAG,
}
_NOTIFICATION: dict[str, Schema] = {
    "type": {"type": "string", "enum": ("COMPUTE_HOST", "VM", "PROCESS")},
    "hostname": HOST_NAME,
    "generated_time": TIME,
    "payload": PAYLOAD,
}
_EVENT: Schema = {"type": "string", "enum": ("STARTED", "STOPPED")}


def _create(key: str, properties: dict[str, Schema], required: list[str]) -> Schema:
    inner = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": required,
    }
    return _object({key: inner}, [key])


def _update(key: str, properties: dict[str, Schema]) -> Schema:
    inner = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in properties],
    }
    return _object({key: inner}, [key])


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SEGMENT_CREATE = validator(_create("segment", _SEGMENT, _SEGMENT_REQUIRED))
SEGMENT_CREATE_1_2 = validator(_create("segment", _SEGMENT_1_2, _SEGMENT_REQUIRED))
SEGMENT_UPDATE = validator(_update("segment", _SEGMENT))
SEGMENT_UPDATE_1_2 = validator(_update("segment", _SEGMENT_1_2))
HOST_CREATE = validator(_create("host", _HOST, ["name", "type", "control_attributes"]))
HOST_UPDATE = validator(_update("host", _HOST))
NOTIFICATION_CREATE = validator(
    _object({"notification": _object(_NOTIFICATION, list(_NOTIFICATION))}, ["notification"])
)

PAYLOADS = {
    "COMPUTE_HOST": validator(
        _object(
            {
                "event": _EVENT,
                "cluster_status": {"type": "string", "enum": ("ONLINE", "OFFLINE")},
                "host_status": {"type": "string", "enum": ("NORMAL", "UNKNOWN")},
            },
            ["event"],
        )
    ),
    "PROCESS": validator(
        _object(
            {"event": _EVENT, "process_name": {"type": "string", "minLength": 1, "maxLength": 4096}},
            ["process_name", "event"],
        )
    ),
    "VM": validator(
        _object(
            {
                "instance_uuid": UUID,
                "vir_domain_event": {"type": "string", "minLength": 1, "maxLength": 255},
                "event": {"type": "string", "minLength": 1, "maxLength": 255},
            },
            ["instance_uuid", "vir_domain_event", "event"],
        )
    ),
}
"""What the payload must hold, by the type of the notification."""

_FLAG_OF_OURS: Schema = {"type": "boolean"}
_RETURN = {
    "type": "object",
    "properties": {
        "reason": REASON,
        "as_reserved": _FLAG_OF_OURS,
        "inspected": _FLAG_OF_OURS,
        "dry_run": _FLAG_OF_OURS,
    },
    "required": ["reason"],
    "additionalProperties": False,
}
HOST_ACTION = validator(_object({"return": _RETURN}, ["return"]))

_SAID = _object({"reason": REASON}, ["reason"])
_CONFIRMED = _object({"reason": REASON, "host_is_off": {"type": "boolean"}}, ["reason"])
RECOVERY_ACTION = validator(
    {
        "type": "object",
        "properties": dict.fromkeys(WORDS, _SAID) | {"confirm": _CONFIRMED},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
)
