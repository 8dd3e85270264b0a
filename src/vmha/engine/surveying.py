"""Surveys a host that failed: what Nova and Placement hold for it, and what the images of its instances wish.

Glance says no more than an order. So it gets a few seconds, and a recovery goes on without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core.events import HostSurveyed
from vmha.errors import VmhaError
from vmha.ports import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.core.effects import SurveyHost
    from vmha.core.model import Instance
    from vmha.image_ports import Images, Properties
    from vmha.ports import Clock, Nova

IMAGES_SECONDS = 5.0
"""For all images together, which are few as a rule: what Glance says is worth no longer wait of a host that is down."""


def survey(effect: SurveyHost, nova: Nova, images: Images, *, deadline: Deadline, clock: Clock) -> HostSurveyed:
    """Ask Nova and Placement, and where it is wanted Glance. Raises what the port `Nova` does."""
    found = nova.survey(effect.host, deadline=deadline)
    properties: Mapping[str, Properties] = {}
    trouble = None
    wanted = sorted({each.image for each in found.instances if each.image is not None}) if effect.with_images else []
    if wanted:
        within = Deadline(at=min(deadline.at, clock.monotonic() + IMAGES_SECONDS))
        try:
            properties = images.properties(wanted, deadline=within)
        except VmhaError as error:
            trouble = str(error)
    return HostSurveyed(
        answers=effect.key,
        instances=tuple(_with_image(each, properties) for each in found.instances),
        migrations=found.migrations,
        consumers=found.consumers,
        elsewhere=found.elsewhere,
        images_trouble=trouble,
    )


def _with_image(instance: Instance, properties: Mapping[str, Properties]) -> Instance:
    found = properties.get(instance.image) if instance.image is not None else None
    return instance if found is None else replace(instance, image_properties=found)
