"""Every route of v1. Each exists twice: below /v1, and below /v1/<id of the caller's project>.

Where there is no route the answer is 404 as plain text; where upstream has one that does nothing (`NOT_ALLOWED`) it is 405.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.api import (
    extensions,
    host_actions,
    hosts,
    notifications,
    recoveries,
    schemas,
    segments,
    versions,
    vmoves,
)
from vmha.api.microversion import HAS_ENABLED, MINIMUM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft4Validator

    from vmha.api.call import Handler
    from vmha.api.microversion import Microversion


@dataclass(frozen=True, slots=True)
class Route:
    """What is done for one method on one path. `rule` is the policy's, `body` the schema by the version it begins with."""

    method: str
    path: str
    handler: Handler
    rule: str | None
    body: Mapping[Microversion, Draft4Validator] | None = None


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """A method that upstream maps to an action which does not exist."""

    method: str
    path: str
    action: str


_SEGMENT_CREATE = {MINIMUM: schemas.SEGMENT_CREATE, HAS_ENABLED: schemas.SEGMENT_CREATE_1_2}
_SEGMENT_UPDATE = {MINIMUM: schemas.SEGMENT_UPDATE, HAS_ENABLED: schemas.SEGMENT_UPDATE_1_2}
_HOST_CREATE = {MINIMUM: schemas.HOST_CREATE}
_HOST_UPDATE = {MINIMUM: schemas.HOST_UPDATE}
_NOTIFICATION_CREATE = {MINIMUM: schemas.NOTIFICATION_CREATE}
_RECOVERY_ACTION = {MINIMUM: schemas.RECOVERY_ACTION}
_HOST_ACTION = {MINIMUM: schemas.HOST_ACTION}

_HOSTS = "/segments/{segment}/hosts"
_VMOVES = "/notifications/{notification}/vmoves"

ROUTES = (
    Route("GET", "/segments", segments.index, "segments:index"),
    Route("POST", "/segments", segments.create, "segments:create", _SEGMENT_CREATE),
    Route("GET", "/segments/{segment}", segments.show, "segments:detail"),
    Route("PUT", "/segments/{segment}", segments.update, "segments:update", _SEGMENT_UPDATE),
    Route("DELETE", "/segments/{segment}", segments.delete, "segments:delete"),
    Route("GET", _HOSTS, hosts.index, "os-hosts:index"),
    Route("POST", _HOSTS, hosts.create, "os-hosts:create", _HOST_CREATE),
    Route("GET", _HOSTS + "/{host}", hosts.show, "os-hosts:detail"),
    Route("PUT", _HOSTS + "/{host}", hosts.update, "os-hosts:update", _HOST_UPDATE),
    Route("DELETE", _HOSTS + "/{host}", hosts.delete, "os-hosts:delete"),
    Route("GET", "/notifications", notifications.index, "notifications:index"),
    Route("POST", "/notifications", notifications.create, "notifications:create", _NOTIFICATION_CREATE),
    Route("GET", "/notifications/{notification}", notifications.show, "notifications:detail"),
    Route("GET", _VMOVES, vmoves.index, "vmoves:index"),
    Route("GET", _VMOVES + "/{vmove}", vmoves.show, "vmoves:detail"),
    Route("GET", "/extensions", extensions.index, "extensions:index"),
    Route("GET", "/extensions/{alias}", extensions.show, "extensions:detail"),
    # Ours; upstream has none of these.
    Route("GET", "/recoveries", recoveries.index, "recoveries:index"),
    Route("GET", "/recoveries/{recovery}", recoveries.show, "recoveries:detail"),
    Route("GET", "/recoveries/{recovery}/timeline", recoveries.timeline, "recoveries:timeline"),
    Route("POST", "/recoveries/{recovery}/action", recoveries.act, "recoveries:action", _RECOVERY_ACTION),
    Route("POST", _HOSTS + "/{host}/action", host_actions.act, "host-actions:return", _HOST_ACTION),
)

NOT_ALLOWED = (
    NotAllowed("GET", "/segments/new", "new"),
    NotAllowed("GET", "/segments/{segment}/edit", "edit"),
    NotAllowed("POST", "/segments/{segment}/action", "action"),
    NotAllowed("GET", _HOSTS + "/new", "new"),
    NotAllowed("GET", _HOSTS + "/{host}/edit", "edit"),
    NotAllowed("GET", "/notifications/new", "new"),
    NotAllowed("GET", "/notifications/{notification}/edit", "edit"),
    NotAllowed("POST", "/notifications/{notification}/action", "action"),
    NotAllowed("PUT", "/notifications/{notification}", "update"),
    NotAllowed("DELETE", "/notifications/{notification}", "delete"),
    NotAllowed("GET", _VMOVES + "/new", "new"),
    NotAllowed("GET", _VMOVES + "/{vmove}/edit", "edit"),
    NotAllowed("POST", _VMOVES, "create"),
    NotAllowed("PUT", _VMOVES + "/{vmove}", "update"),
    NotAllowed("DELETE", _VMOVES + "/{vmove}", "delete"),
    NotAllowed("GET", "/extensions/new", "new"),
    NotAllowed("GET", "/extensions/{alias}/edit", "edit"),
    NotAllowed("POST", "/extensions", "create"),
    NotAllowed("PUT", "/extensions/{alias}", "update"),
    NotAllowed("DELETE", "/extensions/{alias}", "delete"),
)

VERSION = Route("GET", "", versions.show, None)
"""The discovery document, with and without a slash at its end, and not below a project."""
