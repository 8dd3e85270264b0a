"""Makes webhooks of `[alerts]`, or says what of it cannot be used. A URL may hold a secret: it is called by its number."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from vmha.adapters.private_file import Unreadable, read_private
from vmha.adapters.webhooks import HttpWebhook, parse_url
from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.adapters.webhooks import Address
    from vmha.alert_settings import AlertSettings
    from vmha.ports import Clock

MOST_WEBHOOKS = 16
"""Each has a thread of its own in every engine."""

LEAST_SECRET = 16
"""Characters; a shorter secret could be found by trying."""

MOST_SECRETS = 2
"""The one that counts and the one that will, or did."""


def load_webhooks(settings: AlertSettings, *, clock: Clock) -> tuple[HttpWebhook, ...]:
    """Check all of `[alerts]` and build the webhooks; nothing is sent yet. Raises `ConfigurationError` with every fault."""
    faults = [*_url_faults(settings.webhooks), *_proxy_faults(settings.proxy)]
    secrets, tls = tuple[bytes, ...](), ssl.create_default_context()
    try:
        secrets = _secrets(settings.secret_file)
    except ValueError as error:
        faults.append(f"[alerts] secret_file = {settings.secret_file} cannot be used: {error}")
    try:
        tls = _trust(settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        faults.append(
            f"[alerts] ca_file = {settings.ca_file} cannot be used ({error.strerror or type(error).__name__}): it must be a file of "
            "certificates in PEM that the service's user may read"
        )
    if faults:
        raise ConfigurationError("\n  ".join(faults))
    proxy = _proxy(settings.proxy)
    return tuple(HttpWebhook(url=url, secrets=secrets, tls=tls, clock=clock, proxy=proxy) for url in settings.webhooks)


def _url_faults(urls: tuple[str, ...]) -> Iterator[str]:
    if len(urls) > MOST_WEBHOOKS:
        yield f"[alerts] webhooks has {len(urls)} URLs: it may have {MOST_WEBHOOKS}; let one receiver pass alerts on"
    for number, url in enumerate(urls, start=1):
        try:
            parse_url(url)
        except ValueError as error:
            yield (
                f"[alerts] webhooks: URL number {number} of {len(urls)} cannot be used: {error}; "
                "it must be like https://receiver.example.org/path, with %2C for a comma"
            )
        if url in urls[: number - 1]:
            yield f"[alerts] webhooks: URL number {number} of {len(urls)} stands there twice; leave one out"


def _proxy_faults(url: str | None) -> Iterator[str]:
    try:
        _proxy(url)
    except ValueError as error:
        yield f"[alerts] proxy cannot be used: {error}; it must be like http://proxy.example.org:3128"


def _proxy(url: str | None) -> Address | None:
    if url is None:
        return None
    address = parse_url(url)
    if address.scheme != "http":
        raise ValueError("it is spoken to without TLS, so it must begin with http://")
    return address


def _secrets(name: str | None) -> tuple[bytes, ...]:
    """Read the secrets, one a line. Raises `ValueError`."""
    if name is None:
        return ()
    try:
        lines = [line.strip() for line in read_private(Path(name)).splitlines() if line.strip()]
    except FileNotFoundError:
        raise ValueError("there is no such file; make it, with mode 0600, for the service's user") from None
    except Unreadable as error:
        raise ValueError(str(error)) from error
    if not 1 <= len(lines) <= MOST_SECRETS:
        raise ValueError(f"it has {len(lines)} lines with a secret; write one, or two while you change it")
    if any(len(line) < LEAST_SECRET for line in lines):
        raise ValueError(
            f"a secret in it has fewer than {LEAST_SECRET} characters; make one with: openssl rand -hex 32"
        )
    return tuple(line.encode() for line in lines)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust the CA that is named, or those of the system."""
    return ssl.create_default_context(cafile=ca_file)
