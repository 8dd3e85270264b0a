"""What the API consists of, for clients that ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.api.call import Answer, JsonObject
from vmha.api.faults import not_found

if TYPE_CHECKING:
    from vmha.api.call import Call

_EXTENSIONS = (
    ("Extensions", "extensions", "Extension information."),
    ("Host actions", "host-actions", "Letting a repaired host back."),
    ("Notifications", "notifications", "Notifications support."),
    ("Hosts", "os-hosts", "Hosts controller"),
    ("Recoveries", "recoveries", "Recoveries of failed hosts: phase, proofs, moves, timeline, confirm and reject."),
    ("Segments", "segments", "Segments Extension."),
    ("Versions", "versions", "API Version information."),
    ("vmoves", "vmoves", "vmoves controller"),
)


def index(call: Call) -> Answer:
    """List the extensions that the caller may discover."""
    return Answer({"extensions": _discoverable(call)})


def show(call: Call) -> Answer:
    """Show one of them."""
    for extension in _discoverable(call):
        if extension["alias"] == call.path["alias"]:
            return Answer({"extension": extension})
    raise not_found("The resource could not be found.")


def _discoverable(call: Call) -> list[JsonObject]:
    return [
        {
            "name": name,
            "alias": alias,
            "description": description,
            "namespace": "",
            "updated": "",
            "links": [],
        }
        for name, alias, description in _EXTENSIONS
        if call.policy.allows(call.caller, f"{alias}:discoverable")
    ]
