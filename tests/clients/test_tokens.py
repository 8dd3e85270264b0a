"""Requests without a token, or with one that does not fit."""

from __future__ import annotations

import requests

from tests.clients.rig import Rig, project_id

SECONDS = 10


def test_without_a_token_only_the_versions_and_the_health_check_answer(rig: Rig) -> None:
    """Everything below /v1 is 401 with the place of Keystone; what a load balancer or a client looks at first is not."""
    assert requests.get(f"{rig.url}/", timeout=SECONDS).status_code == 200
    assert requests.get(f"{rig.url}/healthcheck", timeout=SECONDS).text == "OK"
    for path in ("/v1", "/v1/segments", "/v1/nope"):
        answer = requests.get(rig.url + path, timeout=SECONDS)
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "The request you have made requires authentication."
        assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{rig.keystone_url}/identity/v3"'
        assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_what_a_client_says_of_itself_counts_for_nothing(rig: Rig) -> None:
    """Headers that name a user and a role are no substitute for a token."""
    headers = {"X-User-Id": "eve", "X-Roles": "admin", "X-Identity-Status": "Confirmed", "X-Auth-Token": "nonsense"}
    assert requests.get(f"{rig.url}/v1/segments", headers=headers, timeout=SECONDS).status_code == 401


def test_a_token_is_for_its_own_project(rig: Rig) -> None:
    """With another project's id in the path a good token is refused, with its own it is not."""
    headers = {"X-Auth-Token": rig.connect().auth_token}
    foreign = requests.get(f"{rig.url}/v1/{project_id('demo')}/segments", headers=headers, timeout=SECONDS)
    assert foreign.status_code == 400
    assert "doesn't match Context's project_id" in foreign.json()["badRequest"]["message"]
    own = requests.get(f"{rig.url}/v1/{project_id('admin')}/segments", headers=headers, timeout=SECONDS)
    assert own.json() == {"segments": []}
