"""The stories, begun before the first test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.service.stories import MissingServer, Outcomes, Stories


@pytest.fixture(scope="session")
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stories]:
    """Give the stories that the chosen tests name by their mark or their parameter `story`."""
    wanted: list[str] = []
    for item in request.session.items:
        wanted += [name for mark in item.iter_markers("usefixtures") for name in mark.args]
        if hasattr(item, "callspec") and "story" in item.callspec.params:
            wanted.append(str(item.callspec.params["story"]))
    playing = Stories(wanted, tmp_path_factory.mktemp("service"))
    yield playing
    playing.close()


@pytest.fixture
def tell(stories: Stories) -> Callable[[str], Outcomes]:
    """Give what came of a story; skip where this machine lacks what it needs."""

    def of(name: str) -> Outcomes:
        try:
            return stories.of(name)
        except MissingServer as missing:
            pytest.skip(str(missing))

    return of
