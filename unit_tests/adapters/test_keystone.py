"""Who we are to Keystone, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from unit_tests.adapters.http_stub import Stub, running_stub
from unit_tests.adapters.nova_stub import SERVICES, listed, nova, service, within
from vmha.adapters.clock import SystemClock
from vmha.adapters.nova import open_nova
from vmha.errors import ConfigurationError
from vmha.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVILEGED = """
os_privileged_user_name = nova
os_privileged_user_password = other
os_privileged_user_tenant = services
"""


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve a stub that lists one service."""
    with running_stub() as running:
        running.answer("GET", SERVICES, listed("services", service()))
        yield running


def logged_in(stub: Stub, extra: str = "") -> dict[str, Any]:
    """Read the services once and return what Keystone was sent."""
    nova(stub, extra=extra).services(deadline=within())
    [request] = [request for request in stub.requests if request.path == "/v3/auth/tokens"]
    body: dict[str, Any] = request.body["auth"]
    return body


def test_the_service_user_is_who_we_are(stub: Stub) -> None:
    """Without anything else we are the user of [keystone_authtoken], in its project."""
    sent = logged_in(stub)

    assert sent["identity"]["password"]["user"]["name"] == "masakari"
    assert sent["scope"]["project"]["name"] == "service"


def test_upstreams_privileged_user_goes_first(stub: Stub) -> None:
    """Where upstream's os_privileged_user_* are set, Nova sees that user, and the auth_url is still that of the group."""
    sent = logged_in(stub, PRIVILEGED)

    assert sent["identity"]["password"]["user"]["name"] == "nova"
    assert sent["identity"]["password"]["user"]["password"] == "other"
    assert sent["identity"]["password"]["user"]["domain"] == {"name": "default"}
    assert sent["scope"]["project"] == {"name": "services", "domain": {"name": "default"}}


def test_the_privileged_user_may_have_the_system_as_scope(stub: Stub) -> None:
    """With os_system_scope there is no project in the scope, for Keystone takes only one."""
    sent = logged_in(stub, f"{PRIVILEGED}os_system_scope = all\n")

    assert sent["scope"] == {"system": {"all": True}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no credentials for Nova"),
        (
            "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1/v3\nusername = masakari\n",
            r"there is no password; set \[keystone_authtoken\] password",
        ),
        (
            "[DEFAULT]\nos_privileged_user_name = nova\nos_privileged_user_auth_url = http://127.0.0.1:1/v3\n",
            r"there is no password; set \[DEFAULT\] os_privileged_user_password",
        ),
        ("[keystone_authtoken]\nauth_type = password\n", "auth_url"),
        ("[keystone_authtoken]\nauth_type = nonsense\n", "nonsense"),
        ("[DEFAULT]\nos_privileged_user_name = nova\n", "auth_url"),
    ],
)
def test_missing_credentials_are_named(tmp_path: Path, text: str, said: str) -> None:
    """An engine without credentials says at start what to set, and sends nothing."""
    path = tmp_path / "masakari.conf"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=said):
        open_nova(load(["--config-file", str(path)], "masakari-engine"), clock=SystemClock())


def test_the_api_and_we_share_the_group(stub: Stub) -> None:
    """keystonemiddleware may read [keystone_authtoken] from the same configuration, before us or after."""
    from keystonemiddleware import auth_token

    from unit_tests.adapters.nova_stub import settings

    loaded = settings(stub)
    auth_token.AuthProtocol(lambda environ, start: [], {"oslo_config_config": loaded.config})
    client = open_nova(loaded, clock=SystemClock())
    auth_token.AuthProtocol(lambda environ, start: [], {"oslo_config_config": loaded.config})

    assert client.services(deadline=within())
