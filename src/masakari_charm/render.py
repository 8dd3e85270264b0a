"""Fills the templates of the folder templates/. What is missing in one is an error here, not an empty place in a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).resolve().parents[2] / "templates"


def render(template: str, **facts: object) -> str:
    """Return a filled template."""
    return _environment().get_template(template).render(**facts)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML; each value is checked or escaped for its own kind of file before
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
