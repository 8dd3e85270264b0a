"""Bodies as a real server hands them on."""

from __future__ import annotations

from collections.abc import Iterator

import requests

from tests.clients.rig import Rig

SECONDS = 60
SEGMENT = b'{"segment": {"name": "s1", "recovery_method": "auto", "service_type": "compute"}}'


def test_a_body_in_chunks_is_read(rig: Rig) -> None:
    """A client that does not know the length beforehand is served, and refused when the body grows too large."""
    url = f"{rig.url}/v1/segments"
    headers = {"X-Auth-Token": rig.token(), "Content-Type": "application/json"}

    def pieces(body: bytes) -> Iterator[bytes]:
        yield body[:20]
        yield body[20:]

    assert requests.post(url, data=pieces(SEGMENT), headers=headers, timeout=SECONDS).status_code == 201
    large = requests.post(url, data=pieces(SEGMENT + b" " * 200_000), headers=headers, timeout=SECONDS)
    assert (large.status_code, large.json()["overLimit"]["code"]) == (413, 413)


def test_a_large_body_is_refused_before_the_token_is_looked_at(rig: Rig) -> None:
    """Whoever sends too much is told so, at every path, without a token."""
    for path in ("/v1/segments", "/", "/healthcheck"):
        answer = requests.post(rig.url + path, data=b"x" * 200_000, timeout=SECONDS)
        assert answer.status_code == 413
        assert answer.json()["overLimit"]["code"] == 413
