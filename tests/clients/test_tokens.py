"""Requests without a token, with one that does not fit, and with each kind that Keystone gives."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests
from keystoneauth1.exceptions.http import Unauthorized
from openstack import exceptions

from tests.clients.test_sdk import FAILURE, host_of, segment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.rig import Rig, Stage

SECONDS = 60


def ask(rig: Rig, path: str, token: str) -> requests.Response:
    """Read something with a token."""
    return requests.get(rig.url + path, headers={"X-Auth-Token": token}, timeout=SECONDS)


def test_without_a_token_only_the_versions_and_the_health_check_answer(rig: Rig) -> None:
    """Everything below /v1 is 401 with the place of Keystone; what a load balancer or a client looks at first is not."""
    assert requests.get(f"{rig.url}/", timeout=SECONDS).status_code == 200
    assert requests.get(f"{rig.url}/healthcheck", timeout=SECONDS).text == "OK"
    for path in ("/v1", "/v1/segments", "/v1/nope"):
        answer = requests.get(rig.url + path, timeout=SECONDS)
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "The request you have made requires authentication."
        assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{rig.keystone.url}"'
        assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_what_a_client_says_of_itself_counts_for_nothing(rig: Rig) -> None:
    """Headers that name a user and a role are no substitute for a token, nor do they add to one."""
    said = {"X-User-Id": "eve", "X-Roles": "admin", "X-Identity-Status": "Confirmed"}
    for token, status in (("nonsense", 401), (rig.token("demo"), 403)):
        answer = requests.get(f"{rig.url}/v1/segments", headers={**said, "X-Auth-Token": token}, timeout=SECONDS)
        assert answer.status_code == status


def test_a_token_is_for_its_own_project(rig: Rig) -> None:
    """With another project's id in the path a good token is refused, with its own it is not."""
    token = rig.token()
    foreign = ask(rig, f"/v1/{rig.keystone.projects['demo']}/segments", token)
    assert foreign.status_code == 400
    assert "doesn't match Context's project_id" in foreign.json()["badRequest"]["message"]
    assert ask(rig, f"/v1/{rig.keystone.projects['admin']}/segments", token).json() == {"segments": []}


def test_a_revoked_token_is_worth_nothing(rig: Rig) -> None:
    """Keystone is asked about a token that the API has not seen before, and its no is heard."""
    kept, revoked = rig.token(), rig.token()
    headers = {"X-Auth-Token": kept, "X-Subject-Token": revoked}
    assert requests.delete(f"{rig.keystone.url}/auth/tokens", headers=headers, timeout=SECONDS).status_code == 204
    assert ask(rig, "/v1/segments", revoked).status_code == 401
    assert ask(rig, "/v1/segments", kept).status_code == 200


def test_a_member_may_do_nothing(rig: Rig) -> None:
    """A token without the role admin is refused by the policy."""
    with pytest.raises(exceptions.ForbiddenException, match="Policy doesn't allow os_masakari_api:segments:index"):
        list(rig.ha("demo").segments())


def test_a_user_without_a_role_may_do_nothing(rig: Rig) -> None:
    """Keystone gives such a user no token of a project; one of no project is good, and refused by the policy."""
    with pytest.raises(Unauthorized):
        rig.token("nobody")
    token = rig.keystone.unscoped_token("nobody")
    refused = ask(rig, "/v1/segments", token)
    assert refused.status_code == 403
    assert "os_masakari_api:segments:index" in refused.json()["forbidden"]["message"]
    assert ask(rig, f"/v1/{rig.keystone.projects['demo']}/segments", token).status_code == 400


def test_monitors_report_as_the_service_user(rig: Rig) -> None:
    """The service's own user, by its password as by an application credential, may do what monitors do."""
    ha = rig.ha("masakari")
    segment = segment_of(ha)
    for name in ("c1", "c2"):
        host_of(ha, segment, name)
    assert ha.create_notification(**FAILURE).status == "new"
    credential = rig.keystone.application_credential("masakari")
    assert rig.ha(region="versioned", **credential).create_notification(**{**FAILURE, "hostname": "c2"}).status == "new"


def test_an_administrator_of_the_system_has_no_project(rig: Rig) -> None:
    """A token of the system's scope is an administrator's too; its catalog has only endpoints without a project in them."""
    system = {"system_scope": "all", "project_name": None, "project_domain_name": None}
    ha = rig.ha(region="versioned", **system)
    assert segment_of(ha).name == "s1"
    assert [each.name for each in ha.segments()] == ["s1"]


def test_without_keystone_the_api_says_that_it_cannot_tell(stage: Stage, make_rig: Callable[..., Rig]) -> None:
    """While Keystone is away a token is not called bad: the client hears 503. What needs no token still answers."""
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = "http://{}:{}/v3".format(*nobody.getsockname())
        authtoken = stage.keystone.authtoken().replace(stage.keystone.url, away) + "http_request_max_retries = 0\n"
        rig = make_rig(authtoken=authtoken)
        assert ask(rig, "/v1/segments", rig.token()).status_code == 503
        assert requests.get(f"{rig.url}/", timeout=SECONDS).status_code == 200
