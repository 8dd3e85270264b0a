"""A survey asks Glance too, and does without it where it says nothing."""

from __future__ import annotations

import pytest

from vmha.core.effects import SurveyHost
from vmha.engine.surveying import IMAGES_SECONDS, survey
from vmha.errors import NovaRefused, NovaUnavailable, VmhaError
from vmha.image_ports import Properties
from vmha.ports import Deadline
from vmha.sim.images import SimImages
from vmha.sim.ports import SimClock, SimNova
from vmha.sim.world import World


class Asked:
    """A Glance that answers with an error, or with nothing, and keeps what it was asked."""

    def __init__(self, error: VmhaError | None = None) -> None:
        self.error = error
        self.calls: list[tuple[list[str], float]] = []

    def properties(self, images: object, *, deadline: Deadline) -> dict[str, Properties]:
        """Keep the question."""
        self.calls.append((list(images), deadline.at))  # type: ignore[call-overload]
        if self.error is not None:
            raise self.error
        return {}


@pytest.fixture
def world() -> World:
    """One host with an instance that boots from an image, and one from a volume."""
    built = World(1)
    built.add_host("c1")
    built.add_server("c1", name="vm1", image_backed=True, image_properties={"ha_priority": "7"})
    built.add_server("c1", name="vm2")
    return built


def asked(world: World, images: Asked | SimImages, *, seconds: float = 60.0, with_images: bool = True):  # type: ignore[no-untyped-def]
    """Survey c1."""
    clock = SimClock(world)
    effect = SurveyHost("c1", with_images=with_images)
    return survey(effect, SimNova(world, "e", clock), images, deadline=Deadline(at=world.now + seconds), clock=clock)


def test_each_instance_has_the_properties_of_its_image(world: World) -> None:
    """One that boots from a volume has none."""
    found = asked(world, SimImages(world))
    assert {each.name: each.image_properties for each in found.instances} == {"vm1": (("ha_priority", "7"),), "vm2": ()}
    assert found.images_trouble is None


@pytest.mark.parametrize("error", [NovaUnavailable("away"), NovaRefused(403, "no")])
def test_without_glance_the_survey_is_whole(world: World, error: VmhaError) -> None:
    """What went wrong is said, and all instances are there."""
    found = asked(world, Asked(error))
    assert len(found.instances) == 2
    assert found.images_trouble == str(error)


def test_glance_gets_a_few_seconds(world: World) -> None:
    """Never more than are left of the whole survey."""
    images = Asked()
    asked(world, images)
    asked(world, images, seconds=1.0)
    assert images.calls == [(["image-vm1"], world.now + IMAGES_SECONDS), (["image-vm1"], world.now + 1.0)]


def test_glance_is_not_asked_for_nothing(world: World) -> None:
    """Neither where nobody wants to know, nor where no instance boots from an image."""
    images = Asked()
    asked(world, images, with_images=False)
    world.nova.forget(next(each for each in world.nova.servers.values() if each.name == "vm1"))
    asked(world, images)
    assert images.calls == []
