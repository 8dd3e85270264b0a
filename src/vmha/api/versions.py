"""Discovery: which versions there are, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.api.call import Answer, JsonObject
from vmha.api.microversion import MAXIMUM, MINIMUM

if TYPE_CHECKING:
    from vmha.api.call import Call

_ID = "v1.0"
_MEDIA_TYPES = [{"base": "application/json", "type": "application/vnd.openstack.masakari+json;version=1"}]


def show(call: Call) -> Answer:
    """Describe v1."""
    documentation = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}
    links = [_self(call.base_url), documentation]
    return Answer({"version": {**_version(links), "media-types": _MEDIA_TYPES}})


def index(base_url: str) -> JsonObject:
    """List all versions."""
    return {"versions": [_version([_self(base_url)])]}


def choices(base_url: str, path: str) -> JsonObject:
    """Say where the client might find what it looked for."""
    version = {"id": _ID, "status": "CURRENT", "links": [_self(base_url, path)], "media-types": _MEDIA_TYPES}
    return {"choices": [version]}


def _version(links: list[JsonObject]) -> JsonObject:
    return {
        "id": _ID,
        "status": "CURRENT",
        "version": str(MAXIMUM),
        "min_version": str(MINIMUM),
        "updated": "2016-07-01T11:33:21Z",
        "links": links,
    }


def _self(base_url: str, path: str = "") -> JsonObject:
    return {"rel": "self", "href": f"{base_url}/v1/{path.strip('/')}"}
