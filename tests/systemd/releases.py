"""Two charms of this tree, really packed: as it is, and as a later release whose service has one more step of the schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packing import pack, tree

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".packing"
STEPS = "src/vmha/adapters/db/migrations/versions"
LATER = "99.0.0"
COLUMN = "added_later"

STEP = '''\
"""What a later release might add: a column that rows of the release before do not have."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Add it."""
    op.add_column("recoveries", sa.Column("{column}", sa.String(32), nullable=True))
'''


@dataclass(frozen=True, slots=True)
class Release:
    """A packed charm, the release that it carries, and the step of the schema that this release needs."""

    charm: Path
    name: str
    step: str


def pack_this() -> Release:
    """Take the pack of this tree, which another suite may have made."""
    packed = pack.kept(ROOT, work=KEPT)
    return Release(packed.charm, packed.release, newest_step(ROOT))


def pack_later(folder: Path) -> Release:
    """Pack a copy of this tree under another version, with one more step."""
    copy = copy_later(folder / "later")
    packed = pack.kept(copy, work=KEPT)
    return Release(packed.charm, packed.release, newest_step(copy))


def copy_later(copy: Path) -> Path:
    """Copy what packing needs of this tree, and make a later release of it."""
    tree.copy_files(ROOT, copy, pack.SOURCES)
    root = copy / "src" / "vmha" / "__init__.py"
    root.write_text(re.sub(r'(__version__ = )".*"', rf'\1"{LATER}"', root.read_text()))
    before = newest_step(copy)
    revision = f"{int(before) + 1:04d}"
    step = STEP.format(revision=revision, before=before, column=COLUMN)
    (copy / STEPS / f"{revision}_later.py").write_text(step)
    return copy


def newest_step(folder: Path) -> str:
    """Name the last step of a tree."""
    return max(path.name[:4] for path in (folder / STEPS).glob("[0-9]*.py"))
