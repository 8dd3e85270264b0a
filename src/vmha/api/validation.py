"""Checks bodies against schemas and says what is wrong in upstream's words."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from jsonschema import Draft4Validator, FormatChecker, ValidationError
from oslo_utils import uuidutils

from vmha.api import times
from vmha.api.faults import Fault, bad_request
from vmha.core.words import is_line, is_printable

_BAD_NAME = (
    "An invalid 'name' value was provided. The name must be: printable characters. "
    "Can not start or end with whitespace."
)

formats = FormatChecker(formats=())


def parse(text: bytes) -> Any:
    """Read a JSON body; none at all is None. Raises `Fault`."""
    if not text:
        return None
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _malformed() from None


def check(body: Any, schema: Draft4Validator) -> None:
    """Raise `Fault` with the first thing that is wrong with `body`."""
    try:
        error = next(schema.iter_errors(body), None)
        message = None if error is None else _message(error)
    except RecursionError:
        raise _malformed() from None
    if message is not None:
        raise bad_request(message)


def _malformed() -> Fault:
    """The same for a body that is no JSON and for one whose brackets go deeper than anybody follows."""
    return bad_request("Malformed request body")


def validator(schema: dict[str, Any]) -> Draft4Validator:
    """Prepare a schema for `check`."""
    return Draft4Validator(schema, format_checker=formats)


def _message(error: ValidationError) -> str:
    if error.validator == "format" and error.validator_value == "name":
        return _BAD_NAME
    if not error.path:
        return error.message
    where = error.path[-1]
    return f"Invalid input for field/attribute {where}. Value: {error.instance}. {error.message}"


@formats.checks("name")
def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not value:
        return True
    ends = (unicodedata.category(value[0]), unicodedata.category(value[-1]))
    return all(is_printable(each) for each in value) and "Zs" not in ends


@formats.checks("printable text")
def _is_text(value: object) -> bool:
    return not isinstance(value, str) or all(each == "\n" or is_printable(each) for each in value)


@formats.checks("printable line")
def _is_line(value: object) -> bool:
    return not isinstance(value, str) or is_line(value)


@formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    if isinstance(value, str):
        times.parse(value)
    return True


@formats.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(uuidutils.is_uuid_like(value))
