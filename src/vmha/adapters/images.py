"""Glance as the `Images` port says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from vmha.adapters import nova_records
from vmha.adapters.keystone import Service, open_cloud
from vmha.errors import NovaRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.adapters.keystone import Body, Cloud
    from vmha.image_ports import Properties
    from vmha.ports import Clock, Deadline
    from vmha.settings import Settings

GLANCE = Service("Glance", "image", {})


def open_images(settings: Settings, *, clock: Clock) -> GlanceImages:
    """Prepare the adapter that the settings describe; nothing is sent yet. Raises `ConfigurationError`."""
    return GlanceImages(open_cloud(settings, clock=clock))


class GlanceImages:
    """The `Images` port over HTTP. One by one: a list leaves out what is hidden, as images are that newer ones replaced."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def properties(self, images: Iterable[str], *, deadline: Deadline) -> dict[str, Properties]:
        """Read each image; one that was deleted has none."""
        found: dict[str, Properties] = {}
        for image in images:
            try:
                body = self._cloud.read(GLANCE, f"v2/images/{quote(image, safe='')}", {}, deadline=deadline)
            except NovaRefused as error:
                if error.status != 404:
                    raise
                continue
            with nova_records.reading("images"):
                found[image] = _properties(body)
        return found


def _properties(record: Body) -> Properties:
    """Take what is text: Glance shows the properties of an image beside its fields."""
    return tuple(sorted((name, text) for name, text in record.items() if isinstance(text, str)))
