"""Microversions: `OpenStack-API-Version: instance-ha 1.2`. Without the header a client gets 1.0."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from vmha.api.faults import Fault, bad_request

HEADER: Final = "OpenStack-API-Version"
SERVICE: Final = "instance-ha"

_FORM = re.compile(r"([1-9][0-9]*)\.([1-9][0-9]*|0)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Microversion:
    """One version of the contract."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Write it as clients do."""
        return f"{self.major}.{self.minor}"


MINIMUM: Final = Microversion(1, 0)
MAXIMUM: Final = Microversion(1, 3)
HAS_WORKFLOW_DETAILS: Final = Microversion(1, 1)
HAS_ENABLED: Final = Microversion(1, 2)


class UnsupportedVersion(Fault):
    """The header names a version that we do not have."""


def requested(header: str | None) -> Microversion:
    """Return the version that the header asks for. Raises `Fault` if it is malformed, `UnsupportedVersion`."""
    text = _of_this_service(header or "")
    if text is None:
        return MINIMUM
    if text == "latest":
        return MAXIMUM
    form = _FORM.fullmatch(text)
    # Python refuses to read a number of thousands of digits, and no version has them.
    if form is None or len(text) > 20:
        raise bad_request(f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = Microversion(int(form[1]), int(form[2]))
    if not MINIMUM <= version <= MAXIMUM:
        raise UnsupportedVersion(
            HTTPStatus.NOT_ACCEPTABLE,
            f"Version {version} is not supported by the API. Minimum is {MINIMUM} and maximum is {MAXIMUM}.",
        )
    return version


def _of_this_service(header: str) -> str | None:
    """Find our entry among those for other services; the last one counts."""
    found = None
    for entry in header.split(","):
        service, _, version = entry.strip().partition(" ")
        if service.lower() == SERVICE and version.strip():
            found = version.strip()
    return found
