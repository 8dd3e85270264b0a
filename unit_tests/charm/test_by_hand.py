"""docs/operate/by-hand.md shows the very files that the charm writes.

`python -m unit_tests.charm.test_by_hand` writes them into it anew from the templates.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from masakari_charm.plan import CONFIG_FILE, SYSTEM_USER
from masakari_charm.render import render

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operate" / "by-hand.md"


def test_the_files_are_those_of_the_charm() -> None:
    """Unit files and log rotation are the charm's templates, filled; run `python -m unit_tests.charm.test_by_hand`."""
    assert DOCUMENT.read_text() == with_files(DOCUMENT.read_text())


def with_files(text: str) -> str:
    """Return the document with the files as the templates have them now."""
    filled = {"logrotate": block("logrotate.j2", "text"), "units": "\n".join(units())}
    for name, part in filled.items():
        mark = rf"(<!-- {name}: begin -->\n).*(<!-- {name}: end -->)"
        text = re.sub(mark, lambda found, part=part: f"{found[1]}{part}{found[2]}", text, flags=re.DOTALL)
    return text


def units() -> Iterator[str]:
    """Yield each unit file under its name."""
    for name in ("masakari-api.service", "masakari-engine.service"):
        yield f"`/usr/local/lib/systemd/system/{name}`:\n\n{block(f'{name}.j2', 'ini')}"


def block(template: str, language: str) -> str:
    """Fill a template, without its first line: that one speaks of the charm."""
    filled = render(template, user=SYSTEM_USER, config_file=CONFIG_FILE)
    return f"```{language}\n{filled.partition(chr(10))[2]}```\n"


if __name__ == "__main__":
    DOCUMENT.write_text(with_files(DOCUMENT.read_text()))
    sys.exit(0)
