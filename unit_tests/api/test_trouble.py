"""What the API says when something beside the request is wrong: too much of it, no database, a defect, no permission."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import webob
from oslo_config import cfg

from unit_tests.api.world import World
from vmha.api import schemas, validation
from vmha.api.call import Caller
from vmha.api.faults import Fault
from vmha.api.policy import Policy, list_rules
from vmha.errors import ConfigurationError

LIMIT = 114688
SEGMENT = {"segment": {"name": "s1", "recovery_method": "auto", "service_type": "compute"}}
MEMBER = Caller(user_id="u", user_name="bob", project_id="p", roles=("member", "reader"), is_admin=False)


def body_of(size: int) -> bytes:
    """Return a JSON body of exactly `size` bytes."""
    text = json.dumps({"segment": {**SEGMENT["segment"], "description": ""}})
    return text.replace('""', '"' + "x" * (size - len(text)) + '"').encode()


def post(world: World, body: bytes, *, announced: bool) -> Any:
    """Send a body with its length, or in chunks as a server hands them on."""
    request = webob.Request.blank("/v1/segments", method="POST", headers={"Content-Type": "application/json"})
    if announced:
        request.body = body
    else:
        request.environ |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
        request.environ.pop("CONTENT_LENGTH", None)
    return request.get_response(world.app)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_has_a_largest_size(tmp_path: Path, announced: bool) -> None:
    """A body of the limit passes, one byte more is 413 in the envelope, whether its length was announced or not."""
    world = World(tmp_path)
    assert post(world, body_of(LIMIT), announced=announced).status_int == 201
    answer = post(world, body_of(LIMIT + 1), announced=announced)
    assert answer.status_int == 413
    message = f"Request is too large. Larger than max_request_body_size ({LIMIT})."
    assert answer.json == {"overLimit": {"code": 413, "message": message}}
    assert "x-openstack-request-id" in answer.headers


def test_the_largest_size_is_configured(tmp_path: Path) -> None:
    """[oslo_middleware] max_request_body_size is honoured."""
    world = World(tmp_path, options={"max_request_body_size": "10"})
    assert world.call("POST", "/v1/segments", send=SEGMENT).status_int == 413


@pytest.mark.parametrize("length", ["abc", "-1", "٣", "9" * 5000])
def test_a_malformed_length_is_no_defect(tmp_path: Path, length: str) -> None:
    """A Content-Length that is no number, or one that nobody can read, is the client's mistake."""
    request = webob.Request.blank("/v1/segments", method="POST")
    request.environ["CONTENT_LENGTH"] = length
    assert request.get_response(World(tmp_path).app).status_int in (400, 413)


def test_a_deeply_nested_body_is_malformed(tmp_path: Path) -> None:
    """Brackets beyond what the parser can follow are refused as malformed."""
    answer = World(tmp_path).call("POST", "/v1/segments", raw=b'{"a":' * 15000)
    assert (answer.status_int, answer.json["badRequest"]["message"]) == (400, "Malformed request body")


def test_a_body_that_is_deeper_than_it_can_be_told_is_malformed() -> None:
    """What the parser could follow, and the message about it could not, is refused in the same words."""
    body: list[Any] = []
    for _ in range(100_000):
        body = [body]
    with pytest.raises(Fault, match="Malformed request body"):
        validation.check(body, schemas.SEGMENT_CREATE)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_database_that_is_away_is_503(method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the database cannot be reached the answer is 503 with Retry-After, and the log names the request."""
    world = World(tmp_path, database_is_away=True)
    answer = world.call(method, "/v1/segments", send=SEGMENT if method == "POST" else None)
    assert answer.status_int == 503
    assert answer.json["serviceUnavailable"]["code"] == 503
    assert "read before you repeat it" in answer.json["serviceUnavailable"]["message"]
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["OpenStack-API-Version"] == "instance-ha 1.0"
    (record,) = [each for each in caplog.records if each.name.startswith("vmha.api")]
    assert record.fields["request"] == answer.headers["x-openstack-request-id"]  # type: ignore[attr-defined]


def test_a_defect_is_logged_and_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen error is 500 with its class only; its text and traceback stand in the log, with the request's id."""
    world = World(tmp_path, defect="the secret detail")
    segment = world.call("POST", "/v1/segments", send=SEGMENT).json["segment"]["uuid"]
    host = {"host": {"name": "c1", "type": "X", "control_attributes": "Y"}}
    answer = world.call("POST", f"/v1/segments/{segment}/hosts", send=host)
    assert answer.status_int == 500
    assert answer.json["masakariFault"] == {
        "code": 500,
        "message": "Unexpected API Error. Please report this at https://bugs.launchpad.net/masakari/ and attach the Masakari "
        "API log if possible.\n<class 'ZeroDivisionError'>",
    }
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.fields["request"] == answer.headers["x-openstack-request-id"]  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert "secret" in str(record.exc_info[1])


@pytest.mark.parametrize("path", ["/v1/segments", "/v1/extensions", "/v1/recoveries"])
def test_a_rule_of_the_policy_file_refuses(tmp_path: Path, path: str) -> None:
    """Where policy.yaml says no, the answer is 403 and names the rule."""
    alias = path.removeprefix("/v1/")
    rule = f"os_masakari_api:{alias}:index"
    answer = World(tmp_path, policy={rule: "!"}).call("GET", path)
    assert answer.status_int == 403
    assert answer.json == {"forbidden": {"code": 403, "message": f"Policy doesn't allow {rule} to be performed."}}


def test_the_body_is_checked_before_the_policy(tmp_path: Path) -> None:
    """As upstream, a wrong body is 400 also for those who may do nothing; a right one is 403 and stores nothing."""
    world = World(tmp_path, policy={"admin_api": "!"})
    assert world.call("POST", "/v1/segments", send={}).status_int == 400
    assert world.call("POST", "/v1/segments", send=SEGMENT).status_int == 403
    with world.engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from failover_segments").scalar() == 0


def test_extensions_that_may_not_be_discovered_are_hidden(tmp_path: Path) -> None:
    """The rules named discoverable take entries out of the list of extensions."""
    world = World(tmp_path, policy={"os_masakari_api:vmoves:discoverable": "!"})
    aliases = [each["alias"] for each in world.call("GET", "/v1/extensions").json["extensions"]]
    assert "vmoves" not in aliases
    assert "segments" in aliases
    assert world.call("GET", "/v1/extensions/vmoves").status_int == 404


def test_only_administrators_pass_by_default() -> None:
    """A member passes no rule but those of the version documents; the role admin makes an administrator."""
    config = cfg.ConfigOpts()
    config([], project="masakari", default_config_files=[], default_config_dirs=[])
    policy = Policy(config)
    assert policy.is_admin({"user_id": "u", "project_id": "p", "roles": ["Admin"]})
    assert not policy.is_admin({"user_id": "u", "project_id": "p", "roles": list(MEMBER.roles)})
    names = [rule.name.removeprefix("os_masakari_api:") for rule in list_rules() if ":" in rule.name]
    assert [name for name in names if policy.allows(MEMBER, name)] == ["versions:index", "versions:discoverable"]


def test_a_policy_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """A policy file with a mistake is a configuration error that says so."""
    (tmp_path / "policy.yaml").write_text("{not yaml: [")
    (tmp_path / "masakari.conf").write_text(f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")
    config = cfg.ConfigOpts()
    config([], project="masakari", default_config_files=[str(tmp_path / "masakari.conf")], default_config_dirs=[])
    with pytest.raises(ConfigurationError, match="policy file"):
        Policy(config)
