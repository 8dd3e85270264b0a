"""Requests out of the API's description: schemathesis makes them up, and this aims many of them at rows that exist.

By itself schemathesis would seldom get beyond the token, the project or the first id: it knows the form of each and none that is
taken. So most requests get a caller who may, ids of rows, and names of hosts; the rest is left as it was made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core import NotSet

from tests.openapi import rows
from unit_tests.api.described import DOCUMENT
from vmha.api.microversion import HEADER
from vmha.api.validation import formats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemathesis import Case, Response

    from tests.openapi.rig import Rig

ADMIN, MEMBER, FORGED, NOBODY = "admin", "demo", "forged", "nobody"
PREFIX: Final = "/instance-ha"
"""Where the API stands for a web server that gives it a part of its paths."""

# hypothesis takes the ends of what it may choose from more often than the rest.
_MOSTLY: Final = st.sampled_from((True, True, True, False, False, True, True, True, True))
_CALLERS: Final = (*[ADMIN] * 6, MEMBER, FORGED, NOBODY, MEMBER, *[ADMIN] * 6)
_VERSIONS: Final = (
    *(None, "instance-ha 1.0", "instance-ha 1.1", "instance-ha 1.2", "compute 2.1, instance-ha 1.2", "instance-ha 1.4"),
    *("instance-ha x", "instance-ha", "instance-ha 1.99999999999999999999", "caf\xe9"),
    *(*["instance-ha 1.3"] * 8, "instance-ha latest"),
)
_ACCEPTS: Final = (*[None] * 5, "*/*", "text/html", "text/plain", "application/xml", "\xe9;q=x", "application/json")
_CONTENT_TYPES: Final = (*[None] * 9, "text/xml", "application/json; charset=utf-8", *[None] * 9)
_MARKERS: Final = ("11", "14", "21", "25", "31", "36", "51", "54", "999")
# Texts that fit, by the name of the parameter or of the key; those of the path are in `rows`.
_FITTING: Final[dict[str, Sequence[str]]] = {
    "marker": (*_MARKERS, rows.KNOWN["segment"][1], rows.KNOWN["notification"][3], rows.KNOWN["recovery"][2]),
    "source_host_uuid": rows.KNOWN["host"],
    "host": rows.HOSTS,
    "service_type": ("compute", "storage"),
    "type": ("COMPUTE", "VM", "evacuation", "COMPUTE_HOST"),
    "hostname": (*rows.HOSTS, *rows.HYPERVISORS, "C1", "compute-7"),
    "name": (*rows.HOSTS, "c6", "c8", "racks-1", "racks-9"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path, below /v1 or below the caller's project."""

    method: str
    path: str
    is_below_project: bool

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.method} {'/{project}' if self.is_below_project else ''}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: what schemathesis made up, by whom it is sent, and with which headers. `is_valid` says that its body should be taken."""

    case: Case
    caller: str
    headers: dict[str, str]
    prefix: str
    is_valid: bool

    def send(self, api: Rig, operation: Operation) -> Response:
        """Send it."""
        project = f"/{api.projects.get(self.caller, api.projects[ADMIN])}" if operation.is_below_project else ""
        headers = dict(self.headers)
        if self.caller != NOBODY:
            headers["X-Auth-Token"] = api.tokens.get(self.caller, "no-token-of-ours")
        return self.case.call(
            f"http://masakari.example.org/v1{project}",
            headers=headers,
            app=api.app,
            environ_overrides={"SCRIPT_NAME": self.prefix},
        )

    @property
    def is_by_admin(self) -> bool:
        """Tell whether no right is missing, and the version is one that has all of the schema."""
        return self.caller == ADMIN and self.headers.get(HEADER) in ("instance-ha 1.3", "instance-ha latest")


def operations() -> Iterator[Operation]:
    """Name everything that the description describes, in both forms of its path."""
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            if method != "servers":
                yield Operation(method.upper(), path, is_below_project=False)
            if method != "servers" and "servers" not in methods:
                yield Operation(method.upper(), path, is_below_project=True)


@st.composite
def requests_of(draw: st.DrawFn, operation: Operation) -> Asked:
    """Make up a request."""
    described = _SCHEMA[operation.path][operation.method]
    is_valid = draw(_MOSTLY)
    mode = GenerationMode.POSITIVE if is_valid else GenerationMode.NEGATIVE
    case = draw(described.as_strategy(generation_mode=mode))
    # What schemathesis puts into headers of the description, and beside them, is replaced by what may meet someone.
    case.headers = {}
    _aim(draw, case.path_parameters, rows.KNOWN)
    _bring_together(draw, case.path_parameters or {})
    _aim(draw, case.query, _FITTING)
    for inner in case.body.values() if isinstance(case.body, dict) else ():
        _aim(draw, inner, {name: _FITTING[name] for name in ("hostname", "name")})
    headers = {HEADER: draw(st.sampled_from(_VERSIONS)), "Accept": draw(st.sampled_from(_ACCEPTS))}
    if not isinstance(case.body, NotSet):
        headers["Content-Type"] = draw(st.sampled_from(_CONTENT_TYPES))
    return Asked(
        case=case,
        caller=draw(st.sampled_from(_CALLERS)),
        headers={name: value for name, value in headers.items() if value is not None},
        prefix=draw(st.sampled_from(("", "", PREFIX))),
        is_valid=is_valid,
    )


def _aim(draw: st.DrawFn, values: Any, fitting: Mapping[str, Sequence[str]]) -> None:
    """Replace most texts by such as lead to a row."""
    for name in values if isinstance(values, dict) else ():
        if name in fitting and isinstance(values[name], str) and draw(_MOSTLY):
            values[name] = draw(st.sampled_from(fitting[name]))


def _bring_together(draw: st.DrawFn, ids: dict[str, Any]) -> None:
    """Let the first of two ids mostly be that of what the second one belongs to."""
    for outer, inner in (("segment", "host"), ("notification", "vmove")):
        home = rows.HOMES.get(ids.get(inner, ""))
        if home is not None and draw(_MOSTLY):
            ids[outer] = home


def _texts(name: str) -> Any:
    """Make up texts of a form that only our schemas have."""
    return st.text(max_size=40).filter(lambda text: formats.conforms(text, name))


for _form in ("name", "printable text", "printable line"):
    schemathesis.openapi.format(_form, _texts(_form))
_SCHEMA: Final = schemathesis.openapi.from_dict(DOCUMENT)
