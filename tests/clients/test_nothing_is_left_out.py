"""The other tests of this folder have used all that the clients can do. These run last, and fail when run alone."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from openstack.instance_ha.v1 import _proxy, host, notification, segment, vmove

from vmha.api.routes import ROUTES

if TYPE_CHECKING:
    from openstack.resource import Resource

    from tests.clients.commands import Commands
    from tests.clients.rig import Stage

LISTS = {
    "segments": segment.Segment,
    "hosts": host.Host,
    "notifications": notification.Notification,
    "vmoves": vmove.VMove,
}
CREATIONS_AND_CHANGES = {
    "create_segment": ("POST", segment.Segment),
    "update_segment": ("PUT", segment.Segment),
    "create_host": ("POST", host.Host),
    "update_host": ("PUT", host.Host),
    "create_notification": ("POST", notification.Notification),
}
# The help of the first names a key that segments have not; a test sees it refused.
NOT_POSSIBLE = {"segment list": {"--sort type"}}


def test_every_method_of_the_sdk_is_used(stage: Stage) -> None:
    """Every public method of the proxy class came to its end without an error."""
    methods = {name for name, value in vars(_proxy.Proxy).items() if callable(value) and not name.startswith("_")}
    assert len(methods) >= 17
    left = methods - stage.used.methods.keys()
    assert not left, f"never used: {left}"


@pytest.mark.parametrize("method", LISTS)
def test_every_parameter_of_the_sdks_lists_is_used(stage: Stage, method: str) -> None:
    """Every query parameter that the resource class knows was sent."""
    parameters = set(LISTS[method]._query_mapping._mapping)
    assert {"limit", "marker", "sort_key", "sort_dir"} < parameters
    left = parameters - stage.used.methods[method]
    assert not left, f"never sent: {left}"


@pytest.mark.parametrize("method", CREATIONS_AND_CHANGES)
def test_every_attribute_is_set_by_the_sdk(stage: Stage, method: str) -> None:
    """Every key that a body may have was sent, under the name that the resource class has for it."""
    verb, kind = CREATIONS_AND_CHANGES[method]
    keys = body_keys(verb, kind)
    assert len(keys) >= 4
    left = {kind._body_mapping()[key] for key in keys} - stage.used.methods[method]
    assert not left, f"never sent: {left}"


def test_every_command_and_option_is_used(commands: Commands) -> None:
    """Every command of python-masakariclient succeeded with every option, every choice, and every key that its help names."""
    assert len(commands.can_be_told) >= 1 + 13
    used: defaultdict[str, set[str]] = defaultdict(set)
    for finished in commands.finished:
        name, told = commands.told(finished.arguments)
        for each in (name, "") if finished.code == 0 else ():
            used[each] |= {"by name"} | words(told)
    left = {
        name: missing
        for name, arguments in commands.can_be_told.items()
        if (missing := possible(arguments) - used[name] - NOT_POSSIBLE.get(name, set()))
    }
    assert not left, f"never used: {left}"


def body_keys(verb: str, kind: type[Resource]) -> set[str]:
    """Return what our API takes for a resource."""
    member = f"/{{{kind.resource_key}}}" if verb == "PUT" else ""
    path = kind.base_path.replace("%(segment_id)s", "{segment}") + member
    (bodies,) = (route.body for route in ROUTES if (route.method, route.path) == (verb, path))
    return set(bodies[max(bodies)].schema["properties"][kind.resource_key]["properties"])


def possible(arguments: list[dict[str, Any]]) -> set[str]:
    """Return what a command can be told, a string for each way to use each argument."""
    found = {"by name"}
    for each in arguments:
        ways = ["", *each["choices"], *each["keys"], *(["more than once"] if each["is_list"] else [])]
        found |= {f"{each['name']} {way}".strip() for way in ways}
    return found


def words(told: dict[str, list[str]]) -> set[str]:
    """Return what a command was told in the same words."""
    found = set()
    for name, values in told.items():
        keys = [re.split("[=:]", part)[0] for value in values for part in re.split("[;,]", value)]
        ways = ["", *values, *keys, *(["more than once"] if len(values) > 1 else [])]
        found |= {f"{name} {way}".strip() for way in ways}
    return found
