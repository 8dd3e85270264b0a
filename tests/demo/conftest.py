"""The runs of the demo, started before the first test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.demo.plays import Play, Plays


@pytest.fixture(scope="session")
def plays(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """Give the runs that the chosen tests ask for by their parameter `play`."""
    wanted: dict[str, Play] = {}
    for item in request.session.items:
        play = item.callspec.params.get("play") if hasattr(item, "callspec") else None
        if isinstance(play, Play):
            wanted[play.name] = play
    running = Plays(list(wanted.values()), tmp_path_factory.mktemp("demo"))
    yield running
    running.close()
