"""The properties of images, from the simulated Glance over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.sim.rehearsal import quick_world
from unit_tests.sim.test_contract_over_http import CONFIG
from vmha.adapters.clock import SystemClock
from vmha.adapters.images import GlanceImages, open_images
from vmha.errors import NovaUnavailable
from vmha.ports import Deadline
from vmha.settings import load
from vmha.sim.faults import inject
from vmha.sim.served import ServedWorld


@pytest.fixture(scope="module")
def served() -> Iterator[ServedWorld]:
    """One host with two instances that boot from images."""
    world = quick_world(hosts=1)
    world.add_server("c1", name="a", image_backed=True, image_properties={"ha_priority": "9", "os_distro": "debian"})
    world.add_server("c1", name="b", image_backed=True)
    with ServedWorld(world, with_bmcs=False) as running:
        yield running


@pytest.fixture
def images(served: ServedWorld, tmp_path: Path) -> GlanceImages:
    """The adapter, as the engine has it."""
    config = tmp_path / "masakari.conf"
    config.write_text(CONFIG.format(url=served.url))
    return open_images(load(["--config-file", str(config)], "masakari-engine"), clock=SystemClock())


def within(seconds: float = 60.0) -> Deadline:
    """A deadline."""
    return Deadline(at=SystemClock().monotonic() + seconds)


def test_each_image_is_read_and_a_deleted_one_left_out(images: GlanceImages) -> None:
    """Of a record the texts are kept, among which the properties are; flags, numbers and lists are none."""
    found = images.properties(["image-a", "image-b", "image-gone"], deadline=within())
    assert set(found) == {"image-a", "image-b"}
    assert {("ha_priority", "9"), ("os_distro", "debian")} <= set(found["image-a"])
    assert "ha_priority" not in dict(found["image-b"])
    assert {"tags", "min_disk", "os_hidden"}.isdisjoint(dict(found["image-a"]))


def test_a_glance_that_is_away_or_too_slow_is_said(served: ServedWorld, images: GlanceImages) -> None:
    """Nothing is asked once the time is over."""
    with pytest.raises(NovaUnavailable, match="not sent to Glance"):
        images.properties(["image-a"], deadline=within(0.0))
    with served.live.caught_up() as world:
        inject(world, "glance_away", seconds=60.0)
    with pytest.raises(NovaUnavailable, match="Glance"):
        images.properties(["image-a"], deadline=within())
